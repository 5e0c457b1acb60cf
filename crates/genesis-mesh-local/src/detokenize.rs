//! The detokenizer: a stream of token bytes to a stream of text, in whole characters.
//!
//! Owns: the bytes of a character that is not complete yet.
//! Never: splits a character, or loses a byte: what is no UTF-8 becomes U+FFFD.
//! Flow: the bytes of each new token go in; what comes out goes to the stop matcher.

#[cfg(test)]
mod tests;

/// Turns bytes into text as they come; any split of the bytes gives the same text in the end, that of
/// [`String::from_utf8_lossy`] on all of them.
///
/// ```
/// use genesis_mesh_local::detokenize::Detokenizer;
///
/// let mut detokenizer = Detokenizer::default();
/// assert_eq!(detokenizer.push(b"caf\xC3"), "caf");
/// assert_eq!(detokenizer.push(b"\xA9"), "é");
/// assert_eq!(detokenizer.finish(), "");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Detokenizer {
    /// The start of a character; at most three bytes between calls.
    pending: Vec<u8>,
}

impl Detokenizer {
    /// Takes the bytes of one token and gives the characters that are complete now, if any.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        while !rest.is_empty() {
            let (valid, invalid) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let Some((whole, after)) = rest.split_at_checked(valid) else { break };
            text.push_str(std::str::from_utf8(whole).unwrap_or_default());
            rest = after;
            // An error without a length is a character that may still be completed.
            let Some(invalid) = invalid else { break };
            if invalid > 0 {
                text.push(char::REPLACEMENT_CHARACTER);
                rest = rest.get(invalid..).unwrap_or_default();
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// Ends the text: U+FFFD if a character was cut, else nothing. A new text may follow.
    pub fn finish(&mut self) -> String {
        let cut = !std::mem::take(&mut self.pending).is_empty();
        if cut { char::REPLACEMENT_CHARACTER.into() } else { String::new() }
    }
}
