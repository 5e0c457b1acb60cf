//! The query of a socket's address: what holds for every run that is started on it.
//!
//! Owns: the names and the forms of these parameters.
//! Never: starts anything.

use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use axum::extract::Query;
use axum::http::{HeaderMap, Uri};
use genesis_mesh::log::IfBusy;
use serde::Deserialize;
use std::time::Duration;

/// What becomes of a run when the socket that started it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDisconnect {
    /// It goes on.
    Continue,
    /// It is stopped.
    Cancel,
    /// It is stopped if nobody reads it for so long.
    Grace(Duration),
}

/// What holds for the runs of a socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SocketQuery {
    pub(super) thread: Option<String>,
    pub(super) if_busy: IfBusy,
    on_disconnect: Option<OnDisconnect>,
    /// The key of the first run.
    pub(super) idempotency_key: Option<String>,
    /// Whether runs are not logged.
    pub(super) is_unlogged: bool,
}

#[derive(Debug, Deserialize)]
struct Form {
    thread_id: Option<String>,
    if_busy: Option<IfBusy>,
    on_disconnect: Option<String>,
    idempotency_key: Option<String>,
    log: Option<bool>,
}

impl SocketQuery {
    /// Reads the address, and the header `Idempotency-Key`.
    ///
    /// # Errors
    /// A parameter has no meaning.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, ErrorAnswer> {
        let invalid = |message: String| ErrorAnswer::from(HttpError::InvalidQuery { message });
        let Query(form) = Query::<Form>::try_from_uri(uri).map_err(|error| invalid(error.body_text()))?;
        let on_disconnect = match form.on_disconnect.as_deref() {
            None => None,
            Some(text) => Some(on_disconnect(text).ok_or_else(|| {
                invalid(format!("`on_disconnect` is `continue`, `cancel` or `grace=30s`, not {text:?}"))
            })?),
        };
        let header = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
        let query = Self {
            thread: form.thread_id,
            if_busy: form.if_busy.unwrap_or_default(),
            on_disconnect,
            idempotency_key: header.or(form.idempotency_key),
            is_unlogged: form.log == Some(false),
        };
        if query.is_unlogged && (query.thread.is_some() || query.idempotency_key.is_some()) {
            let message = "`log=false` keeps nothing: no `thread_id`, no idempotency key".to_owned();
            return Err(invalid(message));
        }
        Ok(query)
    }

    /// What becomes of a run that is on a thread, or on none.
    pub(super) fn on_disconnect(&self, has_thread: bool) -> OnDisconnect {
        let default = if has_thread { OnDisconnect::Continue } else { OnDisconnect::Cancel };
        self.on_disconnect.unwrap_or(default)
    }
}

fn on_disconnect(text: &str) -> Option<OnDisconnect> {
    match text {
        "continue" => Some(OnDisconnect::Continue),
        "cancel" => Some(OnDisconnect::Cancel),
        grace => {
            let seconds = grace.strip_prefix("grace=")?.strip_suffix('s')?.parse().ok()?;
            Some(OnDisconnect::Grace(Duration::from_secs(seconds)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<SocketQuery, ErrorAnswer> {
        SocketQuery::read(&format!("/ws/a?{query}").parse().expect("an address"), &HeaderMap::new())
    }

    #[test]
    fn a_thread_keeps_its_runs_and_others_go_with_their_clients() {
        let query = read("").expect("nothing is said");
        assert_eq!(query.on_disconnect(true), OnDisconnect::Continue);
        assert_eq!(query.on_disconnect(false), OnDisconnect::Cancel);
        let query = read("on_disconnect=grace=30s&if_busy=reject&thread_id=a%20b").expect("a query");
        assert_eq!(query.on_disconnect(true), OnDisconnect::Grace(Duration::from_secs(30)));
        assert_eq!((query.if_busy, query.thread.as_deref()), (IfBusy::Reject, Some("a b")));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for query in [
            "on_disconnect=maybe",
            "on_disconnect=grace=s",
            "if_busy=no",
            "log=maybe",
            "log=false&thread_id=a",
        ] {
            assert_eq!(read(query).expect_err(query).code, "invalid_query", "{query}");
        }
    }
}
