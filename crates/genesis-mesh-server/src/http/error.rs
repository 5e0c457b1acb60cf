//! Mistakes of a request before any agent is asked: paths, methods, the upgrade, the stop.
//!
//! Owns: their statuses and headers.
//! Never: knows the JSON form; `answer` does.

use super::answer::ErrorAnswer;
use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER, UPGRADE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// An HTTP answer that says what is wrong with the request, or why it can't be served now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(
        "no route is at {path}; agents are at /ws/{{agent}} and /v1/chat/completions, the state is at /health"
    )]
    UnknownRoute { path: String },
    #[error("{message}")]
    UnknownAgent { message: String },
    #[error("the path is no valid UTF-8")]
    InvalidPath,
    #[error("{message}")]
    InvalidQuery { message: String },
    #[error("there is no thread {thread:?}")]
    UnknownThread { thread: String },
    #[error("{method} is not allowed here; use {allowed}")]
    MethodNotAllowed { method: String, allowed: &'static str },
    #[error("this is a WebSocket; send `Connection: Upgrade` and `Upgrade: websocket`")]
    UpgradeRequired,
    #[error("this server speaks version 13 of WebSocket (RFC 6455) over HTTP/1.1")]
    WebSocketVersion,
    #[error("`Sec-WebSocket-Key` must be 16 bytes in base64")]
    WebSocketKey,
    #[error("the server is stopping; connect again later")]
    Stopping,
}

impl HttpError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::UnknownRoute { .. } => "route_not_found",
            Self::UnknownAgent { .. } => "agent_not_found",
            Self::InvalidPath => "invalid_path",
            Self::InvalidQuery { .. } => "invalid_query",
            Self::UnknownThread { .. } => "thread_not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::WebSocketVersion => "websocket_version_unsupported",
            Self::WebSocketKey => "websocket_key_invalid",
            Self::Stopping => "stopping",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownRoute { .. } | Self::UnknownAgent { .. } | Self::UnknownThread { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::InvalidPath | Self::InvalidQuery { .. } | Self::WebSocketKey => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeRequired | Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let header = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
        match self {
            Self::MethodNotAllowed { allowed, .. } => vec![header(ALLOW, allowed)],
            Self::UpgradeRequired => vec![header(UPGRADE, "websocket"), header(CONNECTION, "upgrade")],
            Self::WebSocketVersion => {
                vec![header(HeaderName::from_static("sec-websocket-version"), "13")]
            }
            // A second: long enough for a replacement to bind, short enough for a person who waits.
            Self::Stopping => vec![header(RETRY_AFTER, "1"), header(CONNECTION, "close")],
            _ => Vec::new(),
        }
    }
}

impl From<HttpError> for ErrorAnswer {
    fn from(error: HttpError) -> Self {
        let answer = Self::new(error.status(), error.code(), error.to_string());
        Self { headers: error.headers(), ..answer }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        ErrorAnswer::from(self).into_response()
    }
}
