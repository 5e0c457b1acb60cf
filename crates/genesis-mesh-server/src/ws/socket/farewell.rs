//! The end of a socket: its close code, and a TCP close that does not eat the last words.
//!
//! Owns: which end has which code.
//! Never: decides when a socket ends.
//! Source: RFC 6455, section 7.4; clients try again after 1001, 1011, 1012 and 1013, and not after others.

use crate::options::CLOSE_TIMEOUT;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client left, or said that it will.
    Gone,
    /// The server stops; the client should connect again.
    Restart,
    /// The client answered no ping.
    Silent,
    /// The client does not take what it asked for.
    Stalled,
    /// A message over the limit.
    TooLarge,
    /// Text that is no UTF-8.
    InvalidUtf8,
    /// A frame that breaks RFC 6455.
    ProtocolError,
}

impl End {
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Restart => (CloseCode::Restart, "the server is stopping"),
            Self::Silent => (CloseCode::Error, "no answer to the ping"),
            Self::Stalled => (CloseCode::Again, "the client reads too slowly"),
            Self::TooLarge => (CloseCode::Size, "the message is too large"),
            Self::InvalidUtf8 => (CloseCode::Invalid, "the message is no valid UTF-8"),
            Self::ProtocolError => (CloseCode::Protocol, "the frame breaks the protocol"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// Says farewell, waits for the other side's, and closes; takes at most `CLOSE_TIMEOUT`.
pub(super) async fn close(mut stream: WebSocketStream<TcpStream>, end: End) {
    tracing::debug!(?end, "a socket ends");
    let farewell = async {
        if let Some(frame) = end.frame() {
            stream.close(Some(frame)).await.ok()?;
        }
        // Reading also sends the answer to the client's own close.
        while let Some(Ok(_)) = stream.next().await {}
        linger(stream.get_mut()).await.ok()
    };
    if timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
        tracing::debug!(?end, "a client did not close in time");
    }
}

/// Closes our side and reads what still comes: a TCP close with unread bytes would be a reset, which can
/// destroy the close frame before the client has read it.
async fn linger(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
