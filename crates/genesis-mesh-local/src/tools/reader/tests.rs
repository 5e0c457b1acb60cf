//! Answers in pieces of any size give the same text and the same calls, and never a marker.

use super::super::form::{CallForm, Family};
use super::*;

const ARGUMENTS: &str = r#"{"city": "a \"}{[ </tool_call> é", "days": [1, {"x": 2}]}"#;

pub(crate) fn form(family: Family, token: Option<u32>) -> CallForm {
    let marker = |text| token.map_or(Marker::Text(text), Marker::Token);
    let (open, is_at_start) = match family {
        Family::Hermes => (marker("<tool_call>"), false),
        Family::Mistral => (marker("[TOOL_CALLS]"), false),
        Family::Llama => (Marker::Text("{"), true),
    };
    let opening = Opening { marker: open, is_at_start };
    CallForm { family, opening, close: Marker::Text("</tool_call>"), is_in_template: false }
}

/// What comes of `answer` in pieces of `size` characters: its text, its calls, and the pieces of their arguments.
fn read(
    form: &CallForm,
    is_call_first: bool,
    answer: &str,
    size: usize,
) -> (String, Vec<ToolCall>, Vec<ToolCallDelta>) {
    let mut reader = CallReader::new(form, is_call_first, CallIds::new(1, &[2, 3]));
    let (mut text, mut calls, mut deltas) = (String::new(), Vec::new(), Vec::new());
    let chars: Vec<char> = answer.chars().collect();
    for part in chars.chunks(size) {
        for piece in reader.push(0, &part.iter().collect::<String>()) {
            match piece {
                Piece::Text(part) => text.push_str(&part),
                Piece::Delta(delta) => deltas.push(delta),
                Piece::Call(call) => calls.push(call),
            }
        }
    }
    text.push_str(&reader.finish());
    (text, calls, deltas)
}

#[test]
fn any_pieces_of_an_answer_give_its_text_and_its_calls() {
    let hermes = format!(
        "One <tool moment.\n\n<tool_call>\n{{\"name\": \"a-1\", \"arguments\": {ARGUMENTS}}}\n</tool_call>\n\
        <tool_call>\n{{\"name\": \"b\", \"arguments\": {{}}}}\n</tool_call>"
    );
    let mistral = format!(
        "One <tool moment.[TOOL_CALLS] [{{\"name\": \"a-1\", \"arguments\": {ARGUMENTS}}}, {{\"name\": \"b\", \"arguments\": {{}}}}]"
    );
    for (family, answer) in [(Family::Hermes, hermes), (Family::Mistral, mistral)] {
        for size in 1..40 {
            let (text, calls, deltas) = read(&form(family, None), false, &answer, size);
            assert_eq!(text, "One <tool moment.", "{size}");
            let [first, second] = calls.as_slice() else { panic!("{size}: {calls:?}") };
            assert_eq!((first.name.as_str(), first.arguments.as_str()), ("a-1", ARGUMENTS));
            assert_eq!((second.name.as_str(), second.arguments.as_str()), ("b", "{}"));
            assert_ne!(first.id, second.id);
            assert!(first.id.len() == 29 && first.id.starts_with("call_"), "{}", first.id);
            for call in [first, second] {
                let own: Vec<_> = deltas.iter().filter(|delta| delta.id == call.id).collect();
                assert_eq!(
                    own.iter().map(|delta| delta.arguments.as_str()).collect::<String>(),
                    call.arguments
                );
                assert!(own.iter().all(|delta| delta.name == call.name));
                assert!(
                    own[0].arguments.is_empty() && own[1..].iter().all(|delta| !delta.arguments.is_empty())
                );
            }
        }
    }
}

#[test]
fn a_call_that_is_the_whole_answer_is_one_and_a_text_with_a_brace_is_none() {
    for size in 1..30 {
        let form = form(Family::Llama, None);
        let answer = format!("{{\"name\": \"a\", \"parameters\": {ARGUMENTS}}}");
        let (text, calls, _) = read(&form, false, &answer, size);
        assert_eq!((text.as_str(), calls.len()), ("", 1));
        assert_eq!(calls[0].arguments, ARGUMENTS);
        let (text, calls, _) = read(&form, false, "No: {\"name\": \"a\"} ", size);
        assert_eq!((text.as_str(), calls.len()), ("No: {\"name\": \"a\"} ", 0));
    }
}

#[test]
fn a_marker_inside_an_answer_of_a_response_format_is_text() {
    let answer = "{\"tag\": \"<tool_call>\\n{\\\"name\\\": \"}";
    for size in 1..30 {
        let (text, calls, _) = read(&form(Family::Hermes, None), true, answer, size);
        assert_eq!((text.as_str(), calls.len()), (answer, 0));
    }
}

#[test]
fn text_that_only_begins_like_a_marker_is_told_at_the_end_and_white_space_with_it() {
    for size in 1..10 {
        let (text, calls, _) = read(&form(Family::Hermes, None), false, "a < b <tool_cal \n", size);
        assert_eq!((text.as_str(), calls.len()), ("a < b <tool_cal \n", 0));
    }
}

#[test]
fn a_marker_token_begins_a_call_and_its_text_does_not() {
    let form = form(Family::Mistral, Some(7));
    let mut reader = CallReader::new(&form, false, CallIds::new(1, &[]));
    assert_eq!(reader.push(3, "so [TOOL_CALLS] "), [Piece::Text("so [TOOL_CALLS]".to_owned())]);
    assert_eq!(reader.push(7, ""), []);
    let pieces = reader.push(4, " [{\"name\": \"a\", \"arguments\": {}}]");
    assert!(matches!(pieces.as_slice(), [Piece::Delta(_), Piece::Delta(_), Piece::Call(_)]), "{pieces:?}");
}

#[test]
fn a_call_that_is_cut_is_no_call_and_no_text() {
    let whole = "<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": 1}";
    for end in "<tool_call>".len()..whole.len() {
        let (text, calls, _) = read(&form(Family::Hermes, None), false, &whole[..end], 3);
        assert_eq!((text.as_str(), calls.len()), ("", 0), "{}", &whole[..end]);
    }
}
