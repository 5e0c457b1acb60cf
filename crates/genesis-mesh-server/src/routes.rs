//! Routes: which path is answered by what, and the answers that are not about agents.
//!
//! Owns: the router and `/health`.
//! Never: upgrades a connection; `ws` does.

use crate::access;
use crate::app::App;
use crate::chat;
use crate::http::error::HttpError;
use crate::http::trace;
use crate::observe;
use crate::pages;
use crate::runs;
use crate::ws;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// All routes of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let tickets = post(access::give_ticket).fallback(only_post).with_state(Arc::clone(&app.access));
    let cors = app.access.cors();
    let telemetry = Arc::clone(&app.telemetry);
    let router = Router::new()
        .route("/ws/{agent}", any(ws::agent_socket))
        .route("/v1/realtime/client_secrets", tickets)
        .route("/health", get(health))
        .merge(chat::routes(&app))
        .merge(runs::routes())
        .route("/ready", get(observe::ready))
        .route("/info", get(observe::info))
        .route("/metrics", get(observe::metrics))
        .route("/agents/{agent}/input-schema", get(observe::input_schema))
        .merge(pages::routes(&app));
    #[cfg(feature = "echo")]
    let router = router.route("/echo", any(ws::echo));
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(unknown_route)
        .layer(from_fn_with_state(Arc::clone(&app.access), access::admit))
        .with_state(app);
    let router = match cors {
        // Outside of the keys: a preflight has none, and a page may read why it was refused.
        Some(cors) => router.layer(cors),
        None => router,
    };
    // Outside of all: every answer is told, and has its id.
    router.layer(from_fn_with_state(telemetry, trace::observe))
}

/// 200 `{"status":"ok"}` while serving, 503 `{"status":"stopping"}` after the stop.
async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let (code, status) = if app.tasks.stopping().is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ok")
    };
    let version = env!("CARGO_PKG_VERSION");
    (code, Json(json!({"status": status, "version": version, "sockets": app.tasks.socket_count()})))
}

async fn unknown_route(uri: Uri) -> HttpError {
    HttpError::UnknownRoute { path: uri.path().to_owned() }
}

async fn only_post(request: Request) -> HttpError {
    HttpError::MethodNotAllowed { method: request.method().to_string(), allowed: "POST" }
}

async fn method_not_allowed(request: Request) -> HttpError {
    HttpError::MethodNotAllowed { method: request.method().to_string(), allowed: "GET" }
}
