//! Events over every cut of their bytes.

use super::*;

/// The events of `bytes`, given `size` at a time.
fn events(bytes: &[u8], size: usize) -> Result<Vec<String>, SseFault> {
    let mut reader = SseReader::default();
    let mut events = Vec::new();
    for piece in bytes.chunks(size) {
        reader.push(piece);
        while let Some(data) = reader.next_event()? {
            events.push(String::from_utf8(data.to_vec()).expect("text"));
        }
    }
    Ok(events)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    for size in [1, 2, 3, 5, 7, text.len()] {
        assert_eq!(events(text.as_bytes(), size).as_ref(), Ok(&expected), "{size} at a time");
    }
}

#[test]
fn all_three_line_ends_end_lines_in_any_mix() {
    check("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n", &["a", "b", "c", "d"]);
}

#[test]
fn a_mark_of_order_and_missing_spaces_are_fine_and_only_one_space_is_cut() {
    check("\u{feff}data:a\n\ndata:  b\n\n\u{feff}", &["a", " b"]);
}

#[test]
fn lines_of_data_are_joined_and_comments_and_other_fields_tell_nothing() {
    check(": ping\n\nevent: x\nid: 1\nretry: 5\n\n:\ndata: {\ndata\ndata: }\n: in it\n\n", &["{\n\n}"]);
}

#[test]
fn an_event_without_its_empty_line_is_none() {
    check("data: a\n\ndata: b\n", &["a"]);
    check("data: a\n\ndata: b", &["a"]);
}

#[test]
fn an_unknown_line_breaks_the_stream_after_the_events_before_it() {
    let mut reader = SseReader::default();
    reader.push(b"data: a\n\ndat: b\n\n");
    assert_eq!(reader.next_event(), Ok(Some(&b"a"[..])));
    assert_eq!(reader.next_event(), Err(SseFault::UnknownLine));
}

#[test]
fn an_event_has_a_bound_in_one_line_in_many_and_before_its_end_comes() {
    let line = format!("data: {}\n\n", "x".repeat(EVENT_BYTES_MAX - 8));
    assert_eq!(events(line.as_bytes(), 1 << 16).map(|events| events.len()), Ok(1));
    let line = format!("data: {}\n\n", "x".repeat(EVENT_BYTES_MAX));
    assert_eq!(events(line.as_bytes(), line.len()), Err(SseFault::TooLarge));
    assert_eq!(events(&vec![b'x'; EVENT_BYTES_MAX + 1], 1 << 16), Err(SseFault::TooLarge));
    let lines = format!("data: {}\n", "x".repeat(1_000)).repeat(1_100);
    assert_eq!(events(lines.as_bytes(), 1 << 16), Err(SseFault::TooLarge));
}

#[test]
fn many_small_events_are_no_large_one() {
    let text = "data: x\n\n".repeat(200_000);
    assert_eq!(events(text.as_bytes(), text.len()).map(|events| events.len()), Ok(200_000));
}
