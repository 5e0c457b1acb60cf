//! The log of the program: JSON lines that carry the request's id, and nothing that a client wants kept.

use crate::binary::{Script, program, signal};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Lines in the span of this request.
fn of<'a>(lines: &'a [Value], id: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["span"]["request_id"] == id).collect()
}

fn with_message<'a>(lines: &[&'a Value], message: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["message"] == message);
    let line = found.next().unwrap_or_else(|| panic!("no {message:?} in {lines:?}"));
    assert!(found.next().is_none(), "{message:?} comes twice in {lines:?}");
    line
}

#[tokio::test]
async fn lines_are_json_with_the_requests_id_and_without_prompts_answers_and_keys() {
    let script = Script::new("logs", "[[rule]]\ntext = \"classified answer\"");
    let mut program = program(&["--port", "0"]);
    program.env("RUST_LOG", "debug").env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    let (child, address) = script.start(program).await;

    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = "GET /health?token=hush-query HTTP/1.1\r\nHost: x\r\nX-Request-Id: health-1\r\n\
        Authorization: Bearer hush-key\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_to_string(&mut String::new()).await.unwrap();

    let mut request = format!("ws://{address}/ws/my-script").into_client_request().unwrap();
    request.headers_mut().insert("x-request-id", "socket-1".parse().unwrap());
    request.headers_mut().insert("cookie", "session=hush-cookie".parse().unwrap());
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    for prompt in [r#"{"prompt":"hush-prompt"}"#, r#"{"prompt":["hush-mistake"]}"#, "hush-no-json"] {
        socket.send(Message::text(prompt)).await.unwrap();
        loop {
            let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
            if !message.contains("\"delta\"") && !message.contains("\"run\"") {
                break;
            }
        }
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    signal(&child, "-TERM");
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}")))
        .collect();

    let health = of(&lines, "health-1");
    let access = with_message(&health, "request");
    assert_eq!((access["level"].as_str(), access["status"].as_u64()), (Some("DEBUG"), Some(200)));
    let socket = of(&lines, "socket-1");
    let access = with_message(&socket, "request");
    assert_eq!((access["level"].as_str(), access["status"].as_u64()), (Some("INFO"), Some(101)));
    assert_eq!((access["route"].as_str(), access["key"].as_str()), (Some("/ws/{agent}"), Some("anonymous")));
    assert!(access["duration_ms"].is_f64() && access["timestamp"].is_string());
    assert_eq!(with_message(&socket, "socket closed")["level"], "INFO");
    let runs: Vec<&&Value> = socket.iter().filter(|line| line["message"] == "run ended").collect();
    assert_eq!(runs.len(), 2, "{socket:?}");
    assert_eq!((&runs[0]["outcome"], &runs[0]["finish_reason"]), (&"finished".into(), &"stop".into()));
    assert_eq!((&runs[0]["agent"], &runs[0]["surface"]), (&"my-script".into(), &"plain_socket".into()));
    assert!(runs[0]["output_tokens"].as_u64().unwrap() > 0 && runs[0]["ttft_ms"].is_f64());
    assert_eq!((&runs[1]["outcome"], &runs[1]["error"]), (&"refused".into(), &"invalid_input".into()));
    assert!(lines.iter().any(|line| line["message"] == "serving" && line["address"] == address.as_str()));
    for secret in ["hush", "classified"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}
