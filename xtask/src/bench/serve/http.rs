//! An HTTP client that costs next to nothing: one connection, one request after the other.
//!
//! Owns: finding the first token and the end of an answer.
//! Never: reads what it was not sent by the mock or the server.

use crate::bench::error::BenchError;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a token of the mock contains.
const TOKEN: &[u8] = b" token";

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

/// When an answer came.
pub(super) struct Timed {
    pub(super) first: Duration,
    pub(super) end: Duration,
}

impl Connection {
    /// Connects; each request asks for the same completion.
    pub(super) async fn open(address: &str, is_stream: bool) -> Result<Self, BenchError> {
        let failed = |error| BenchError::io(format!("connect to {address}"), error);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let body = format!(
            "{{\"model\":\"mock\",\"stream\":{is_stream},\"messages\":[{{\"role\":\"user\",\"content\":\
             \"Say token four times, and nothing else.\"}}]}}"
        );
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), request: request.into_bytes() })
    }

    /// Asks once and reads the whole answer.
    pub(super) async fn ask(&mut self) -> Result<Timed, BenchError> {
        let failed = |error| BenchError::io("ask for a completion", error);
        let asked = Instant::now();
        self.stream.write_all(&self.request).await.map_err(failed)?;
        self.buffer.clear();
        let mut first = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await.map_err(failed)? == 0 {
                return Err(BenchError::program("the server", "closed a connection"));
            }
            if first.is_none() && self.buffer.windows(TOKEN.len()).any(|bytes| bytes == TOKEN) {
                first = Some(asked.elapsed());
            }
            if is_whole(&self.buffer) {
                break;
            }
        }
        let end = asked.elapsed();
        match first {
            Some(first) if self.buffer.starts_with(b"HTTP/1.1 200") => Ok(Timed { first, end }),
            _ => {
                let said = String::from_utf8_lossy(&self.buffer).into_owned();
                Err(BenchError::program("the server", format!("answered {said}")))
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head_len) = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return false;
    };
    let (head, body) = answer.split_at(head_len);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    match head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok()) {
        Some(length) => body.len() >= length,
        None => body.ends_with(b"\r\n0\r\n\r\n"),
    }
}
