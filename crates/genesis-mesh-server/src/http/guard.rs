//! The guard of a connection: how long a client may take, and what it is told when it took too long.
//!
//! Owns: the deadlines of reading a request's head, of idling and of a stuck write; the body of the answers that the
//! HTTP layer gives by itself; reading on for a moment, so that a refused client gets to read why.
//! Never: looks into a body; a request's body has its own deadline in `body`.
//! Flow: the HTTP layer reads and writes through it; an upgraded connection leaves it and takes the stream along.

use super::refusal::ConnectionError;
use super::turn::{Turns, is_servers};
use crate::options::ServeOptions;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client that still sends may take to read why it was refused.
const LINGER: Duration = Duration::from_secs(1);

/// How much of what it still sends is thrown away, in bytes.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// The bounds of all connections of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) header_bytes: usize,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) stall: Duration,
}

impl From<&ServeOptions> for Bounds {
    fn from(options: &ServeOptions) -> Self {
        let limits = &options.limits;
        Self {
            header_bytes: limits.header_bytes,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            stall: options.stall,
        }
    }
}

/// A stream whose client is held to its time.
#[derive(Debug)]
pub(crate) struct Guard<S = super::transport::Transport> {
    stream: S,
    bounds: Bounds,
    turns: Turns,
    /// The turn in which `has_begun` and `reading` were true.
    turn: u32,
    /// Whether the client has sent a part of its next request.
    has_begun: bool,
    /// Until when the client must send; made when it is first waited for.
    reading: Option<Pin<Box<Sleep>>>,
    /// Until when the client must take what is written.
    writing: Option<Pin<Box<Sleep>>>,
    is_shut: bool,
    lingered_bytes: usize,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, bounds: Bounds, turns: Turns) -> Self {
        Self {
            stream,
            bounds,
            turns,
            turn: 0,
            has_begun: false,
            reading: None,
            writing: None,
            is_shut: false,
            lingered_bytes: 0,
        }
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Whether the server answers; a new turn forgets what was waited for in the one before.
    fn is_answering(&mut self) -> bool {
        let turn = self.turns.count();
        if turn != self.turn {
            (self.turn, self.has_begun, self.reading) = (turn, false, None);
        }
        is_servers(turn)
    }

    /// Ready with an error when nothing could be written for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let stall = self.bounds.stall;
        ready!(self.writing.get_or_insert_with(|| Box::pin(sleep(stall))).as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }

    /// What the HTTP layer is about to answer by itself, with an empty body.
    fn own_answer(&mut self, bytes: &[u8]) -> Option<ConnectionError> {
        if !bytes.starts_with(b"HTTP/1.") || self.is_answering() {
            return None;
        }
        let head = bytes.strip_suffix(b"\r\n\r\n")?;
        let is_empty = head.windows(19).any(|part| part == b"\r\ncontent-length: 0");
        match head.get(8..13)? {
            _ if !is_empty => None,
            b" 400 " => Some(ConnectionError::MalformedRequest),
            b" 414 " => Some(ConnectionError::UriTooLong),
            b" 431 " => Some(ConnectionError::HeadersTooLarge { bytes_max: self.bounds.header_bytes }),
            _ => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Ready, as the end of the stream, when the client has taken too long to send.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limit = if self.has_begun { self.bounds.header_timeout } else { self.bounds.idle_timeout };
        ready!(self.reading.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context));
        if self.writing.is_some() {
            // It still takes the answer before, and is held to that.
            let later = self.reading.insert(Box::pin(sleep(self.bounds.stall.max(LINGER))));
            return later.as_mut().poll(context).map(Ok);
        }
        // A client that has sent nothing waits for no answer.
        if self.has_begun {
            self.refuse(context, ConnectionError::HeaderTimeout { limit });
        }
        Poll::Ready(Ok(()))
    }

    /// Writes why the client is refused, as far as it fits: nobody waits for a client like that.
    fn refuse(&mut self, context: &mut Context<'_>, error: ConnectionError) {
        tracing::debug!(code = error.code(), "refused a connection");
        let answer = error.bytes();
        let mut rest = answer.as_slice();
        while let Poll::Ready(Ok(written @ 1..)) = Pin::new(&mut self.stream).poll_write(context, rest) {
            rest = rest.get(written..).unwrap_or_default();
        }
        // Only TLS has something to flush, and what does not go now is not waited for.
        drop(Pin::new(&mut self.stream).poll_flush(context));
    }

    /// Throws away what a client still sends, for a moment: closing on it would reset the connection, and the answer
    /// would be lost with it.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bin = [0; 4096];
        while self.lingered_bytes < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut bin);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.lingered_bytes += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.lingered_bytes == 0 => return Poll::Ready(()),
                Poll::Pending => {
                    return self
                        .reading
                        .get_or_insert_with(|| Box::pin(sleep(LINGER)))
                        .as_mut()
                        .poll(context);
                }
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_answering = this.is_answering();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if is_answering {
            // The HTTP layer looks whether the client has left, and does not look again when the answer is told.
            this.turns.wake_at_end(context);
            return read;
        }
        if read.is_pending() {
            return this.poll_deadline(context);
        }
        if buffer.filled().len() > before && !this.has_begun {
            (this.has_begun, this.reading) = (true, None);
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = this.own_answer(bytes) {
            this.refuse(context, error);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [bytes] = slices
            && let Some(error) = this.own_answer(bytes)
        {
            this.refuse(context, error);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.watch(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            let shut = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.watch(context, shut))?;
            (this.is_shut, this.reading) = (true, None);
        }
        this.poll_linger(context).map(Ok)
    }
}

#[cfg(test)]
mod tests;
