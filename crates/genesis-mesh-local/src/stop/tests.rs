//! Any split of a text gives what a search of the whole text gives.

use super::{Released, StopMatcher};
use proptest::prelude::*;

fn matcher(stops: &[&str]) -> StopMatcher {
    StopMatcher::new(stops.iter().map(|stop| (*stop).to_owned()).collect())
}

fn released(text: &str, stop: Option<usize>) -> Released {
    Released { text: text.to_owned(), stop }
}

/// All that comes out for these pieces, and which stop string ended it.
fn run<'a>(stops: &[String], pieces: impl IntoIterator<Item = &'a str>) -> (String, Option<usize>) {
    let mut matcher = StopMatcher::new(stops.to_vec());
    let mut text = String::new();
    for piece in pieces {
        let released = matcher.push(piece);
        text.push_str(&released.text);
        if released.stop.is_some() {
            return (text, released.stop);
        }
    }
    text.push_str(&matcher.finish());
    (text, None)
}

/// The same by its definition: the first place where a stop string is complete, and the longest there.
fn naive(stops: &[String], text: &str) -> (String, Option<usize>) {
    for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
        let before = &text[..end];
        let complete =
            stops.iter().enumerate().filter(|(_, stop)| !stop.is_empty() && before.ends_with(*stop));
        let longest = complete.max_by_key(|(index, stop)| (stop.len(), usize::MAX - index));
        if let Some((index, stop)) = longest {
            return (before[..end - stop.len()].to_owned(), Some(index));
        }
    }
    (text.to_owned(), None)
}

#[test]
fn a_stop_string_in_pieces_ends_the_text_before_it() {
    let mut matcher = matcher(&["END"]);
    assert_eq!(matcher.push("a E"), released("a ", None));
    assert_eq!(matcher.push("N"), released("", None));
    assert_eq!(matcher.push("D b"), released("", Some(0)));
    assert_eq!(matcher.push("more"), released("", Some(0)));
    assert_eq!(matcher.finish(), "");
}

#[test]
fn text_that_only_looked_like_a_stop_string_comes_out() {
    let mut matcher = matcher(&["aab"]);
    assert_eq!(matcher.push("aa"), released("", None));
    assert_eq!(matcher.push("a"), released("a", None));
    assert_eq!(matcher.push("c"), released("aac", None));
    assert_eq!(matcher.push("aa"), released("", None));
    assert_eq!(matcher.finish(), "aa");
}

#[test]
fn text_passes_at_once_where_no_stop_string_can_begin() {
    let mut none = matcher(&[]);
    assert_eq!(none.push("anything"), released("anything", None));
    let mut empty = matcher(&["", "é!"]);
    assert_eq!(empty.push("è"), released("è", None));
    assert_eq!(empty.push("é"), released("", None));
    assert_eq!(empty.push("!"), released("", Some(1)));
}

#[test]
fn the_stop_string_that_is_complete_first_wins_and_then_the_longer_one() {
    assert_eq!(matcher(&["abcd", "bc"]).push("abcd"), released("a", Some(1)));
    assert_eq!(matcher(&["c", "abc"]).push("abc"), released("", Some(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_split_gives_what_a_search_of_the_whole_text_gives(
        stops in prop::collection::vec("[abé]{0,4}", 0..4),
        pieces in prop::collection::vec("[abéc]{0,5}", 0..8),
    ) {
        let whole = pieces.concat();
        prop_assert_eq!(run(&stops, pieces.iter().map(String::as_str)), naive(&stops, &whole));
    }

    #[test]
    fn no_more_is_held_back_than_may_become_a_stop_string(stop in "[ab]{1,4}", text in "[abc]{0,12}") {
        let mut matcher = StopMatcher::new(vec![stop.clone()]);
        let released = matcher.push(&text);
        if released.stop.is_none() {
            let held = &text[released.text.len()..];
            prop_assert!(held.is_empty() || stop.starts_with(held));
            prop_assert!((0..released.text.len()).all(|start| !stop.starts_with(&text[start..])));
        }
    }
}
