//! What operators ask a server: its metrics, whether it can take work, and what it is.
//!
//! Owns: `/metrics`, `/ready`, `/info` and the input schemas.
//! Never: asks a model's server anything: what it tells is known already.
//! Source: docs/observability.md has the shape of each answer.

use crate::app::App;
use crate::http::error::HttpError;
use crate::telemetry::SCRAPE_TYPE;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use genesis_mesh::StartError;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The metrics as `OpenMetrics` text, which Prometheus asks for.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.telemetry.scrape() {
        Some(text) => ([(CONTENT_TYPE, SCRAPE_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Debug, Serialize)]
struct Readiness {
    status: &'static str,
    /// What keeps it from taking work; empty if nothing does.
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    message: String,
}

/// 200 `{"status":"ready","reasons":[]}` if the store can be written and all models can take a request now; 503
/// `not_ready` says what can't.
///
/// A model elsewhere counts as ready: whether it can be reached shows only when it is asked, and a server that was
/// taken out of its balancer would never ask again.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let mut reasons = Vec::new();
    if app.tasks.stopping().is_cancelled() {
        let message = "the server is stopping".to_owned();
        reasons.push(Reason { code: "stopping", model: None, message });
    }
    if let Err(error) = app.mesh.check_store().await {
        reasons.push(Reason { code: error.code(), model: None, message: error.to_string() });
    }
    for (name, model) in app.mesh.models() {
        if let Some(load) = model.current_load()
            && load.waiting >= load.waiting_max
        {
            let message =
                format!("the queue of `{name}` is full: {} of {} wait", load.waiting, load.waiting_max);
            reasons.push(Reason { code: "model_busy", model: Some(name.to_owned()), message });
        }
    }
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    (code, Json(Readiness { status, reasons })).into_response()
}

#[derive(Debug, Serialize)]
struct Info {
    name: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    agents: Vec<AgentEntry>,
    models: Vec<ModelEntry>,
    limits: LimitEntries,
    features: Features,
}

#[derive(Debug, Serialize)]
struct AgentEntry {
    name: String,
    description: String,
    model: String,
    /// Paths on this server.
    socket_url: String,
    input_schema_url: String,
}

#[derive(Debug, Serialize)]
struct ModelEntry {
    name: String,
    own_name: String,
    description: String,
    context_tokens: Option<u32>,
}

#[derive(Debug, Serialize)]
struct LimitEntries {
    header_bytes_max: usize,
    body_bytes_max: usize,
    message_bytes_max: usize,
    connections_per_address_max: usize,
    runs_per_key_max: usize,
    ping_interval_ms: u128,
    stall_ms: u128,
    drain_ms: u128,
}

#[derive(Debug, Serialize)]
struct Features {
    keys: bool,
    tls: bool,
    otlp: bool,
}

/// What this server is: its version, its agents and models, what it bounds.
pub(crate) async fn info(State(app): State<Arc<App>>) -> Response {
    let agents = app.mesh.agents().map(|agent| AgentEntry {
        name: agent.name.clone(),
        description: agent.description.clone(),
        model: agent.model.clone(),
        // A name has only letters, digits and `.`, `_`, `-`.
        socket_url: format!("/ws/{}", agent.name),
        input_schema_url: format!("/agents/{}/input-schema", agent.name),
    });
    let models = app.mesh.models().map(|(name, model)| ModelEntry {
        name: name.to_owned(),
        own_name: model.info().name.clone(),
        description: model.info().description.clone(),
        context_tokens: model.info().context_tokens,
    });
    let (options, limits) = (&app.options, &app.options.limits);
    let info = Info {
        name: "genesis-mesh",
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.telemetry.uptime().as_secs(),
        agents: agents.collect(),
        models: models.collect(),
        limits: LimitEntries {
            header_bytes_max: limits.header_bytes,
            body_bytes_max: limits.body_bytes,
            message_bytes_max: limits.message_bytes,
            connections_per_address_max: limits.connections_per_address,
            runs_per_key_max: limits.runs_per_key,
            ping_interval_ms: options.ping_interval.as_millis(),
            stall_ms: options.stall.as_millis(),
            drain_ms: options.drain.as_millis(),
        },
        features: Features {
            keys: !options.keys.is_empty(),
            tls: options.tls.is_some(),
            otlp: app.telemetry.is_exporting(),
        },
    };
    Json(info).into_response()
}

/// The JSON schema of an agent's input.
pub(crate) async fn input_schema(
    State(app): State<Arc<App>>,
    agent: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, HttpError> {
    let Path(agent) = agent.map_err(|_| HttpError::InvalidPath)?;
    let Some(info) = app.mesh.agent(&agent) else {
        let known = app.mesh.agents().map(|agent| agent.name.clone()).collect();
        let message = StartError::UnknownAgent { agent, known }.to_string();
        return Err(HttpError::UnknownAgent { message });
    };
    Ok(Json(info.input_schema.clone()))
}
