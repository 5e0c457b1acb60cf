//! `genesis-mesh health`: asks a server whether it is well, for health checks of containers.
//!
//! Owns: one tiny HTTP request, and the exit status that says its answer.
//! Never: starts anything or follows a redirect.

use super::pinned;
use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the server may take: container runtimes give a check 30 s, and ask again soon.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most that is read of an answer: its head and far more than the body of `/health`.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to ask; without it /health of the server that the settings describe
    #[arg(long)]
    url: Option<String>,
    /// The certificate that the server must show at an https address; without it the one of the settings
    #[arg(long, value_name = "PATH")]
    cert: Option<PathBuf>,
}

/// 0 for an answer of 200, 1 with a reason for all others.
pub(super) async fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let (mut url, mut cert) = (arguments.url.clone(), arguments.cert.clone());
    let needs_cert = url.as_ref().is_none_or(|url| url.starts_with("https://")) && cert.is_none();
    if url.is_none() || needs_cert {
        let config = settings.load()?;
        cert = cert.or_else(|| config.serve_options().tls.map(|files| files.cert));
        let scheme = if cert.is_some() { "https" } else { "http" };
        let own = || format!("{scheme}://{}:{}/health", reachable(config.host()), config.port());
        url = Some(url.unwrap_or_else(own));
    }
    let url = url.unwrap_or_default();
    let status =
        timeout(TIMEOUT, ask(&url, cert.as_deref())).await.map_err(|_| format!("{url}: no answer in 5 s"))?;
    match status.map_err(|error| format!("{url}: {error}"))? {
        200 => Ok(ExitCode::SUCCESS),
        status => Err(format!("{url}: status {status}").into()),
    }
}

/// Where a server that listens on `host` is reached from its own machine.
fn reachable(host: &str) -> String {
    match host {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" | "[::]" => "[::1]".to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    }
}

/// The status of the answer to `GET url`.
async fn ask(url: &str, cert: Option<&Path>) -> io::Result<u16> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
    let (is_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err(invalid("give an address of http:// or https://")),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let host = port.map_or(authority, |(host, _)| host);
    let default_port = if is_tls { 443 } else { 80 };
    let address = if port.is_some() { authority.to_owned() } else { format!("{authority}:{default_port}") };
    let stream = TcpStream::connect(address).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    if is_tls {
        let cert = cert.ok_or_else(|| invalid("name the server's certificate with --cert"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        exchange(pinned::connect(stream, host, cert).await?, &request).await
    } else {
        exchange(stream, &request).await
    }
}

/// Sends `request` and gives the status of the answer.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<u16> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
    let head = String::from_utf8_lossy(&answer);
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    // What was answered counts, however the connection ended.
    match (status, read) {
        (Some(status), _) => Ok(status),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_on_this_machine() {
        for (host, expected) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "[::1]"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("10.0.0.1", "10.0.0.1"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(reachable(host), expected);
        }
    }
}
