//! Refusals of a connection: what a client is told that never got as far as a request.
//!
//! Owns: their codes, and the whole answer as bytes.
//! Never: writes them; `accept` and `guard` do.

use super::answer::ErrorAnswer;
use axum::http::StatusCode;
use std::time::Duration;

/// Why a connection is closed before it has a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("this is no HTTP/1.1 request")]
    MalformedRequest,
    #[error("the path and the query are too long")]
    UriTooLong,
    #[error("the request line with its headers may have {bytes_max} bytes and 100 headers")]
    HeadersTooLarge { bytes_max: usize },
    #[error("the headers did not arrive within {} ms, the limit", limit.as_millis())]
    HeaderTimeout { limit: Duration },
    #[error("this address has as many connections as it may have at the same time")]
    TooManyConnections,
}

impl ConnectionError {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge { .. } => "headers_too_large",
            Self::HeaderTimeout { .. } => "header_timeout",
            Self::TooManyConnections => "too_many_connections",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest => StatusCode::BAD_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeaderTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyConnections => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The answer, from its status line to the end of its body.
    pub(super) fn bytes(self) -> Vec<u8> {
        let status = self.status();
        let answer = ErrorAnswer::new(status, self.code(), self.to_string());
        let body = serde_json::to_string(&answer.body()).unwrap_or_default();
        let retry = if self == Self::TooManyConnections { "retry-after: 1\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n{body}",
            status.as_str(),
            status.canonical_reason().unwrap_or_default(),
            body.len(),
        )
        .into_bytes()
    }
}
