//! Characters come out whole, and any split of the bytes gives the same text.

use super::Detokenizer;
use proptest::prelude::*;

fn text_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut detokenizer = Detokenizer::default();
    let mut text: String = parts.into_iter().map(|part| detokenizer.push(part)).collect();
    text.push_str(&detokenizer.finish());
    text
}

#[test]
fn a_character_comes_out_whole_and_at_once() {
    let mut detokenizer = Detokenizer::default();
    let outputs: Vec<String> = "a😀b".bytes().map(|byte| detokenizer.push(&[byte])).collect();
    assert_eq!(outputs, ["a", "", "", "", "😀", "b"]);
}

#[test]
fn bytes_that_no_character_has_are_replaced_at_once() {
    let mut detokenizer = Detokenizer::default();
    assert_eq!(detokenizer.push(b"a\xFFb"), "a\u{FFFD}b");
    assert_eq!(detokenizer.push(b"\xE2\x82"), "");
    assert_eq!(detokenizer.push(b"x"), "\u{FFFD}x");
}

#[test]
fn a_cut_character_is_replaced_at_the_end_and_nothing_is_kept() {
    let mut detokenizer = Detokenizer::default();
    assert_eq!(detokenizer.push(b"\xF0\x9F\x98"), "");
    assert_eq!(detokenizer.finish(), "\u{FFFD}");
    assert_eq!(detokenizer.finish(), "");
    assert_eq!(detokenizer.push(b"ok"), "ok");
}

/// Bytes that are often nearly UTF-8: pieces of characters, and any bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<char>().prop_map(|character| character.to_string().into_bytes()),
        (any::<char>(), 0..4_usize).prop_map(|(character, keep)| {
            let bytes = character.to_string().into_bytes();
            bytes[..keep.min(bytes.len())].to_vec()
        }),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_split_of_any_bytes_gives_the_text_of_the_whole(bytes in bytes(), lengths in prop::collection::vec(0..6_usize, 0..60)) {
        let mut parts = Vec::new();
        let mut rest = bytes.as_slice();
        for length in lengths {
            let (part, after) = rest.split_at(length.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        prop_assert_eq!(text_of(parts), String::from_utf8_lossy(&bytes));
    }
}
