//! WebSockets: the upgrade and the socket of an agent.
//!
//! Owns: what `/ws/{agent}` answers.
//! Never: runs agents; the mesh does.
//! Flow: the request is checked before it is answered with 101; then `socket` lives in its own task.

mod outbox;
mod wire;
mod handshake;
mod plain;
mod query;
mod socket;

use crate::access::Principal;
use crate::app::App;
use crate::clock;
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use crate::tasks::TaskKind;
use crate::telemetry::millis;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use std::sync::Arc;

/// The largest message of the echo: the cases of the conformance suite go up to 16 MiB.
#[cfg(feature = "echo")]
const ECHO_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A socket that says what it hears, for conformance tests.
#[cfg(feature = "echo")]
pub(crate) async fn echo(State(app): State<Arc<App>>, mut request: Request) -> Result<Response, ErrorAnswer> {
    let switching = handshake::answer(request.method(), request.headers())?;
    let upgrade = hyper::upgrade::on(&mut request);
    app.tasks.spawn(TaskKind::Socket, async move {
        if let Ok(stream) = handshake::finish(upgrade, ECHO_BYTES_MAX).await {
            socket::echo::serve(stream).await;
        }
    });
    Ok(switching)
}

/// Upgrades to the plain socket of an agent; every refusal comes before 101, as JSON.
pub(crate) async fn agent_socket(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Principal>,
    agent: Result<Path<String>, PathRejection>,
    mut request: Request,
) -> Result<Response, ErrorAnswer> {
    let Path(agent) = agent.map_err(|_| HttpError::InvalidPath)?;
    // Before the look-up, which tells the names of all agents.
    principal.may_run(&agent).map_err(|error| ErrorAnswer::from(&error))?;
    if app.mesh.agent(&agent).is_none() {
        let known: Vec<String> = app.mesh.agents().map(|agent| agent.name.clone()).collect();
        let error = genesis_mesh::StartError::UnknownAgent { agent, known };
        return Err(HttpError::UnknownAgent { message: error.to_string() }.into());
    }
    let query = query::SocketQuery::read(request.uri(), request.headers())?;
    let switching = handshake::answer(request.method(), request.headers())?;
    if app.tasks.stopping().is_cancelled() {
        return Err(HttpError::Stopping.into());
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let tasks = app.tasks.clone();
    tasks.spawn(TaskKind::Socket, async move {
        match handshake::finish(upgrade, app.options.limits.message_bytes).await {
            Ok(stream) => {
                let request = principal.request.clone();
                let opened_at = clock::instant();
                socket::serve(stream, app, principal, socket::Address { agent, query }).await;
                let open_ms = millis(clock::instant().duration_since(opened_at));
                request.span().in_scope(|| tracing::info!(open_ms, key = request.key(), "socket closed"));
            }
            Err(error) => tracing::debug!(%error, "a client left during the handshake"),
        }
    });
    Ok(switching)
}
