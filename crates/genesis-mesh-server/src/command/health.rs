//! `genesis-mesh health`: asks a server whether it is well, for health checks of containers.
//!
//! Owns: one tiny HTTP request, and the exit status that says its answer.
//! Never: starts anything or follows a redirect.

use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::Args;
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
}

/// 0 for an answer of 200, 1 with a reason for all others.
pub(super) async fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => {
            let config = settings.load()?;
            format!("http://{}:{}/health", reachable(config.host()), config.port())
        }
    };
    let status = timeout(TIMEOUT, ask(&url)).await.map_err(|_| format!("{url}: no answer in 5 s"))?;
    match status.map_err(|error| format!("{url}: {error}"))? {
        200 => Ok(ExitCode::SUCCESS),
        status => Err(format!("{url}: status {status}").into()),
    }
}

/// Where a server that listens on `host` is reached from its own machine.
fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    }
}

/// The status of the answer to `GET url`.
async fn ask(url: &str) -> io::Result<u16> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
    let rest = url.strip_prefix("http://").ok_or_else(|| invalid("give an address of http://"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer);
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}
