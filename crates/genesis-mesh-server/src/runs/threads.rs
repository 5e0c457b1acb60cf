//! Threads over HTTP: the list, one with its state, its history, and its end.
//!
//! Owns: what `/v1/threads` answers.
//! Never: replays a thread; the graph of its agent does.

use super::view::{ThreadView, invalid_query};
use super::{PAGE, PAGE_MAX};
use crate::access::Principal;
use crate::app::App;
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use genesis_mesh::graph::CheckpointId;
use genesis_mesh::log::{RunQuery, ThreadInfo, ThreadQuery};
use genesis_mesh::store::HistoryQuery;
use genesis_mesh::{thread_label, thread_name};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    offset: Option<usize>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HistoryPage {
    before: Option<String>,
    limit: Option<usize>,
}

/// Threads, the one that was used last first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ErrorAnswer> {
    let Query(query) = query.map_err(|error| invalid_query(&error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let asked = ThreadQuery {
        prefix: principal.owner().map(|owner| thread_name(Some(owner), "")),
        offset: query.offset.unwrap_or(0),
        limit: Some(limit + 1),
        ..ThreadQuery::default()
    };
    let mut threads = app.mesh.store().threads(asked).await.map_err(|error| ErrorAnswer::from(&error))?;
    let has_more = threads.len() > limit;
    threads.truncate(limit);
    let data: Vec<ThreadView<'_>> = threads.iter().map(ThreadView::of).collect();
    Ok(Json(json!({"object": "list", "data": data, "has_more": has_more})).into_response())
}

/// A thread of `principal`'s, and the agent that ran on it last.
async fn find(
    app: &App,
    principal: &Principal,
    thread: Result<Path<String>, PathRejection>,
) -> Result<(ThreadInfo, Option<String>), ErrorAnswer> {
    let Path(thread) = thread.map_err(|_| HttpError::InvalidPath)?;
    let id = thread_name(principal.owner(), &thread);
    let asked = ThreadQuery { id: Some(id.clone()), ..ThreadQuery::default() };
    let found = app.mesh.store().threads(asked).await.map_err(|error| ErrorAnswer::from(&error))?;
    let info = found.into_iter().next().ok_or(HttpError::UnknownThread { thread })?;
    let newest = RunQuery { thread: Some(id), limit: Some(1), ..RunQuery::default() };
    let newest = app.mesh.runs(newest).await.map_err(|error| ErrorAnswer::from(&error))?;
    Ok((info, newest.into_iter().next().map(|run| run.agent)))
}

/// As [`find`], of a thread that `principal` may read: it still has the right to the agent.
async fn find_readable(
    app: &App,
    principal: &Principal,
    thread: Result<Path<String>, PathRejection>,
) -> Result<(ThreadInfo, Option<String>), ErrorAnswer> {
    let (info, agent) = find(app, principal, thread).await?;
    if let Some(agent) = &agent {
        principal.may_run(agent).map_err(|error| ErrorAnswer::from(&error))?;
    }
    Ok((info, agent))
}

/// A thread with its state, if its agent is a graph.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    thread: Result<Path<String>, PathRejection>,
) -> Result<Response, ErrorAnswer> {
    let (info, agent) = find_readable(&app, &principal, thread).await?;
    let mut shown = json!(ThreadView::of(&info));
    if let (Some(agent), Some(fields)) = (agent, shown.as_object_mut()) {
        let state = app.mesh.thread_state(&agent, &info.id).await;
        fields.insert("agent".to_owned(), Value::String(agent));
        fields.insert("state".to_owned(), state.map_err(|error| ErrorAnswer::from(&error))?);
    }
    Ok(Json(shown).into_response())
}

/// The checkpoints of a thread, newest first, each with its state.
pub(super) async fn history(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    thread: Result<Path<String>, PathRejection>,
    query: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Response, ErrorAnswer> {
    let Query(query) = query.map_err(|error| invalid_query(&error.body_text()))?;
    let before = query.before.as_deref().map(checkpoint_id).transpose()?;
    let (info, agent) = find_readable(&app, &principal, thread).await?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let asked = HistoryQuery { before, limit: Some(limit + 1), ..HistoryQuery::default() };
    let data = match agent {
        Some(agent) => app.mesh.thread_history(&agent, &info.id, asked).await,
        None => Ok(Vec::new()),
    };
    let mut data = data.map_err(|error| ErrorAnswer::from(&error))?;
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(Json(json!({"object": "list", "data": data, "has_more": has_more})).into_response())
}

/// The checkpoint that a page begins after.
fn checkpoint_id(text: &str) -> Result<CheckpointId, ErrorAnswer> {
    text.parse().map_err(|_| invalid_query(&format!("before={text:?} is no id of a checkpoint")))
}

/// Deletes a thread with its checkpoints and its runs, whatever they do.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    thread: Result<Path<String>, PathRejection>,
) -> Result<Response, ErrorAnswer> {
    let (info, _) = find(&app, &principal, thread).await?;
    app.mesh.delete_thread(&info.id).await.map_err(|error| ErrorAnswer::from(&error))?;
    Ok(Json(json!({"thread_id": thread_label(&info.id), "deleted": true})).into_response())
}
