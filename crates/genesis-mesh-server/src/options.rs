//! Options and limits of a server, each with its reason.
//!
//! Owns: the numbers that bound time and memory.
//! Never: reads flags or the environment; the command line does.

use std::time::Duration;

/// The largest message that a client may send, in bytes: far above any prompt that fits a context.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The read buffer of a socket, in bytes. It is zero-filled and kept for the socket's life, so its size is
/// much of an idle connection's memory (128 KiB, the default, made idle sockets 23 times as large). Most
/// requests fit; a longer one is read in pieces of this size.
pub(crate) const READ_BUFFER_BYTES: usize = 2 * 1024;

/// How much is encoded before one flush, in bytes: one write for all that is ready, but other sockets on
/// this thread get their turn.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// Answers to a client's mistakes that may wait for it to read them, in bytes; then its socket is not read.
pub(crate) const REPLY_BYTES_MAX: usize = 16 * 1024;

/// The unsent bytes that the kernel takes for a socket: a slow reader should slow its stream, not fill memory.
pub(crate) const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// The largest request line with its headers, in bytes; browsers and SDKs stay under 4 KiB.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;

/// How long a client may take to send its headers.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closing socket waits for the other side's close frame.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a mesh is served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How long runs may go on after the stop before their sockets are closed; 10 s.
    pub drain: Duration,
    /// How long a socket may be silent before it is pinged, and again before it is closed; 20 s, since
    /// common clients give up after 20 s themselves.
    pub ping_interval: Duration,
    /// How long a client may leave written bytes untaken before its socket is closed; 30 s.
    pub stall: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            stall: Duration::from_secs(30),
        }
    }
}
