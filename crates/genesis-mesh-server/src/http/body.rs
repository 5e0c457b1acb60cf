//! Request bodies: read within their bounds of bytes and time, and as JSON.
//!
//! Owns: the bounds of a body, and what is wrong with one before its meaning is asked.
//! Never: knows a route's fields; a surface's schema does.
//! Flow: a surface gives its request to `json` and reads its own struct from the value.

use super::answer::ErrorAnswer;
use crate::options::Limits;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// How much beyond the limit is read and thrown away, in bytes: most clients read an answer only after their
/// whole body is sent, and one that closes on them is lost.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most that is reserved for a body because a client says that it will come, in bytes.
const RESERVED_BYTES_MAX: u64 = 64 * 1024;

/// What is wrong with a body before its fields are looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("send JSON with `content-type: application/json`, {}", not_this(.given.as_deref()))]
    ContentType { given: Option<String> },
    #[error("the body is longer than {bytes_max} bytes, the limit")]
    TooLarge { bytes_max: usize },
    #[error("the body did not arrive within {} ms, the limit", limit.as_millis())]
    Timeout { limit: Duration },
    #[error("the body ended before its end")]
    Incomplete,
    #[error("the body is no JSON: {reason}")]
    InvalidJson { reason: String },
}

fn not_this(content_type: Option<&str>) -> String {
    content_type.map_or_else(|| "which is missing".to_owned(), |given| format!("not `{given}`"))
}

impl BodyError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::ContentType { .. } => "content_type_unsupported",
            Self::TooLarge { .. } => "body_too_large",
            Self::Timeout { .. } => "body_timeout",
            Self::Incomplete => "body_incomplete",
            Self::InvalidJson { .. } => "invalid_json",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Incomplete | Self::InvalidJson { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<BodyError> for ErrorAnswer {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.code(), error.to_string())
    }
}

/// The JSON value that `request` carries.
///
/// # Errors
/// Another content type, a bound that is reached, or no JSON.
pub(crate) async fn json(request: Request, limits: &Limits) -> Result<Value, BodyError> {
    check_content_type(request.headers())?;
    let bytes = bytes(request, limits).await?;
    serde_json::from_slice(&bytes).map_err(|error| BodyError::InvalidJson { reason: error.to_string() })
}

/// A page of another origin can send a body without asking first, but not one that says it is JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), BodyError> {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = value.as_deref().and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 12 && essence.to_ascii_lowercase().starts_with("application/"))
            && essence.to_ascii_lowercase().ends_with("+json");
    if is_json { Ok(()) } else { Err(BodyError::ContentType { given: value.map(Into::into) }) }
}

/// The whole body of `request`.
async fn bytes(request: Request, limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let (parts, body) = request.into_parts();
    let bytes_max = limits.body_bytes;
    let announced = body.size_hint().lower();
    // Who asks first gets the answer first.
    if announced > bytes_max as u64 && parts.headers.contains_key(EXPECT) {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let limit = limits.body_timeout;
    timeout(limit, collect(body, bytes_max)).await.unwrap_or(Err(BodyError::Timeout { limit }))
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let reserved = body.size_hint().lower().min(RESERVED_BYTES_MAX);
    let mut whole = Vec::with_capacity(usize::try_from(reserved).unwrap_or_default());
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= bytes_max {
            whole.extend_from_slice(&data);
        } else {
            whole = Vec::new();
        }
        if length > bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
            break;
        }
    }
    if length > bytes_max { Err(BodyError::TooLarge { bytes_max }) } else { Ok(whole) }
}
