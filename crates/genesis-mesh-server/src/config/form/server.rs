//! The tables `[server]`, `[server.limits]` and `[telemetry]`.
//!
//! Owns: their keys.
//! Never: gives a default a value; `ServeOptions` does, and a test holds the words here to it.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where and how the server listens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(in crate::config) struct ServerForm {
    /// The address to listen on. One that other machines reach needs keys, or `insecure`.
    #[schemars(length(min = 1), extend("default" = "127.0.0.1"))]
    pub(in crate::config) host: Option<String>,
    /// The port to listen on; 0 lets the system choose one, which is printed.
    #[schemars(extend("default" = 8080))]
    pub(in crate::config) port: Option<u16>,
    /// Where runs and threads are kept: `sqlite` (in `data_dir`), `sqlite:PATH`, `memory` (for as long as the process
    /// lives), or the address of a PostgreSQL database, which several servers may share, as `env:NAME` or `file:PATH`.
    #[schemars(length(min = 1), extend("default" = "sqlite"))]
    pub(in crate::config) store: Option<String>,
    /// The folder of the SQLite database; the user's data folder without it.
    #[schemars(length(min = 1))]
    pub(in crate::config) data_dir: Option<String>,
    /// What tells servers of each other's runs: `local` (this one is alone), `postgres` (that of the store, the default
    /// with one), or the address of a NATS server.
    #[schemars(length(min = 1))]
    pub(in crate::config) bus: Option<String>,
    /// How long runs may go on after the first SIGTERM or SIGINT, in seconds.
    #[schemars(range(max = 86_400), extend("default" = 10))]
    pub(in crate::config) drain_seconds: Option<u64>,
    /// How long a socket may be silent before it is pinged, and again before it is closed, in seconds.
    #[schemars(range(min = 1, max = 3_600), extend("default" = 20))]
    pub(in crate::config) ping_interval_seconds: Option<u64>,
    /// How long a client may leave what was sent unread before its socket is closed, in seconds.
    #[schemars(range(min = 1, max = 3_600), extend("default" = 30))]
    pub(in crate::config) stall_seconds: Option<u64>,
    /// How long pieces of an answer may wait for others, in milliseconds; 8 to 16 spare a server of many streams
    /// much work.
    #[schemars(range(max = 1_000), extend("default" = 0))]
    pub(in crate::config) linger_ms: Option<u64>,
    /// Origins (`https://example.org`) whose pages may use this server; its own always may.
    #[schemars(extend("default" = []))]
    pub(in crate::config) origins: Option<Vec<String>>,
    /// A certificate chain in PEM, the server's own certificate first; needs `tls_key`.
    #[schemars(length(min = 1))]
    pub(in crate::config) tls_cert: Option<String>,
    /// The private key of the certificate in PEM; needs `tls_cert`.
    #[schemars(length(min = 1))]
    pub(in crate::config) tls_key: Option<String>,
    /// Whether an address that other machines reach may be served without keys.
    #[schemars(extend("default" = false))]
    pub(in crate::config) insecure: Option<bool>,
    /// What bounds a client.
    #[serde(default)]
    pub(in crate::config) limits: LimitsForm,
}

/// What bounds a client.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(in crate::config) struct LimitsForm {
    /// The request line with its headers, in bytes.
    #[schemars(range(min = 8_192, max = 1_048_576), extend("default" = 16_384))]
    pub(in crate::config) header_bytes: Option<usize>,
    /// How long a client may take to send its headers or to finish a TLS handshake, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 10_000))]
    pub(in crate::config) header_timeout_ms: Option<u64>,
    /// The body of a request, in bytes.
    #[schemars(range(min = 1_024, max = 1_073_741_824), extend("default" = 4_194_304))]
    pub(in crate::config) body_bytes: Option<usize>,
    /// How long a client may take to send its body, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 30_000))]
    pub(in crate::config) body_timeout_ms: Option<u64>,
    /// A message on the plain socket, in bytes.
    #[schemars(range(min = 1_024, max = 1_073_741_824), extend("default" = 1_048_576))]
    pub(in crate::config) message_bytes: Option<usize>,
    /// How long a connection without a request may stay open, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 75_000))]
    pub(in crate::config) idle_timeout_ms: Option<u64>,
    /// Connections of one address at the same time.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub(in crate::config) connections_per_address: Option<usize>,
    /// Runs of one key at the same time.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 256))]
    pub(in crate::config) runs_per_key: Option<usize>,
}

/// Logs and traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(in crate::config) struct TelemetryForm {
    /// How a line of the log looks.
    #[schemars(extend("default" = "auto"))]
    pub(in crate::config) log_format: Option<LogFormatForm>,
    /// Where traces go by OTLP over HTTP (`http://collector:4318`); none are sent without it.
    pub(in crate::config) otlp_endpoint: Option<String>,
    /// The name under which a collector knows this server.
    #[schemars(length(min = 1), extend("default" = "genesis-mesh"))]
    pub(in crate::config) service_name: Option<String>,
}

/// How a line of the log looks: for people on a terminal and JSON elsewhere, always for people, always JSON.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LogFormatForm {
    Auto,
    Human,
    Json,
}
