//! The answer to a request that failed: one JSON form, whatever went wrong.
//!
//! Owns: the body `{"error": {"message", "type", "param", "code"}}`, its headers, and the status of the errors of
//! the floors below.
//! Never: shows internal causes; those go to the log.
//! Source: the error shape of the `OpenAI` API, which clients can already read; `problems` is this project's own.

use axum::Json;
use axum::http::header::RETRY_AFTER as RETRY_AFTER_HEADER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use genesis_mesh::store::StoreError;
use genesis_mesh::{InputError, InputProblem, LogError, ModelError, RunError, StartError};
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// When a client should try again if nothing better is known: a place in the queue frees within a second or so.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An HTTP answer that says what is wrong with the request, or why it can't be served now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorAnswer {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    /// In a box: an error that is given back by value stays small.
    pub(crate) message: Box<str>,
    /// The field at fault, as a path.
    pub(crate) param: Option<String>,
    /// All that is wrong with the input; empty if it is one thing.
    pub(crate) problems: Vec<InputProblem>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of an answer, also of an error within a stream.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

#[derive(Debug, Serialize)]
struct ErrorFields<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemFields<'a>>,
}

#[derive(Debug, Serialize)]
struct ProblemFields<'a> {
    path: &'a str,
    message: &'a str,
}

impl<'a> From<&'a InputProblem> for ProblemFields<'a> {
    fn from(problem: &'a InputProblem) -> Self {
        Self { path: &problem.path, message: &problem.message }
    }
}

impl ErrorAnswer {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        let (param, problems, headers) = (None, Vec::new(), Vec::new());
        Self { status, code: code.into(), message: message.into(), param, problems, headers }
    }

    pub(crate) fn with_param(mut self, param: Option<&str>) -> Self {
        self.param = param.map(str::to_owned);
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says when to try again, in whole seconds and in milliseconds, which the official clients prefer.
    pub(crate) fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.with_header(RETRY_AFTER_HEADER, HeaderValue::from(seconds))
            .with_header(HeaderName::from_static("retry-after-ms"), HeaderValue::from(millis))
    }

    /// Says whether the same request may succeed later, where the status alone would mislead a client.
    pub(crate) fn with_should_retry(self, should_retry: bool) -> Self {
        let value = HeaderValue::from_static(if should_retry { "true" } else { "false" });
        self.with_header(HeaderName::from_static("x-should-retry"), value)
    }

    /// A body that its schema refuses.
    pub(crate) fn invalid_input(error: &InputError) -> Self {
        let answer = Self::new(StatusCode::BAD_REQUEST, "invalid_input", error.to_string());
        Self { problems: error.problems.clone(), ..answer.with_param(error.param()) }
    }

    pub(crate) fn body(&self) -> ErrorBody<'_> {
        ErrorBody {
            error: ErrorFields {
                message: &self.message,
                r#type: kind(self.status),
                param: self.param.as_deref(),
                code: &self.code,
                problems: self.problems.iter().map(ProblemFields::from).collect(),
            },
        }
    }
}

/// What `type` says of a status.
fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

/// The status of a failure that a log may tell, by its code: so it is the same for whoever reads it there.
fn status_of(code: &str) -> Option<StatusCode> {
    Some(match code {
        "invalid_input" | "invalid_request" | "context_length_exceeded" => StatusCode::BAD_REQUEST,
        "run_not_found" => StatusCode::NOT_FOUND,
        "model_rate_limited" => StatusCode::TOO_MANY_REQUESTS,
        "model_failed" => StatusCode::INTERNAL_SERVER_ERROR,
        "model_unreachable" | "model_refused" | "model_truncated" => StatusCode::BAD_GATEWAY,
        "model_busy" | "mesh_stopped" | "store_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "model_timeout" => StatusCode::GATEWAY_TIMEOUT,
        "store_full" => StatusCode::INSUFFICIENT_STORAGE,
        _ => return None,
    })
}

impl From<&ModelError> for ErrorAnswer {
    fn from(error: &ModelError) -> Self {
        let status = status_of(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let param = match error {
            ModelError::InvalidRequest { param, .. } => param.as_deref(),
            _ => None,
        };
        let answer = Self::new(status, error.code(), error.to_string()).with_param(param);
        let answer = answer.with_should_retry(error.is_retryable());
        match error {
            ModelError::Busy { .. } | ModelError::RateLimited { .. } => {
                answer.with_retry_after(error.retry_after().unwrap_or(RETRY_AFTER))
            }
            _ => answer,
        }
    }
}

impl From<&StartError> for ErrorAnswer {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::UnknownAgent { .. } => {
                Self::new(StatusCode::NOT_FOUND, error.code(), error.to_string()).with_param(Some("model"))
            }
            StartError::InvalidInput(error) => Self::invalid_input(error),
            StartError::CannotGoOn { .. } => {
                Self::new(StatusCode::BAD_REQUEST, error.code(), error.to_string())
            }
            StartError::Model(error) => Self::from(error),
            StartError::Store(error) => Self::from(error),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.code(), error.to_string()),
        }
    }
}

impl From<&StoreError> for ErrorAnswer {
    fn from(error: &StoreError) -> Self {
        let status = match error {
            StoreError::UnknownRun { .. } | StoreError::UnknownCheckpoint { .. } => StatusCode::NOT_FOUND,
            StoreError::ThreadBusy { .. } | StoreError::KeyReused { .. } | StoreError::Fenced { .. } => {
                StatusCode::CONFLICT
            }
            StoreError::Unavailable { .. } | StoreError::InUse { .. } => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let answer = Self::new(status, error.code(), error.to_string());
        match error {
            StoreError::Unavailable { .. } | StoreError::InUse { .. } => answer.with_retry_after(RETRY_AFTER),
            // The official clients try a 409 again by themselves.
            _ => answer.with_should_retry(error.is_retryable()),
        }
    }
}

impl From<&LogError> for ErrorAnswer {
    fn from(error: &LogError) -> Self {
        match error {
            LogError::Store(error) => Self::from(error),
            LogError::CursorAhead { .. } => {
                Self::new(StatusCode::BAD_REQUEST, error.code(), error.to_string()).with_param(Some("after"))
            }
            _ => {
                let status = status_of(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Self::new(status, error.code(), error.to_string())
            }
        }
    }
}

impl From<&RunError> for ErrorAnswer {
    fn from(error: &RunError) -> Self {
        match error {
            RunError::Model(error) => Self::from(error),
            RunError::Logged { code, message, param } => {
                let status = status_of(code).unwrap_or(StatusCode::BAD_GATEWAY);
                let answer = Self::new(status, code.clone(), message.as_str()).with_param(param.as_deref());
                let answer = answer.with_should_retry(error.is_retryable());
                match code.as_str() {
                    "model_busy" | "model_rate_limited" => answer.with_retry_after(RETRY_AFTER),
                    _ => answer,
                }
            }
            _ => Self::new(StatusCode::BAD_GATEWAY, error.code().to_owned(), error.to_string())
                .with_should_retry(error.is_retryable()),
        }
    }
}

impl IntoResponse for ErrorAnswer {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        response.headers_mut().extend(self.headers.into_iter().collect::<HeaderMap>());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genesis_mesh::Wait;

    #[test]
    fn a_failure_that_a_log_tells_is_answered_as_without_the_log() {
        let words = || "words".to_owned();
        for error in [
            ModelError::InvalidRequest { param: Some("n".to_owned()), message: words() },
            ModelError::ContextExceeded { prompt_tokens: 9, context_tokens: 8 },
            ModelError::Busy { queued: 1 },
            ModelError::RateLimited { retry_after: None, message: words() },
            ModelError::Unreachable { message: words() },
            ModelError::Timeout { wait: Wait::FirstPiece, limit: Duration::from_secs(1) },
            ModelError::Refused { message: words() },
            ModelError::Truncated,
            ModelError::Failed { message: words() },
        ] {
            let error = RunError::from(error);
            let param = error.param().map(str::to_owned);
            let logged =
                RunError::Logged { code: error.code().to_owned(), message: error.to_string(), param };
            assert_eq!(ErrorAnswer::from(&logged), ErrorAnswer::from(&error));
        }
    }
}
