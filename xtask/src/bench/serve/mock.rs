//! A mock of a provider: answers every chat completion at once with the same few tokens, as a stream.
//!
//! Owns: the bytes of that answer.
//! Never: reads more of a request than its length.

use crate::bench::error::BenchError;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A provider on a free port, until it is dropped.
pub(super) struct Mock {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Mock {
    /// Listens on this thread's runtime.
    pub(super) async fn start() -> Result<Self, BenchError> {
        let failed = |error| BenchError::io("listen", error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream));
            }
        });
        Ok(Self { address, _tasks: tasks })
    }
}

/// Answers until the other side leaves.
async fn connection(mut stream: TcpStream) {
    let answer = answer();
    let (mut buffer, mut filled) = (vec![0; 64 * 1024], 0);
    drop(stream.set_nodelay(true));
    loop {
        let Some(room) = buffer.get_mut(filled..) else { return };
        match stream.read(room).await {
            Ok(count) if count > 0 => filled += count,
            _ => return,
        }
        while let Some(length) = request_len(buffer.get(..filled).unwrap_or_default()) {
            buffer.copy_within(length..filled, 0);
            filled -= length;
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// The bytes of the first request, if it is whole.
fn request_len(bytes: &[u8]) -> Option<usize> {
    let head_len = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(bytes.get(..head_len)?).ok()?.to_ascii_lowercase();
    let body = head.split("content-length:").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
    (bytes.len() >= head_len + body).then_some(head_len + body)
}

/// Four tokens, the end, the usage.
fn answer() -> Vec<u8> {
    let chunk = |choices: &str, more: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\",\
             \"choices\":[{choices}]{more}}}\n\n"
        )
    };
    let delta = |delta: &str, end: &str| {
        chunk(&format!("{{\"index\":0,\"delta\":{{{delta}}},\"finish_reason\":{end}}}"), "")
    };
    let mut body = delta("\"role\":\"assistant\",\"content\":\"\"", "null");
    for _ in 0..4 {
        body += &delta("\"content\":\" token\"", "null");
    }
    body += &delta("", "\"stop\"");
    body += &chunk("", ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}");
    body += "data: [DONE]\n\n";
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
    .into_bytes()
}
