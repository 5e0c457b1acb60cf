//! `GET /health`: whether this server takes new work.
//!
//! Owns: the answer for load balancers and people.
//! Never: runs an agent to find out.

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// 200 `{"status":"ok"}` while serving, 503 `{"status":"stopping"}` after the stop.
pub(crate) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let (code, status) = if app.tasks.stopping().is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ok")
    };
    let version = env!("CARGO_PKG_VERSION");
    (code, Json(json!({"status": status, "version": version, "sockets": app.tasks.socket_count()})))
}
