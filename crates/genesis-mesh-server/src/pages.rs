//! Pages for people and descriptions for programs: what this server offers, from this server alone.
//!
//! Owns: `/` (try an agent), `/docs`, `/openapi.json`, `/asyncapi.json`, and the headers that keep the pages harmless.
//! Never: needs a key, the network, or a build step; nothing here runs an agent, the page's socket does.
//! Flow: the descriptions are made once, when the routes are; a page is text that is part of the program.

mod operation;
mod runs;
mod openapi;
mod asyncapi;
mod swagger;

use crate::app::App;
use crate::http::error::HttpError;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::Value;
use std::sync::Arc;

/// What the pages may load: their own files. Swagger UI sets styles on elements and has images in its stylesheet.
const POLICY: &str = "default-src 'none'; connect-src 'self' ws: wss:; img-src 'self' data:; script-src 'self'; \
                      style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Files of the program change with it only; an hour bounds how long an old one is seen after an update.
const CACHED: &str = "public, max-age=3600";

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";

/// The routes of the pages.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(app: &Arc<App>) -> Router<S> {
    Router::new()
        .route("/", page(HTML, include_str!("pages/index.html")))
        .route("/page.js", page(JAVASCRIPT, include_str!("pages/page.js")))
        .route("/page.css", page(CSS, include_str!("pages/page.css")))
        .route("/docs", page(HTML, include_str!("pages/docs.html")))
        .route("/docs/start.js", page(JAVASCRIPT, include_str!("pages/docs.js")))
        .route("/docs/{file}", only_get(get(swagger_file)))
        .route("/openapi.json", description(&openapi::document(app)))
        .route("/asyncapi.json", description(&asyncapi::document(app)))
}

/// A file that is part of the program.
fn page<S: Clone + Send + Sync + 'static>(kind: &'static str, text: &'static str) -> MethodRouter<S> {
    only_get(get(move || async move { file(kind, CACHED, Bytes::from_static(text.as_bytes())) }))
}

/// A description, which other origins' tools may read; an agent that is new shows at once.
fn description<S: Clone + Send + Sync + 'static>(document: &Value) -> MethodRouter<S> {
    let text = Bytes::from(document.to_string());
    only_get(get(move || async move { file(JSON, "no-cache", text) }))
}

async fn swagger_file(Path(name): Path<String>) -> Result<Response, HttpError> {
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => CSS,
        _ => JAVASCRIPT,
    };
    let unknown = || HttpError::UnknownRoute { path: format!("/docs/{name}") };
    let bytes = swagger::file(&name).ok_or_else(unknown)?;
    Ok(file(kind, CACHED, bytes))
}

fn file(kind: &'static str, cached: &'static str, bytes: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static(cached)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, bytes).into_response()
}

fn only_get<S: Clone + Send + Sync + 'static>(route: MethodRouter<S>) -> MethodRouter<S> {
    route.fallback(|method: Method| async move {
        HttpError::MethodNotAllowed { method: method.to_string(), allowed: "GET" }
    })
}
