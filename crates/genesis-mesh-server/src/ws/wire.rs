//! The two directions of a socket: what was heard, and the frames that wait to be written.
//!
//! Owns: the outbox, a flag whether anything came, and writing.
//! Never: looks at the bytes that come, or at the clock; the socket's pulse does.
//! Flow: the WebSocket layer reads through it and tells whole messages only, which may take minutes to arrive. What it
//! writes (pongs, the close) goes into the outbox beside the frames that the socket encodes there itself.

use super::outbox::Outbox;
use crate::options::BATCH_BYTES;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream with an outbox, which notes that bytes were read.
#[derive(Debug)]
pub(super) struct Wire<S = crate::http::transport::Transport> {
    stream: S,
    outbox: Outbox,
    is_heard: bool,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, outbox: Outbox::default(), is_heard: false }
    }

    /// The frames that wait to be written.
    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether bytes were read since the last call.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.is_heard |= buffer.filled().len() > before;
        read
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes until nothing waits or the network takes no more.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.untaken().is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, self.outbox.untaken()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.take(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    /// Takes frames of the WebSocket layer, which writes them whole: into the outbox, so that they keep their place.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.outbox.untaken().len() >= BATCH_BYTES {
            ready!(self.poll_drain(context))?;
        }
        self.outbox.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::{Message, protocol::Role};

    #[tokio::test]
    async fn a_part_of_a_message_is_heard_once_although_no_message_is_there() {
        let (mut client, stream) = tokio::io::duplex(64);
        let mut socket = WebSocketStream::from_raw_socket(Wire::new(stream), Role::Server, None).await;
        // A masked text frame of 2 bytes, byte by byte; the mask is zero.
        for byte in [0x81, 0x82, 0, 0, 0, 0, b'h'] {
            client.write_all(&[byte]).await.unwrap();
            assert!(socket.next().now_or_never().is_none(), "no message yet");
            assert!(socket.get_mut().take_heard());
            assert!(socket.next().now_or_never().is_none());
            assert!(!socket.get_mut().take_heard(), "nothing came since");
        }
        client.write_all(b"i").await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hi"));
    }
}
