//! Runs and threads over HTTP: what is kept, for clients that come back, for operators and for the command line.
//!
//! Owns: what `/v1/runs` and `/v1/threads` answer.
//! Never: runs agents; a request is decoded, sent through `served` or the mesh's waist, and encoded.
//! Flow: `ask.rs` reads a body, `view.rs` writes rows, `events.rs` a log as JSON or as a stream.

pub(crate) mod ask;
pub(crate) mod view;
mod events;
mod threads;

use crate::access::Principal;
use crate::app::App;
use crate::http::answer::ErrorAnswer;
use crate::http::body::json;
use crate::http::error::HttpError;
use crate::served::{self, Refusal};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use genesis_mesh::log::{CancelKind, RunQuery, RunStatus};
use genesis_mesh::{LogError, RunId, StartError, Submission};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use view::RunView;

/// So many rows are told at most if a request does not say.
const PAGE: usize = 20;
/// So many at most if it does.
const PAGE_MAX: usize = 1_000;

/// The routes of this surface.
pub(crate) fn routes() -> Router<Arc<App>> {
    let only = |allowed: &'static str| {
        move |method: Method| async move { HttpError::MethodNotAllowed { method: method.to_string(), allowed } }
    };
    Router::new()
        .route("/v1/runs", get(list).post(create).fallback(only("GET, POST")))
        .route("/v1/runs/{run}", get(one).delete(delete).fallback(only("GET, DELETE")))
        .route("/v1/runs/{run}/events", get(events::read).fallback(only("GET")))
        .route("/v1/runs/{run}/cancel", post(cancel).fallback(only("POST")))
        .route("/v1/runs/{run}/retry", post(retry).fallback(only("POST")))
        .route("/v1/threads", get(threads::list).fallback(only("GET")))
        .route(
            "/v1/threads/{thread}",
            get(threads::one).delete(threads::delete).fallback(only("GET, DELETE")),
        )
        .route("/v1/threads/{thread}/history", get(threads::history).fallback(only("GET")))
}

/// The id in a path, as it stands there.
type RunPath = Result<Path<String>, PathRejection>;

/// The id in a path.
///
/// # Errors
/// No run can have it.
fn run_id(path: RunPath) -> Result<RunId, ErrorAnswer> {
    let Path(text) = path.map_err(|_| HttpError::InvalidPath)?;
    parse_id(&text)
}

fn parse_id(text: &str) -> Result<RunId, ErrorAnswer> {
    let message =
        || format!("{text:?} is no id of a run; it looks like 0192f0c1-2b3c-7d4e-8f90-123456789abc");
    // A stored completion is named after its run.
    text.strip_prefix("chatcmpl-")
        .unwrap_or(text)
        .parse()
        .map_err(|_| ErrorAnswer::new(StatusCode::NOT_FOUND, "run_not_found", message()))
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    thread_id: Option<String>,
    agent: Option<String>,
    status: Option<RunStatus>,
    before: Option<String>,
    limit: Option<usize>,
}

/// Runs, newest first.
async fn list(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ErrorAnswer> {
    let Query(query) = query.map_err(|error| view::invalid_query(&error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let mut asked = RunQuery {
        thread: query.thread_id.map(|thread| genesis_mesh::thread_name(principal.owner(), &thread)),
        agent: query.agent,
        statuses: query.status.into_iter().collect(),
        before: query.before.as_deref().map(parse_id).transpose()?,
        principal: principal.owner().map(str::to_owned),
        limit: Some(limit + 1),
    };
    let mut rows = Vec::new();
    // Runs of agents that the key has no right to any more are passed over.
    while rows.len() <= limit {
        let found = app.mesh.runs(asked.clone()).await.map_err(|error| ErrorAnswer::from(&error))?;
        let is_last = found.len() <= limit;
        asked.before = found.last().map(|run| run.id);
        rows.extend(found.into_iter().filter(|run| principal.may_run(&run.agent).is_ok()));
        if is_last {
            break;
        }
    }
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let data: Vec<RunView<'_>> = rows.iter().map(RunView::of).collect();
    Ok(Json(json!({"object": "list", "data": data, "has_more": has_more})).into_response())
}

/// Has a run accepted that nobody waits for: 202 with its row.
async fn create(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, ErrorAnswer> {
    if app.tasks.stopping().is_cancelled() {
        return Err(HttpError::Stopping.into());
    }
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let body = json(request, &app.options.limits).await?;
    let submission = Submission { idempotency_key: key, ..ask::read(body)? };
    let asked = ask::field(&submission.ask);
    accept(&app, &principal, submission, Some(asked)).await
}

/// Has a run accepted; `asked` is the field that says what is asked for, if there is one.
async fn accept(
    app: &App,
    principal: &Principal,
    submission: Submission,
    asked: Option<&str>,
) -> Result<Response, ErrorAnswer> {
    let run = served::begin(app, principal, submission).await;
    let run = run.map_err(|refusal| match refusal {
        Refusal::Start(error @ StartError::CannotGoOn { .. }) => ErrorAnswer::from(&error).with_param(asked),
        refusal => ErrorAnswer::from(&refusal),
    })?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(&run))).into_response())
}

/// One run.
async fn one(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    run: RunPath,
) -> Result<Response, ErrorAnswer> {
    let row = served::readable_run(&app, &principal, run_id(run)?).await;
    let row = row.map_err(|refusal| ErrorAnswer::from(&refusal))?;
    Ok(Json(RunView::of(&row)).into_response())
}

/// Deletes a run with its log, whatever it does.
async fn delete(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    run: RunPath,
) -> Result<Response, ErrorAnswer> {
    let run = run_id(run)?;
    served::own_run(&app, &principal, run).await.map_err(|refusal| ErrorAnswer::from(&refusal))?;
    app.mesh.delete_run(run).await.map_err(|error| ErrorAnswer::from(&error))?;
    Ok(Json(json!({"run_id": run, "deleted": true})).into_response())
}

#[derive(Debug, Deserialize)]
struct CancelQuery {
    action: Option<CancelKind>,
}

/// Asks a run to stop: 202 with its row; its log tells its end.
async fn cancel(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    run: RunPath,
    query: Result<Query<CancelQuery>, QueryRejection>,
) -> Result<Response, ErrorAnswer> {
    let Query(query) = query.map_err(|error| view::invalid_query(&error.body_text()))?;
    let run = run_id(run)?;
    served::own_run(&app, &principal, run).await.map_err(|refusal| ErrorAnswer::from(&refusal))?;
    let kind = query.action.unwrap_or(CancelKind::Interrupt);
    app.mesh.cancel(run, kind).await.map_err(|error| ErrorAnswer::from(&error))?;
    let row = app.mesh.get(run).await.map_err(|error| ErrorAnswer::from(&error))?;
    let row = row.ok_or_else(|| ErrorAnswer::from(&LogError::UnknownRun { run }))?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(&row))).into_response())
}

/// Has a run accepted that asks the same of the same agent on the same thread.
async fn retry(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    run: RunPath,
) -> Result<Response, ErrorAnswer> {
    let row = served::own_run(&app, &principal, run_id(run)?).await;
    let row = row.map_err(|refusal| ErrorAnswer::from(&refusal))?;
    let again = Submission::again(&row).map_err(|error| ErrorAnswer::from(&error))?;
    accept(&app, &principal, again, None).await
}
