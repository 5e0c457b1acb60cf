//! Text as the inside of a JSON string, written straight into a buffer of bytes.
//!
//! Owns: JSON's escapes, in the form that `serde_json` writes, for the one message that is sent for every token.
//! Never: writes the quotes; whoever encodes a hot message has them in its fixed parts.

/// What each byte needs: 0 nothing, `u` a code, else the letter after the backslash.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0C] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Adds `text` to `out` as the inside of a JSON string.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    let needs = |byte: &u8| ESCAPES.get(usize::from(*byte)).is_some_and(|escape| *escape != 0);
    while let Some(at) = rest.iter().position(needs) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else { return };
        match ESCAPES.get(usize::from(*byte)) {
            Some(b'u') => {
                let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            Some(letter) => out.extend_from_slice(&[b'\\', *letter]),
            None => {}
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_written_as_serde_json_does() {
        let all: String = (0..=0x2FF).chain([0x2028, 0xFFFD, 0x1F600]).filter_map(char::from_u32).collect();
        let each = all.chars().map(|one| one.to_string());
        for text in each.chain([all.clone(), String::new(), all.chars().rev().collect()]) {
            let mut escaped = vec![b'"'];
            escape(&text, &mut escaped);
            escaped.push(b'"');
            assert_eq!(escaped, serde_json::to_vec(&text).unwrap(), "{text:?}");
        }
    }
}
