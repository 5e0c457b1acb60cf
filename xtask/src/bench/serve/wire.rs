//! A WebSocket client that costs next to nothing, so that the load's core can fill the server's.
//!
//! Owns: the hand-shake, counting frames, and finding the end of an answer.
//! Never: checks what a conformance test checks; it reads what a right server sends.
//! Source: RFC 6455; frames of a server are not masked.

use super::target::{Target, WORD};
use crate::bench::error::BenchError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room for some dozen batches of the server.
const BUFFER_BYTES: usize = 64 * 1024;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
/// The start of the message that ends an answer, on both sides.
const END: &[u8] = br#"{"type":"done""#;
/// The start of the first message of a run that is kept.
const RUN: &[u8] = br#"{"type":"run""#;
const DELTA: &[u8] = br#"{"type":"delta""#;

/// One socket.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What one read brought.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) tokens: u64,
    pub(crate) is_end: bool,
}

impl Socket {
    /// Opens a socket with room for `bytes` of frames.
    pub(crate) async fn open(target: &Target, bytes: usize) -> Result<Self, BenchError> {
        let failed = |error| BenchError::io("open a socket", error);
        let mut stream = TcpStream::connect(&target.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            target.path, target.address
        );
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        let (mut buffer, mut filled) = (vec![0; bytes], 0);
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let read = stream.read(room).await.map_err(failed)?;
            filled += read;
            let head = buffer.get(..filled).unwrap_or_default();
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                if !head.starts_with(b"HTTP/1.1 101") {
                    return Err(BenchError::program("the server", "refused a socket"));
                }
                buffer.copy_within(end + 4..filled, 0);
                filled -= end + 4;
                return Ok(Self { stream, buffer, filled });
            }
            if read == 0 {
                return Err(BenchError::program("the server", "closed a socket in its hand-shake"));
            }
        }
    }

    /// A socket for answers.
    pub(crate) async fn reader(target: &Target) -> Result<Self, BenchError> {
        Self::open(target, BUFFER_BYTES).await
    }

    /// Sends one text message of up to 125 bytes.
    pub(crate) async fn ask(&mut self, message: &str) -> Result<(), BenchError> {
        let len = u8::try_from(message.len()).unwrap_or(125).min(125);
        // A mask of zeros leaves the payload as it is.
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(message.as_bytes());
        self.stream.write_all(&frame).await.map_err(|error| BenchError::io("ask", error))
    }

    /// Waits for bytes, and counts the whole frames among them.
    pub(crate) async fn read(&mut self) -> Result<Read, BenchError> {
        let mut read = Read::default();
        self.each(|payload| {
            match payload {
                _ if payload.starts_with(DELTA) => read.tokens += tokens(payload),
                _ if payload.starts_with(END) => read.is_end = true,
                _ if payload.starts_with(RUN) => {}
                _ => {
                    let said = String::from_utf8_lossy(payload).into_owned();
                    return Err(BenchError::program("the server", format!("said {said}")));
                }
            }
            Ok(())
        })
        .await?;
        Ok(read)
    }

    /// Waits for bytes, and gives each whole text message among them.
    pub(crate) async fn each(
        &mut self,
        mut message: impl FnMut(&[u8]) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = self.stream.read(room).await.map_err(|error| BenchError::io("read", error))?;
        if count == 0 {
            return Err(BenchError::program("the server", "closed a socket"));
        }
        self.filled += count;
        let mut at = 0;
        while let Some((opcode, payload, next)) = frame(self.buffer.get(at..self.filled).unwrap_or_default())
        {
            match opcode {
                TEXT => message(payload)?,
                CLOSE => return Err(BenchError::program("the server", "closed a socket")),
                _ => {}
            }
            at += next;
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

/// How many words a delta has: those that wait for a slow reader are joined to one.
fn tokens(delta: &[u8]) -> u64 {
    // `{"type":"delta","text":" token","seq":1234567}` is the longest of one.
    if delta.len() < 48 {
        return 1;
    }
    delta.windows(WORD.len()).filter(|bytes| *bytes == WORD.as_bytes()).count() as u64
}

/// The first whole frame: its opcode, its payload, its length.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (len, header) = match (second, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize, 10)
        }
        (126 | 127, _) => return None,
        (len, _) => (usize::from(*len), 2),
    };
    Some((first & 15, bytes.get(header..header + len)?, header + len))
}
