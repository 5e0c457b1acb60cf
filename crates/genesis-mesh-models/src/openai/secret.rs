//! Secrets of an upstream: the key that is sent, and texts that must not show it.
//!
//! Owns: `ApiKey`, which never prints itself, and removing secrets from a provider's words.
//! Never: writes a secret anywhere but into a header.

use std::fmt;

/// The longest text of a provider that is passed on, in characters: a screen; more is no message.
const WORDS_CHARS_MAX: usize = 1_000;
/// Values of extra headers from this length on are taken for secrets, in bytes: versions and names are shorter.
const SECRET_BYTES_MIN: usize = 16;
/// What stands in the place of a secret.
const REMOVED: &str = "[removed]";

/// The key for an OpenAI-compatible server. Its `Debug` form says nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key `key`. White space around it is cut off: a key that is read from a file ends with a line end.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([removed])")
    }
}

/// Removes secrets from a provider's words.
pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub(super) fn new(key: Option<&ApiKey>, headers: &[(String, String)]) -> Self {
        let key = key.map(|key| key.0.clone()).filter(|key| !key.is_empty());
        let values = headers.iter().map(|(_, value)| value).filter(|value| value.len() >= SECRET_BYTES_MIN);
        Self { secrets: key.into_iter().chain(values.cloned()).collect() }
    }

    /// `words` without secrets, white space around them, and without an end that is too long.
    pub(super) fn clean(&self, words: &str) -> String {
        let mut words = words.trim().to_owned();
        for secret in &self.secrets {
            if words.contains(secret.as_str()) {
                words = words.replace(secret.as_str(), REMOVED);
            }
        }
        if let Some((end, _)) = words.char_indices().nth(WORDS_CHARS_MAX) {
            words.truncate(end);
            words.push('…');
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_prints_itself_and_loses_the_line_end_of_its_file() {
        let key = ApiKey::new("sk-secret\n");
        assert_eq!(key.reveal(), "sk-secret");
        assert_eq!(format!("{key:?}"), "ApiKey([removed])");
    }

    #[test]
    fn words_lose_secrets_before_they_are_cut() {
        let headers = [("api-key".to_owned(), "0123456789abcdef".to_owned())];
        let redactor = Redactor::new(Some(&ApiKey::new("sk-1")), &headers);
        assert_eq!(redactor.clean(" sk-1 and 0123456789abcdef "), "[removed] and [removed]");
        let long = format!("{}sk-1", "é".repeat(999));
        let cleaned = redactor.clean(&long);
        assert_eq!(cleaned.chars().count(), 1_001);
        assert!(cleaned.ends_with("é[…"), "{cleaned}");
    }
}
