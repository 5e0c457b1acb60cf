//! Names: what a model or an agent may be called, and which known name a wrong one meant.
//!
//! Owns: the rule that a name is usable as one part of a path, and the search for the nearest name.
//! Never: knows what the names stand for.

/// The longest name, in bytes: long enough for a model's file name, short enough for a log line.
const NAME_BYTES_MAX: usize = 64;

/// How alike (0.0 to 1.0, Jaro-Winkler) a known name must be to be suggested; lower suggests noise.
const LIKENESS_MIN: f64 = 0.8;

/// Whether `name` is `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`: one part of a path, nothing to escape.
pub(crate) fn is_valid(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(inner)
}

/// The known name that `name` most likely meant, if one is near enough.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// Names in backticks, joined by commas: `` `a`, `b` ``.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_part_of_a_path() {
        for good in ["a", "9", "smollm2", "SmolLM2-135M.Q4_1", &"x".repeat(64)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", ".", "-a", "_a", "a/b", "a b", "ä", "a\0", "a%20b", "..", &"x".repeat(65)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["temperature", "top_k", "top_p"];
        assert_eq!(nearest("tempurature", known), Some("temperature"));
        assert_eq!(nearest("topp", known), Some("top_p"));
        assert_eq!(nearest("zebra", known), None);
    }
}
