//! Options and limits of a server, each with its reason.
//!
//! Owns: the numbers that bound time and memory.
//! Never: reads flags or the environment; the command line does.

use crate::keys::ApiKey;
use std::path::PathBuf;
use std::time::Duration;

/// The read buffer of a socket, in bytes. It is zero-filled and kept for the socket's life, so its size is
/// much of an idle connection's memory (128 KiB, the default, made idle sockets 23 times as large). Most
/// requests fit; a longer one is read in pieces of this size.
pub(crate) const READ_BUFFER_BYTES: usize = 1024;

/// How much is encoded before one flush, in bytes: one write for all that is ready, but other sockets on
/// this thread get their turn.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// Answers to a client's mistakes that may wait for it to read them, in bytes; then its socket is not read.
pub(crate) const REPLY_BYTES_MAX: usize = 16 * 1024;

/// The unsent bytes that the kernel takes for a socket: a slow reader should slow its stream, not fill memory.
pub(crate) const UNSENT_BYTES_MAX: u32 = 16 * 1024;

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
    /// How long pieces of an answer may wait for others, so that one frame holds several; 0. 8 to 16 ms cost a
    /// reader nothing and a server of many streams much less. The first piece never waits.
    pub linger: Duration,
    /// What bounds a client.
    pub limits: Limits,
    /// The keys that open this server; none: everybody may do everything.
    pub keys: Vec<ApiKey>,
    /// Origins (`https://example.org`) whose pages may use this server; its own origin always may.
    pub origins: Vec<String>,
    /// What it tells of itself, and where to. The program that serves starts the log, not the server.
    pub telemetry: TelemetryOptions,
    /// The certificate and the key for TLS; `None` serves plain TCP.
    pub tls: Option<TlsFiles>,
}

/// The files of a server's TLS identity, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How a server tells what it does: logs, and traces for a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TelemetryOptions {
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// Where traces go by OTLP over HTTP (`http://collector:4318`); `None` sends none.
    pub otlp_endpoint: Option<String>,
    /// The name under which a collector knows this server; `genesis-mesh`.
    pub service_name: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self { log_format: LogFormat::Auto, otlp_endpoint: None, service_name: "genesis-mesh".to_owned() }
    }
}

/// What bounds a client; each limit has a code of its own in docs/errors.md.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The request line with its headers, in bytes; 16 KiB, since browsers and SDKs stay under 4 KiB.
    pub header_bytes: usize,
    /// How long a client may take to send its headers, and to finish a TLS handshake; 10 s.
    pub header_timeout: Duration,
    /// The body of a request, in bytes; 4 MiB, far above any prompt that fits a context.
    pub body_bytes: usize,
    /// How long a client may take to send its body; 30 s.
    pub body_timeout: Duration,
    /// A message on the plain socket, in bytes; 1 MiB.
    pub message_bytes: usize,
    /// How long a connection without a request may stay open; 75 s, longer than the minute after which common
    /// proxies and clients drop theirs.
    pub idle_timeout: Duration,
    /// Connections of one address at the same time; 10,000, since a proxy in front is one address.
    pub connections_per_address: usize,
    /// Runs of one key at the same time; 256. Without keys everybody is one key, without this limit.
    pub runs_per_key: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            body_bytes: 4 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            message_bytes: 1024 * 1024,
            idle_timeout: Duration::from_secs(75),
            connections_per_address: 10_000,
            runs_per_key: 256,
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            linger: Duration::ZERO,
            limits: Limits::default(),
            keys: Vec::new(),
            origins: Vec::new(),
            telemetry: TelemetryOptions::default(),
            tls: None,
        }
    }
}
