//! The wire format, byte for byte, and what is not a command.

use super::*;
use genesis_mesh::{FinishReason, TokenLogprob, ToolCall, Update, Usage};
use serde_json::json;

fn text(message: &impl Serialize) -> String {
    let mut out = Vec::new();
    encode(message, &mut out);
    String::from_utf8(out).expect("the message is UTF-8")
}

#[track_caller]
fn encoded(message: &impl Serialize) -> Value {
    serde_json::from_str(&text(message)).expect("the message is JSON")
}

#[test]
fn updates_have_their_documented_json() {
    let delta = Update::delta("a\"\u{1F600}\n");
    assert_eq!(text(&delta), "{\"type\":\"delta\",\"text\":\"a\\\"😀\\n\"}");
    let logprob = TokenLogprob { token: "a".into(), logprob: -0.5, bytes: vec![97], top: Vec::new() };
    let delta = Update::Delta { text: "a".into(), logprobs: vec![logprob], message: None };
    assert_eq!(
        encoded(&delta),
        json!({"type": "delta", "text": "a", "logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97]}]})
    );
    let done = Update::Done { usage: Usage::new(3, 4), finish_reason: FinishReason::Cancelled };
    assert_eq!(
        text(&done),
        r#"{"type":"done","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7},"finish_reason":"cancelled"}"#
    );
    let call = Update::ToolCall(ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() });
    assert_eq!(encoded(&call), json!({"type": "tool_call", "id": "1", "name": "f", "arguments": "{}"}));
    assert_eq!(encoded(&Update::Output { value: json!([1]) }), json!({"type": "output", "value": [1]}));
}

#[test]
fn errors_have_a_code_a_message_and_a_param() {
    assert_eq!(
        encoded(&ErrorReply::from(&MessageError::Binary)),
        json!({"type": "error", "error": {
            "code": "binary_message", "message": "binary messages have no meaning here; send JSON text", "param": null
        }})
    );
}

#[test]
fn a_delta_by_hand_is_the_delta_of_serde() {
    for pieces in [vec!["a"], vec![" cap\"i\\tal\n"], vec!["\u{1}", "\u{1F600}", "end"]] {
        let mut out = Vec::new();
        start_delta(&mut out);
        pieces.iter().for_each(|piece| continue_delta(piece, &mut out));
        end_delta(None, &mut out);
        let delta = Update::delta(pieces.concat());
        assert_eq!(String::from_utf8(out).expect("UTF-8"), text(&delta));
    }
}

#[test]
fn only_the_exact_cancel_is_a_cancel() {
    assert_eq!(decode(r#"{"type":"cancel"}"#), Ok(Command::Cancel));
    assert_eq!(
        decode(r#"{"type":"cancel","x":1}"#),
        Ok(Command::Start(input(json!({"type": "cancel", "x": 1}))))
    );
    assert_eq!(decode("{}"), Ok(Command::Start(input(json!({})))));
}

#[test]
fn what_is_no_object_is_refused_by_name() {
    for (text, code) in
        [("", "invalid_json"), ("{", "invalid_json"), ("[]", "invalid_input"), ("1", "invalid_input")]
    {
        assert_eq!(decode(text).expect_err("refused").code(), code, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(decode(&deep).expect_err("refused").code(), "invalid_json");
}

fn input(value: Value) -> Ask {
    Ask::Input { value }
}
