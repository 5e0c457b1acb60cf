//! The end of a socket: its close code, and a TCP close that does not eat the last words.
//!
//! Owns: which end has which code.
//! Never: decides when a socket ends.
//! Source: RFC 6455, section 7.4; clients try again after 1001, 1011, 1012 and 1013, and not after others.

use crate::options::CLOSE_TIMEOUT;
use crate::ws::wire::Wire;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How much of what nobody will read is taken at once, in bytes.
const DISCARD_BYTES: usize = 16 * 1024;

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
    /// Whether the client sent what can't be read, and more of it may be on the way.
    fn is_mistake(self) -> bool {
        matches!(self, Self::TooLarge | Self::InvalidUtf8 | Self::ProtocolError)
    }

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
pub(super) async fn close(stream: &mut WebSocketStream<Wire>, end: End) {
    tracing::debug!(?end, "a socket ends");
    let farewell = async {
        if let Some(frame) = end.frame() {
            stream.close(Some(frame)).await.ok()?;
        }
        if end.is_mistake() {
            // The stream is not readable as frames any more.
            return linger(stream.get_mut()).await.ok();
        }
        // Reading also makes the answer to the client's own close.
        while let Some(Ok(_)) = stream.next().await {}
        stream.get_mut().flush().await.ok()
    };
    if timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
        tracing::debug!(?end, "a client did not close in time");
    }
}

/// Closes our side and reads what still comes: a TCP close with unread bytes would be a reset, which can
/// destroy the close frame before the client has read it.
async fn linger(stream: &mut Wire) -> std::io::Result<()> {
    stream.shutdown().await?;
    // On the heap: an array would stand in the future of every socket, for its whole life.
    let mut discarded = vec![0; DISCARD_BYTES];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
