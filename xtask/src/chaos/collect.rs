//! Collecting: the runs that a server knows at last, with their logs, over HTTP.
//!
//! Owns: the requests, and the wait until every run has ended.
//! Never: goes through a proxy.

use super::error::ChaosError;
use super::event::Event;
use super::evidence::RunLog;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// An answer that takes longer is a mistake.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const PAGE: usize = 1_000;

/// All runs with their logs; those that go on at `deadline` are told as they are then.
pub(crate) async fn logs(server: SocketAddr, deadline: Instant) -> Result<Vec<RunLog>, ChaosError> {
    let mut runs = list(server).await?;
    while runs.iter().any(|run| !run.has_ended()) && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        runs = list(server).await?;
    }
    for run in &mut runs {
        read(server, run).await?;
    }
    Ok(runs)
}

/// The rows of all runs.
async fn list(server: SocketAddr) -> Result<Vec<RunLog>, ChaosError> {
    let mut runs: Vec<RunLog> = Vec::new();
    loop {
        let before = runs.last().map(|run| format!("&before={}", run.run)).unwrap_or_default();
        let page = get(server, &format!("/v1/runs?limit={PAGE}{before}")).await?;
        let rows = page.get("data").and_then(Value::as_array);
        runs.extend(rows.into_iter().flatten().map(row));
        if page.get("has_more").and_then(Value::as_bool) != Some(true) {
            return Ok(runs);
        }
    }
}

fn row(row: &Value) -> RunLog {
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |field: &str| row.get(field).and_then(Value::as_u64).unwrap_or_default();
    RunLog {
        run: text("run_id"),
        status: text("status"),
        last_seq: number("last_seq"),
        attempts: number("attempts"),
        events: Vec::new(),
    }
}

async fn read(server: SocketAddr, log: &mut RunLog) -> Result<(), ChaosError> {
    loop {
        let after = log.events.last().map_or(0, |event| event.seq);
        let page = get(server, &format!("/v1/runs/{}/events?after={after}", log.run)).await?;
        let data = page.get("data").and_then(Value::as_array);
        let before = log.events.len();
        log.events.extend(data.into_iter().flatten().cloned().filter_map(Event::of));
        let has_more = page.get("has_more").and_then(Value::as_bool) == Some(true);
        if !has_more || log.events.len() == before {
            return Ok(());
        }
    }
}

/// The JSON at a path.
pub(crate) async fn get(server: SocketAddr, path: &str) -> Result<Value, ChaosError> {
    let failed = |problem: String| ChaosError::Answer { path: path.to_owned(), problem };
    let answer = tokio::time::timeout(ANSWER_MAX, ask(server, path)).await;
    let body = answer.map_err(|_| failed("it took too long".to_owned()))?;
    let body = body.map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

async fn ask(server: SocketAddr, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header("host", server.to_string()).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        anyhow::ensure!(answer.status().is_success(), "status {}", answer.status());
        Ok(answer.into_body().collect().await?.to_bytes())
    };
    tokio::pin!(connection);
    tokio::select! {
        answer = exchange => answer,
        ended = &mut connection => anyhow::bail!("the connection ended: {ended:?}"),
    }
}
