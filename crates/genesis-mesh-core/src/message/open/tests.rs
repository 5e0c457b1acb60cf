//! Conversations with open calls.

use super::*;
use crate::message::ToolCall;

fn calling(ids: &[&str]) -> Message {
    let call =
        |id: &&str| ToolCall { id: (*id).to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() };
    Message { tool_calls: ids.iter().map(call).collect(), ..Message::new(Role::Assistant, "") }
}

fn answer(id: &str, content: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::new(Role::Tool, content) }
}

fn repaired(mut messages: Vec<Message>) -> Vec<Message> {
    Message::answer_open_calls(&mut messages);
    messages
}

#[test]
fn each_open_call_is_answered_after_those_that_were() {
    let user = || Message::new(Role::User, "and?");
    let given = vec![
        user(),
        calling(&["a", "b", "c"]),
        answer("b", "blue"),
        user(),
        calling(&["d"]),
        calling(&["e"]),
        answer("e", "red"),
        calling(&["f"]),
    ];
    let wanted = vec![
        user(),
        calling(&["a", "b", "c"]),
        answer("b", "blue"),
        answer("a", INTERRUPTED),
        answer("c", INTERRUPTED),
        user(),
        calling(&["d"]),
        answer("d", INTERRUPTED),
        calling(&["e"]),
        answer("e", "red"),
        calling(&["f"]),
        answer("f", INTERRUPTED),
    ];
    assert_eq!(repaired(given), wanted);
    assert_eq!(repaired(wanted.clone()), wanted, "there is nothing more to do");
}

#[test]
fn a_call_whose_id_comes_again_is_open_if_its_own_answer_is_before_it() {
    let given = vec![calling(&["a"]), answer("a", "1"), calling(&["a"])];
    assert_eq!(repaired(given.clone()), [given, vec![answer("a", INTERRUPTED)]].concat());
    assert_eq!(repaired(Vec::new()), Vec::new());
}
