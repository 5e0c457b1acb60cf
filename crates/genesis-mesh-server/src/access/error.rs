//! Why a request is refused before anything is asked of an agent.
//!
//! Owns: the codes of access, and their statuses and headers.
//! Never: says more of a key than that it is wrong.

use crate::http::answer::ErrorAnswer;
use crate::keys::Scope;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// When to come back after too many runs or tickets: about as long as a short answer takes.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("this server asks for a key; send `Authorization: Bearer` with it")]
    KeyMissing,
    #[error("this is no key of this server")]
    KeyInvalid,
    #[error("a key in a query ends up in logs; send `Authorization: Bearer`, or a ticket as `token`")]
    KeyMisplaced,
    #[error("this key has expired")]
    KeyExpired,
    #[error("this key was revoked")]
    KeyRevoked,
    #[error("a ticket opens one WebSocket within a minute; this one was used, is older, or never was")]
    TicketInvalid,
    #[error("this key lacks the scope `{scope}`")]
    ScopeMissing { scope: Scope },
    #[error("pages from {origin:?} may not use this server; list it under `origins` if they should")]
    OriginNotAllowed { origin: String },
    #[error(
        "this server does not answer to the name {host:?}; list `https://{host}` under `origins` if it should"
    )]
    HostNotAllowed { host: String },
    #[error("this key has as many runs as it may have at the same time; wait for one to end")]
    TooManyRuns,
    #[error("this key has as many unused tickets as it may have; use them, or wait a minute")]
    TooManyTickets,
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl AccessError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyInvalid | Self::KeyMisplaced => "key_invalid",
            Self::KeyExpired => "key_expired",
            Self::KeyRevoked => "key_revoked",
            Self::TicketInvalid => "ticket_invalid",
            Self::ScopeMissing { .. } => "scope_missing",
            Self::OriginNotAllowed { .. } => "origin_not_allowed",
            Self::HostNotAllowed { .. } => "host_not_allowed",
            Self::TooManyRuns => "too_many_runs",
            Self::TooManyTickets => "too_many_tickets",
            Self::NoRandomness => "no_randomness",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::KeyMissing
            | Self::KeyInvalid
            | Self::KeyMisplaced
            | Self::KeyExpired
            | Self::KeyRevoked
            | Self::TicketInvalid => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing { .. } | Self::OriginNotAllowed { .. } | Self::HostNotAllowed { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::TooManyRuns | Self::TooManyTickets => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRandomness => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<&AccessError> for ErrorAnswer {
    fn from(error: &AccessError) -> Self {
        let answer = Self::new(error.status(), error.code(), error.to_string());
        match error.status() {
            StatusCode::UNAUTHORIZED => {
                answer.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            StatusCode::FORBIDDEN => answer,
            _ => answer.with_retry_after(RETRY_AFTER),
        }
    }
}

impl IntoResponse for AccessError {
    fn into_response(self) -> Response {
        ErrorAnswer::from(&self).into_response()
    }
}
