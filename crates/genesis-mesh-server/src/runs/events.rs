//! A run's log: one page of it as JSON, or all of it as a stream that follows the run.
//!
//! Owns: `/v1/runs/{id}/events` in both forms.
//! Never: skips or repeats an event: a cursor is the number of the last event that its client has.
//! Source: `id`, `Last-Event-ID` and comments are those of server-sent events in the HTML standard, section 9.2.

use super::{RunPath, run_id, view};
use crate::access::{Principal, RunPermit};
use crate::app::App;
use crate::http::answer::ErrorAnswer;
use crate::served;
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use genesis_mesh::log::{LogEvent, Seq};
use genesis_mesh::{LogError, RunReader};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So many events are in a page if a request does not say, and at most.
const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;
/// How long a stream may say nothing before a comment is sent: proxies close connections that are silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    after: Option<Seq>,
    limit: Option<usize>,
    stream: Option<bool>,
}

/// The events after a cursor.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    run: RunPath,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ErrorAnswer> {
    let Query(query) = query.map_err(|error| view::invalid_query(&error.body_text()))?;
    let run = run_id(run)?;
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after: Seq = query.after.or(last_seen).unwrap_or(0);
    let accepts = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if query.stream.unwrap_or(accepts) {
        let read = served::read(&app, &principal, (run, after)).await;
        let read = read.map_err(|refusal| ErrorAnswer::from(&refusal))?;
        return Ok(follow(read, app.tasks.ending().clone()));
    }
    let row = served::readable_run(&app, &principal, run).await;
    let row = row.map_err(|refusal| ErrorAnswer::from(&refusal))?;
    if after > row.last_seq {
        let error = LogError::CursorAhead { run, after, last_seq: row.last_seq };
        return Err(ErrorAnswer::from(&error));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let events =
        app.mesh.store().events(run, after, limit).await.map_err(|error| ErrorAnswer::from(&error))?;
    let last_seq = row.last_seq.max(events.last().map_or(0, |event| event.seq));
    let has_more = events.last().map_or(after, |event| event.seq) < last_seq;
    let status = row.status.name();
    let mut body = String::from(r#"{"object":"list","data":["#);
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        push_event(event, &mut body);
    }
    body.push_str(&format!(
        r#"],"run_id":"{run}","status":"{status}","last_seq":{last_seq},"has_more":{has_more}}}"#
    ));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// An event's JSON with its number.
fn push_event(event: &LogEvent, out: &mut String) {
    out.push_str(event.data.strip_suffix('}').unwrap_or(&event.data));
    out.push_str(&format!(r#","seq":{}}}"#, event.seq));
}

/// The log as server-sent events, to its last one.
fn follow(read: (RunReader, RunPermit), ending: CancellationToken) -> Response {
    let state = (read, ending, false);
    let frames = stream::unfold(state, |((mut reader, permit), ending, is_over)| async move {
        if is_over {
            return None;
        }
        let next = tokio::select! {
            // Whoever reads comes back with its cursor.
            () = ending.cancelled() => return None,
            next = tokio::time::timeout(KEEP_ALIVE, reader.next()) => next,
        };
        let (frame, is_over) = match next {
            Err(_) => (": the run goes on\n\n".to_owned(), false),
            Ok(None) => return None,
            Ok(Some(Ok(event))) => {
                let mut frame = format!("id: {}\ndata: ", event.seq);
                push_event(&event, &mut frame);
                frame.push_str("\n\n");
                (frame, false)
            }
            Ok(Some(Err(error))) => {
                let told = serde_json::json!({"error": {"code": error.code(), "message": error.to_string()}});
                (format!("event: error\ndata: {told}\n\n"), true)
            }
        };
        Some((Ok::<_, Infallible>(Bytes::from(frame)), ((reader, permit), ending, is_over)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, [("x-accel-buffering", "no")], Body::from_stream(frames)).into_response()
}
