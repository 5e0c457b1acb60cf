//! Opening an answer: sending the request, until its answer begins or nothing helps.
//!
//! Owns: retries with their waits, what a lost connection means, and the bounds on an error's body.
//! Never: tries again once an answer has begun; follows `answer.rs`, which reads it.

use super::client::Upstream;
use super::deadline::Deadlines;
use super::failure::{Failure, Told, wait_asked};
use bytes::Bytes;
use genesis_mesh_core::ModelError;
use http::header::LOCATION;
use reqwest::{Response, Url};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout_at};

/// The longest wait before a retry: a client waits meanwhile. If the server asks for more, it is told so at once.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);
/// The most bytes that are read of an error, 64 KiB: a message is a few hundred.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// An answer that has begun.
pub(super) struct Opened {
    pub(super) response: Response,
    pub(super) deadlines: Deadlines,
}

/// Sends `body` until an answer begins.
///
/// # Errors
/// That of the last try.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(super) async fn open(upstream: Arc<Upstream>, body: Bytes) -> Result<Opened, ModelError> {
    let mut deadlines = Deadlines::start(upstream.options.timeouts);
    let mut retries = 0;
    loop {
        let failure = match attempt(&upstream, body.clone(), &deadlines).await {
            Ok(response) => return Ok(Opened { response, deadlines }),
            Err(failure) => failure,
        };
        if !failure.is_worth_retry || retries == upstream.options.retries_max {
            return Err(failure.error);
        }
        let wait = failure.wait.unwrap_or_else(|| backoff(upstream.options.retry_wait, retries));
        if wait > RETRY_WAIT_MAX || !deadlines.has_time_for(wait) {
            return Err(failure.error);
        }
        let (origin, code) = (upstream.origin(), failure.error.code());
        tracing::debug!(upstream = origin, error = code, wait_ms = wait.as_millis(), "tries again");
        sleep(wait).await;
        retries += 1;
        deadlines.request_sent();
    }
}

/// The wait before retry number `retries`, from 0.
fn backoff(first: Duration, retries: u32) -> Duration {
    let whole = first.saturating_mul(1 << retries.min(16)).min(RETRY_WAIT_MAX);
    // Fresh keys each time: a draw that needs no generator of its own.
    let draw = RandomState::new().hash_one(retries) >> 33;
    whole.mul_f64(1.0 - 0.5 * draw as f64 / f64::from(u32::MAX >> 1))
}

async fn attempt(upstream: &Upstream, body: Bytes, deadlines: &Deadlines) -> Result<Response, Failure> {
    let exchange = async {
        match upstream.send(body).await {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(refused(upstream, response).await),
            Err(error) => Err(Failure::passing(lost(&error, deadlines))),
        }
    };
    match timeout_at(deadlines.next(), exchange).await {
        Ok(result) => result,
        Err(_) => Err(Failure::last(deadlines.error())),
    }
}

/// What a connection means that was not made, or ended before an answer.
fn lost(error: &reqwest::Error, deadlines: &Deadlines) -> ModelError {
    if error.is_connect() && error.is_timeout() {
        return deadlines.connect_error();
    }
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() { "no connection" } else { "the connection ended before an answer" };
    ModelError::Unreachable { message: format!("{what}: {cause}") }
}

/// What an answer means whose status is no success.
async fn refused(upstream: &Upstream, mut response: Response) -> Failure {
    let status = response.status();
    if status.is_redirection() {
        return Failure::last(ModelError::Failed { message: redirected(upstream, &response) });
    }
    let wait = wait_asked(response.headers());
    let mut body = Vec::new();
    while body.len() < ERROR_BYTES_MAX {
        // An error that is cut is told as far as it came.
        let Ok(Some(bytes)) = response.chunk().await else { break };
        body.extend(bytes.iter().take(ERROR_BYTES_MAX - body.len()));
    }
    Told::read(&body, &upstream.redactor).into_failure(status, wait)
}

fn redirected(upstream: &Upstream, response: &Response) -> String {
    let target = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let target = target.and_then(|location| response.url().join(location).ok());
    let target = target.as_ref().map_or_else(|| "nowhere".to_owned(), where_to);
    let status = response.status().as_u16();
    upstream.redactor.clean(&format!(
        "it answered {status}, a redirect to {target}, which is not followed: the key is for `base_url` alone"
    ))
}

/// Without the query, which may hold a secret.
fn where_to(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
