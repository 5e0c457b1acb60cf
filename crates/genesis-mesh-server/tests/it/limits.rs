//! Each limit: at the bound all is well, one more gives its code, and slow clients do not disturb the others.

use crate::desk::Desk;
use futures_util::StreamExt;
use genesis_mesh_server::{Limits, ServeOptions};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Short enough for a test to wait for it.
const SHORT: Duration = Duration::from_millis(100);

async fn limited(change: impl FnOnce(&mut Limits)) -> Desk {
    let mut options = ServeOptions::default();
    change(&mut options.limits);
    Desk::with(options).await
}

/// All that the server sends on a new connection that sends `bytes`, until it closes.
async fn told(desk: &Desk, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    told
}

/// A request whose head has `bytes` bytes.
fn head_of(bytes: usize) -> String {
    let head = |filler: usize| {
        format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(filler))
    };
    head(bytes - head(0).len())
}

fn is_refused(told: &str, status: u16, code: &str) {
    assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
    let (head, body) = told.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("connection: close") && head.contains("application/json"), "{told}");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["error"]["code"], code, "{told}");
}

#[tokio::test]
async fn headers_may_have_as_many_bytes_as_the_limit_and_no_more() {
    for limit in [600, 16 * 1024, 40_000] {
        let desk = limited(|limits| limits.header_bytes = limit).await;
        assert!(told(&desk, head_of(limit).as_bytes()).await.starts_with("HTTP/1.1 200 "), "{limit}");
        is_refused(&told(&desk, head_of(limit + 1).as_bytes()).await, 431, "headers_too_large");
        is_refused(&told(&desk, head_of(limit * 4).as_bytes()).await, 431, "headers_too_large");
        is_refused(
            &told(&desk, format!("GET /{}", "x".repeat(limit)).as_bytes()).await,
            431,
            "headers_too_large",
        );
    }
    let desk = Desk::open().await;
    let many = |count: usize| {
        format!("GET /health HTTP/1.1\r\n{}Connection: close\r\n\r\n", "X: y\r\n".repeat(count - 1))
    };
    assert!(told(&desk, many(100).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    is_refused(&told(&desk, many(101).as_bytes()).await, 431, "headers_too_large");
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let desk = Desk::open().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nA B: c\r\n\r\n",
    ] {
        is_refused(&told(&desk, bytes).await, 400, "malformed_request");
    }
    // After a request that was answered, too.
    let pair = told(&desk, b"GET /health HTTP/1.1\r\n\r\nhello\r\n\r\n").await;
    assert!(pair.starts_with("HTTP/1.1 200 ") && pair.contains("HTTP/1.1 400 "), "{pair}");
}

#[tokio::test]
async fn headers_that_do_not_come_end_with_408_and_a_silent_connection_without_a_word() {
    let desk = limited(|limits| (limits.header_timeout, limits.idle_timeout) = (SHORT, SHORT * 2)).await;
    is_refused(&told(&desk, b"GET /health HTTP/1.1\r\nHost:").await, 408, "header_timeout");
    assert_eq!(told(&desk, b"").await, "");
    // Kept alive after an answer, and then idle.
    let answer = told(&desk, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
}

#[tokio::test]
async fn an_answer_that_takes_long_and_a_socket_that_is_quiet_are_not_idle() {
    let desk = limited(|limits| (limits.header_timeout, limits.idle_timeout) = (SHORT, SHORT)).await;
    let mut socket = desk.client("puppet").await;
    let body = json!({"model": "puppet", "stream": true, "messages": [{"role": "user", "content": "wait"}]})
        .to_string();
    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    stream
        .write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await
        .unwrap();
    desk.puppet.live(1).await;
    for _ in 0..3 {
        assert_eq!(told(&desk, b"").await, "", "an idle connection ends meanwhile");
    }
    desk.puppet.live(1).await;
    assert_eq!(socket.ask("echo hi").await.0, "hi");
    drop(stream);
    desk.puppet.live(0).await;
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_the_limit_and_sockets_count() {
    let desk = limited(|limits| limits.connections_per_address = 2).await;
    let _socket = desk.client("puppet").await;
    assert_eq!(desk.get("/health").await.0, 200, "the second, which ends");
    let mut second = desk.client("puppet").await;
    let refused = told(&desk, b"").await;
    is_refused(&refused, 429, "too_many_connections");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    second.socket.close(None).await.unwrap();
    while let Some(Ok(_)) = second.socket.next().await {}
    assert_eq!(desk.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_message_may_have_as_many_bytes_as_the_limit_and_no_more() {
    let desk = limited(|limits| limits.message_bytes = 200).await;
    let message = |bytes: usize| {
        let empty = json!({"prompt": "echo "}).to_string().len();
        json!({"prompt": format!("echo {}", "x".repeat(bytes - empty))}).to_string()
    };
    let mut client = desk.client("puppet").await;
    client.text(message(200)).await;
    assert_eq!(client.answer().await.1["type"], "done");
    client.text(message(201)).await;
    assert_eq!((client.error().await.as_str(), client.closed().await), ("message_too_large", 1009));
}

#[tokio::test]
async fn json_may_be_127_levels_deep_on_both_surfaces() {
    let desk = Desk::open().await;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut client = desk.client("puppet").await;
    for (levels, code) in [(126, "invalid_input"), (127, "invalid_json"), (100_000, "invalid_json")] {
        client.text(format!("{{\"prompt\":{}}}", nested(levels))).await;
        assert_eq!(client.error().await, code, "{levels}");
        let body = format!("{{\"model\":{}}}", nested(levels));
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\nHost: x\nConnection: close\nContent-Type: application/json\n\
            Content-Length: {}\n\n{body}",
            body.len()
        );
        let (status, _, answer) = desk.http(&request).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some(code)), "{levels}");
    }
    assert_eq!(client.ask("echo hi").await.0, "hi");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_is_dropped() {
    let mut options = ServeOptions::default();
    options.stall = SHORT;
    let desk = Desk::with(options).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(desk.addr).await.unwrap();
    let body = json!({"model": "puppet", "stream": true, "messages": [{"role": "user", "content": "flood"}]})
        .to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    stream
        .write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await
        .unwrap();
    desk.puppet.live(1).await;
    desk.puppet.live(0).await;
    drop(stream);
}

#[tokio::test]
async fn many_slow_clients_do_not_hold_the_others() {
    let desk = Desk::open().await;
    let mut slow = Vec::new();
    for index in 0..150 {
        let mut stream = TcpStream::connect(desk.addr).await.unwrap();
        let part = [
            "GET /health HT",
            "POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        ];
        stream.write_all(part[index % 2].as_bytes()).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(desk.client("puppet").await.ask("echo hi").await.0, "hi");
    assert_eq!(desk.get("/health").await.0, 200);
    drop(slow);
    desk.stopped().await;
}
