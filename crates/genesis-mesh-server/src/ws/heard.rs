//! The TCP stream of a socket, which knows whether anything came.
//!
//! Owns: one flag beside the stream.
//! Never: looks at the bytes, or at the clock; the socket's pulse does.
//! Flow: the WebSocket layer reads through it; it tells whole messages only, which may take minutes to arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that notes that bytes were read.
#[derive(Debug)]
pub(super) struct Heard<S = crate::http::transport::Transport> {
    stream: S,
    is_heard: bool,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, is_heard: false }
    }

    /// Whether bytes were read since the last call.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        let mut socket = WebSocketStream::from_raw_socket(Heard::new(stream), Role::Server, None).await;
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
