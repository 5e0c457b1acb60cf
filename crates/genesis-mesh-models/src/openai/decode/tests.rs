//! Chunks and completions, as servers write them.

use super::*;
use genesis_mesh_core::{ToolCall, ToolCallDelta};
use serde_json::json;

/// The events of `chunks` and of the end after them.
fn events(chunks: &[Value]) -> Result<Vec<ModelEvent>, DecodeFault> {
    let mut decoder = Decoder::new(2);
    let mut events = VecDeque::new();
    for chunk in chunks {
        decoder.take(chunk.to_string().as_bytes(), &mut events)?;
    }
    decoder.finish(&mut events)?;
    Ok(events.into())
}

#[expect(clippy::needless_pass_by_value, reason = "called with a literal")]
fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

#[expect(clippy::needless_pass_by_value, reason = "called with a literal")]
fn call(call: Value) -> Value {
    delta(json!({"tool_calls": [call]}))
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { text: text.to_owned(), logprobs: Vec::new() }
}

fn piece(id: &str, name: &str, arguments: &str) -> ModelEvent {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    ModelEvent::ToolCallDelta(ToolCallDelta { id, name, arguments })
}

fn whole(id: &str, name: &str, arguments: &str) -> ModelEvent {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    ModelEvent::ToolCall(ToolCall { id, name, arguments })
}

fn done(output: u64, finish_reason: FinishReason) -> ModelEvent {
    ModelEvent::Done { usage: Usage::new(0, output), finish_reason }
}

#[track_caller]
fn check(chunks: &[Value], expected: &[ModelEvent]) {
    assert_eq!(events(chunks).expect("a clean end"), expected);
}

#[test]
fn pieces_are_counted_where_no_usage_is_told_and_empty_ones_are_none() {
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "a"})),
        delta(json!({"content": null, "refusal": "b"})),
        finish("stop"),
    ];
    check(&chunks, &[text("a"), text("b"), done(2, FinishReason::Stop)]);
}

#[test]
fn the_last_usage_counts() {
    let usage =
        |output: u64| json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": output}});
    let chunks = [usage(1), delta(json!({"content": "a"})), finish("stop"), usage(9)];
    let end = ModelEvent::Done { usage: Usage::new(3, 9), finish_reason: FinishReason::Stop };
    check(&chunks, &[text("a"), end]);
}

#[test]
fn other_choices_unknown_fields_and_chunks_without_choices_are_passed_over() {
    let chunks = [
        json!({"id": "x", "choices": null, "obfuscation": "zz"}),
        json!({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "a", "audio": {}}, "finish_reason": "length", "x": [1]}]}),
    ];
    check(&chunks, &[text("a"), done(1, FinishReason::Length)]);
}

#[test]
fn each_reason_has_its_meaning() {
    let reasons = [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ];
    for (name, reason) in reasons {
        check(&[finish(name)], &[done(0, reason)]);
    }
    for broken in ["error", "abort"] {
        assert!(matches!(events(&[finish(broken)]), Err(DecodeFault::Malformed(_))), "{broken}");
    }
}

#[test]
fn interleaved_calls_come_as_pieces_at_once_and_whole_in_the_order_of_their_begins() {
    let chunks = [
        call(json!({"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}})),
        call(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "g", "arguments": "{"}})),
        call(json!({"index": 1, "function": {"arguments": "{\"x\":"}})),
        call(json!({"index": 0, "function": {"arguments": "}"}})),
        call(json!({"index": 1, "function": {"arguments": "1}"}})),
        call(json!({"index": 1, "function": {"arguments": ""}})),
        finish("tool_calls"),
    ];
    let expected = [
        piece("b", "f", ""),
        piece("a", "g", "{"),
        piece("b", "f", "{\"x\":"),
        piece("a", "g", "}"),
        piece("b", "f", "1}"),
        whole("b", "f", "{\"x\":1}"),
        whole("a", "g", "{}"),
        done(6, FinishReason::ToolCalls),
    ];
    check(&chunks, &expected);
}

#[test]
fn calls_of_servers_with_other_habits_are_told_apart() {
    // All under one index; another id in each piece; no id and no index; the name late; no arguments.
    let chunks = [
        call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}})),
        call(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "2"}})),
        call(json!({"index": 0, "id": "b-again", "function": {"arguments": "3"}})),
        call(json!({"function": {"name": "h", "arguments": ""}})),
        call(json!({"index": 3, "id": "d", "function": {"arguments": "4"}})),
        call(json!({"index": 3, "function": {"name": "k", "arguments": "5"}})),
        finish("stop"),
    ];
    let expected = [
        piece("a", "f", "1"),
        piece("b", "g", "2"),
        piece("b", "g", "3"),
        piece("call_5", "h", ""),
        piece("d", "k", "45"),
        whole("a", "f", "1"),
        whole("b", "g", "23"),
        whole("call_5", "h", "{}"),
        whole("d", "k", "45"),
        done(6, FinishReason::ToolCalls),
    ];
    check(&chunks, &expected);
}

#[test]
fn a_whole_completion_is_read_like_one_chunk() {
    let message = json!({"role": "assistant", "content": "a", "tool_calls": [
        {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]});
    let chunk = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9},
    });
    let end = ModelEvent::Done { usage: Usage::new(4, 5), finish_reason: FinishReason::ToolCalls };
    let expected = [
        text("a"),
        piece("x", "f", "{}"),
        piece("call_4", "g", "{}"),
        whole("x", "f", "{}"),
        whole("call_4", "g", "{}"),
        end,
    ];
    check(&[chunk], &expected);
}

#[test]
fn log_probabilities_of_parts_of_a_character_wait_for_its_text_and_count_tokens() {
    let token = |token: &str, bytes: Value| json!({"token": token, "logprob": -0.5, "bytes": bytes, "top_logprobs": []});
    let chunk = |content: &str, tokens: Value| json!({"choices": [{"delta": {"content": content}, "logprobs": {"content": tokens, "refusal": null}}]});
    let chunks = [
        chunk("", json!([token("\\xc3", json!([195]))])),
        chunk("é", json!([token("\\xa9", json!([169]))])),
        chunk("!", json!([token("!", Value::Null)])),
        finish("stop"),
    ];
    let logprob = |token: &str, bytes: &[u8]| TokenLogprob {
        token: token.to_owned(),
        logprob: -0.5,
        bytes: bytes.to_vec(),
        top: Vec::new(),
    };
    let expected = [
        ModelEvent::Text {
            text: "é".to_owned(),
            logprobs: vec![logprob("\\xc3", &[195]), logprob("\\xa9", &[169])],
        },
        ModelEvent::Text { text: "!".to_owned(), logprobs: vec![logprob("!", b"!")] },
        done(3, FinishReason::Stop),
    ];
    check(&chunks, &expected);
}

#[test]
fn an_error_is_told_and_an_end_without_a_reason_or_a_call_without_a_name_is_none() {
    let error = json!({"error": {"message": "no"}});
    assert!(matches!(events(&[error]), Err(DecodeFault::Told(told)) if told["message"] == "no"));
    let error = json!({"object": "error", "message": "no"});
    assert!(matches!(events(&[error]), Err(DecodeFault::Told(told)) if told["message"] == "no"));
    assert!(matches!(events(&[delta(json!({"content": "a"}))]), Err(DecodeFault::Malformed(_))));
    let nameless = call(json!({"index": 0, "id": "a", "function": {"arguments": "{}"}}));
    assert!(matches!(events(&[nameless, finish("tool_calls")]), Err(DecodeFault::Malformed(_))));
}

#[test]
fn calls_have_bounds() {
    let mut many: Vec<Value> = (0..128).map(|index| call(json!({"index": index}))).collect();
    many.push(call(json!({"index": 128})));
    assert!(matches!(events(&many), Err(DecodeFault::TooLarge(_))));
    let long =
        vec![call(json!({"index": 0, "function": {"name": "f", "arguments": "x".repeat(1 << 20)}})); 5];
    assert!(matches!(events(&long), Err(DecodeFault::TooLarge(_))));
}

#[test]
fn what_is_no_chunk_is_malformed() {
    for json in
        ["", "nonsense", "[1]", "{\"choices\": \"x\"}", "{\"choices\": [{\"delta\": {\"content\": 5}}]}"]
    {
        let result = Decoder::new(0).take(json.as_bytes(), &mut VecDeque::new());
        assert!(matches!(result, Err(DecodeFault::Malformed(_))), "{json}: {result:?}");
    }
    let result =
        Decoder::new(0).take(b"{\"choices\": [{\"delta\": {\"content\": \"\xff\"}}]}", &mut VecDeque::new());
    assert!(matches!(result, Err(DecodeFault::Malformed(_))), "{result:?}");
}
