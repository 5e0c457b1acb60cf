//! Answers as streams of events.

use super::speaker::saying;
use crate::desk::Desk;
use serde_json::{Value, json};

fn streaming(prompt: &str, more: Value) -> Value {
    let mut body = saying(prompt, more);
    body["stream"] = json!(true);
    body
}

fn text(chunks: &[Value], index: usize) -> String {
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    let own = choices.filter(|choice| choice["index"] == index);
    own.filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_is_a_role_then_pieces_then_the_reason_then_done() {
    let desk = Desk::open().await;
    let mut events = desk.events(&streaming("echo \"é\\\n", json!({}))).await;
    for header in
        ["200 ok", "content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]
    {
        assert!(events.head.contains(header), "{header} is not in {}", events.head);
    }
    let (chunks, is_done) = events.rest().await;
    assert!(is_done);
    let news: Vec<Value> = chunks
        .iter()
        .map(|chunk| {
            let choice = &chunk["choices"][0];
            assert_eq!((&choice["index"], &choice["logprobs"]), (&json!(0), &Value::Null));
            json!([choice["delta"], choice["finish_reason"]])
        })
        .collect();
    let piece = |text: &str| json!([{"content": text}, null]);
    let start = json!([{"role": "assistant", "content": ""}, null]);
    assert_eq!(news, [start, piece("\""), piece("é"), piece("\\"), piece("\n"), json!([{}, "stop"])]);
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for same in ["id", "created", "model", "system_fingerprint"] {
            assert_eq!(chunk[same], chunks[0][same]);
        }
        assert!(chunk.get("usage").is_none(), "nobody asked: {chunk}");
    }
    assert!(chunks[0]["id"].as_str().unwrap().starts_with("chatcmpl-"));
}

#[tokio::test]
async fn usage_is_a_last_chunk_without_choices_if_it_was_asked_for() {
    let desk = Desk::open().await;
    let body = streaming("echo hi", json!({"stream_options": {"include_usage": true}}));
    let (chunks, is_done) = desk.events(&body).await.rest().await;
    assert!(is_done);
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}));
    assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
}

#[tokio::test]
async fn tool_calls_stream_in_pieces_and_whole_ones_at_once() {
    let desk = Desk::open().await;
    let (chunks, _) = desk.events(&streaming(r#"call {"a":1}"#, json!({}))).await.rest().await;
    let calls: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten()
        .cloned()
        .collect();
    let begin = |index: usize, id: &str, name: &str, arguments: &str| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let more = |arguments: &str| json!({"index": 0, "function": {"arguments": arguments}});
    let expected = [
        begin(0, "call_1", "get_weather", ""),
        more(r#"{"a"#),
        more(r#"":1}"#),
        begin(1, "call_2", "now", "{}"),
    ];
    assert_eq!(calls, expected);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn log_probabilities_come_with_their_pieces() {
    let desk = Desk::open().await;
    let (chunks, _) = desk.events(&streaming("likely ab", json!({"logprobs": true}))).await.rest().await;
    let tokens: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array())
        .flatten()
        .map(|entry| entry["token"].as_str().unwrap())
        .collect();
    assert_eq!(tokens, ["a", "b"]);
    assert_eq!(text(&chunks, 0), "ab");
}

#[tokio::test]
async fn choices_stream_side_by_side() {
    let desk = Desk::open().await;
    let body = streaming("echo abc", json!({"n": 2, "stream_options": {"include_usage": true}}));
    let (chunks, is_done) = desk.events(&body).await.rest().await;
    assert!(is_done);
    assert_eq!((text(&chunks, 0), text(&chunks, 1)), ("abc".into(), "abc".into()));
    let ends = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop").count();
    assert_eq!((ends, &chunks.last().unwrap()["usage"]["completion_tokens"]), (2, &json!(2)));
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_and_without_done() {
    let desk = Desk::open().await;
    let (chunks, is_done) = desk.events(&streaming("broken half", json!({}))).await.rest().await;
    assert!(!is_done, "no client takes it for whole");
    assert_eq!(text(&chunks, 0), "half");
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(
        (error["code"].as_str(), error["type"].as_str()),
        (Some("model_truncated"), Some("server_error"))
    );
    assert!(chunks.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()), "no reason to end");
    // The whole answer of the same run is an error too.
    let answer = desk.chat(&saying("broken half", json!({}))).await;
    assert_eq!((answer.status, answer.code()), (502, "model_truncated"));
    assert!(answer.head.contains("x-should-retry: true"), "{}", answer.head);
}

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    let desk = Desk::open().await;
    let long: String = (0..40_000).map(|index| char::from(b'a' + index as u8 % 26)).collect();
    let (chunks, is_done) = desk.events(&streaming(&format!("echo {long}"), json!({}))).await.rest().await;
    assert!(is_done);
    assert_eq!(text(&chunks, 0), long);
}
