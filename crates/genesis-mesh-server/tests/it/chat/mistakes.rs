//! Requests that are refused: with a status, a code, the field at fault and what would be right.

use super::speaker::saying;
use crate::desk::Desk;
use genesis_mesh_server::ServeOptions;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: &str = "content-type: application/json\n";

#[tokio::test]
async fn a_wrong_field_is_named_with_what_would_be_right() {
    let desk = Desk::open().await;
    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}]}]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f"}});
    let custom = json!([{"type": "custom", "custom": {"name": "x"}}]);
    let named = |name: &str| json!([{"type": "function", "function": {"name": name}}]);
    let cases = [
        (json!({"messages": []}), "messages", "at least 1"),
        (json!({"messages": "hi"}), "messages", "expected array"),
        (json!({"model": 5}), "model", "expected string, got 5"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages[0].role", "developer"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content", "required in a user message"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id", "required"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content", "got 5"),
        (json!({"messages": image}), "messages[0].content[1].type", "\"image_url\""),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [call]}]}),
            "messages[0].tool_calls[0].function.arguments",
            "required",
        ),
        (json!({"max_tokens": 0}), "max_tokens", "1"),
        (json!({"max_tokens": 1.5}), "max_tokens", "integer"),
        (json!({"max_completion_tokens": -1}), "max_completion_tokens", "1"),
        (json!({"temperature": 2.5}), "temperature", "2"),
        (json!({"temperature": "hot"}), "temperature", "got \"hot\""),
        (json!({"top_p": 1.5}), "top_p", "1"),
        (json!({"top_k": -2}), "top_k", "-1"),
        (json!({"min_p": -0.1}), "min_p", "0"),
        (json!({"repetition_penalty": 0}), "repetition_penalty", "0"),
        (json!({"frequency_penalty": 3}), "frequency_penalty", "2"),
        (json!({"presence_penalty": -3}), "presence_penalty", "-2"),
        (json!({"n": 9}), "n", "8"),
        (json!({"n": 0}), "n", "1"),
        (json!({"stop": ""}), "stop", "1"),
        (json!({"top_logprobs": 3}), "top_logprobs", "logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs", "20"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type", "json_schema"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            "response_format.json_schema.schema",
            "required",
        ),
        (json!({"tools": custom}), "tools[0].type", "function"),
        (json!({"tools": named("bad name")}), "tools[0].function.name", "bad name"),
        (json!({"tool_choice": "required"}), "tool_choice", "none to call"),
        (
            json!({"tools": named("weather"),
                "tool_choice": {"type": "function", "function": {"name": "wether"}}}),
            "tool_choice.function.name",
            "`weather`",
        ),
        (json!({"functions": [{"name": "f"}]}), "functions", "use `tools`"),
        (json!({"function_call": "auto"}), "function_call", "use `tool_choice`"),
        (json!({"stream": "yes"}), "stream", "boolean"),
    ];
    let mut wrong = Vec::new();
    for (more, param, says) in cases {
        let answer = desk.chat(&saying("echo x", more.clone())).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_input"), "{more}: {}", answer.body);
        assert_eq!(answer.body["error"]["type"], "invalid_request_error");
        if answer.param() != Some(param) || !answer.message().contains(says) {
            wrong.push(format!("{more}: {param} and {says} are not in {}", answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let answer = desk.chat(&json!({})).await;
    let problems: Vec<_> =
        answer.body["error"]["problems"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(problems, ["model", "messages"], "all problems at once");
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_before_their_meaning_is_asked() {
    let desk = Desk::open().await;
    let deep = "[".repeat(200);
    let bodies: [(&[u8], &str); 5] = [
        (b"", "line 1 column 0"),
        (b"{\"model\":\n x}", "line 2 column 2"),
        (b"{} {}", "trailing"),
        (b"\"\xFF\"", "unicode"),
        (deep.as_bytes(), "recursion"),
    ];
    for (body, says) in bodies {
        let answer = desk.post(JSON, body).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_json"), "{}", answer.body);
        assert!(answer.message().contains(says), "{}", answer.message());
    }
    let right = saying("echo x", json!({})).to_string();
    for (headers, says) in [
        ("content-type: text/plain\n", "`text/plain`"),
        ("content-type: application/x-www-form-urlencoded\n", "urlencoded"),
        ("", "missing"),
    ] {
        let answer = desk.post(headers, right.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (415, "content_type_unsupported"), "{}", answer.body);
        assert!(answer.message().contains(says), "{}", answer.message());
    }
    for headers in ["content-type: Application/JSON; charset=utf-8\n", "content-type: application/x+json\n"] {
        assert_eq!(desk.post(headers, right.as_bytes()).await.status, 200, "{headers}");
    }
}

#[tokio::test]
async fn a_body_of_the_limit_is_read_and_one_byte_more_is_not() {
    let mut options = ServeOptions::default();
    options.limits.body_bytes = 100_000;
    let desk = Desk::with(options).await;
    let mut body = saying("echo x", json!({})).to_string();
    body.push_str(&" ".repeat(100_000 - body.len()));
    assert_eq!(desk.post(JSON, body.as_bytes()).await.status, 200);
    body.push(' ');
    let answer = desk.post(JSON, body.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
    assert!(answer.message().contains("100000"), "{}", answer.message());
    // Also far beyond what sockets hold, for a client that sends all before it reads.
    let answer = desk.post(JSON, " ".repeat(8_000_000).as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
    // Who asks first is told at once.
    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\nhost: x\nconnection: close\n{JSON}\
        expect: 100-continue\ncontent-length: 100001\n\n"
    );
    stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let mut options = ServeOptions::default();
    options.limits.body_timeout = Duration::from_millis(50);
    let desk = Desk::with(options).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\nhost: x\nconnection: close\n{JSON}content-length: 10\n\n"
    );
    let (status, _, body) = desk.http(&head).await;
    assert_eq!((status, body["error"]["code"].as_str()), (408, Some("body_timeout")));
}

#[tokio::test]
async fn what_the_model_or_the_mesh_refuses_has_its_status() {
    let desk = Desk::open().await;
    let nobody = json!({"model": "pupet", "messages": [{"role": "user", "content": "x"}]});
    let answer = desk.chat(&nobody).await;
    assert_eq!((answer.status, answer.code(), answer.param()), (404, "agent_not_found", Some("model")));
    assert!(answer.message().contains("`lines`, `puppet`"), "{}", answer.message());
    let busy = desk.chat(&saying("busy", json!({}))).await;
    assert_eq!((busy.status, busy.code()), (503, "model_busy"));
    for header in ["retry-after: 1", "retry-after-ms: 1000", "x-should-retry: true"] {
        assert!(busy.head.contains(header), "{header} is not in {}", busy.head);
    }
    let failed = desk.chat(&saying("fail", json!({}))).await;
    assert_eq!((failed.status, failed.code()), (500, "model_failed"));
    assert!(failed.head.contains("x-should-retry: false"), "{}", failed.head);
    // A stream that can't start is no stream.
    let busy = desk.chat(&saying("busy", json!({"stream": true}))).await;
    assert_eq!((busy.status, busy.code()), (503, "model_busy"));
}

#[tokio::test]
async fn other_methods_are_refused_with_the_one_that_works() {
    let desk = Desk::open().await;
    for (path, method, allowed) in [
        ("/v1/chat/completions", "GET", "POST"),
        ("/v1/models", "POST", "GET"),
        ("/v1/models/x", "PUT", "GET"),
    ] {
        let (status, head, body) =
            desk.http(&format!("{method} {path} HTTP/1.1\nhost: x\nconnection: close\n\n")).await;
        let code = body["error"]["code"].as_str();
        assert_eq!((status, code), (405, Some("method_not_allowed")), "{path}");
        assert!(head.contains(&format!("allow: {}", allowed.to_lowercase())), "{head}");
    }
    let (status, _, body) = desk.get("/v1/nothing").await;
    assert_eq!((status, &body["error"]["code"]), (404, &Value::from("route_not_found")));
}
