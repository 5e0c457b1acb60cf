//! The application: what all requests share, and the order in which a server stops.
//!
//! Owns: the shared state and the numbered stop.
//! Never: decodes a request or binds an address.
//! Flow: `serve` builds it; `run` accepts until the stop, drains, and returns when all is closed.

use crate::access::Access;
use crate::http::accept::{self, Gate};
use crate::options::{CLOSE_TIMEOUT, ServeOptions};
use crate::tasks::Tasks;
use crate::telemetry::{Telemetry, TelemetryError};
use axum::Router;
use genesis_mesh::{Mesh, WorksOnce};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// How long the last spans may take to reach their collector: a stop should not wait for one that is gone.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// What every request needs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) mesh: Mesh,
    pub(crate) tasks: Tasks,
    pub(crate) options: ServeOptions,
    pub(crate) access: Arc<Access>,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl App {
    /// # Errors
    /// The telemetry can't be set up.
    pub(crate) fn new(mesh: Mesh, options: ServeOptions, access: Access) -> Result<Self, TelemetryError> {
        let tasks = Tasks::new();
        let telemetry = Arc::new(Telemetry::new(&mesh, &tasks, &options.telemetry)?);
        Ok(Self { mesh, tasks, options, access: Arc::new(access), telemetry })
    }
}

/// Accepts and serves until `stop` resolves, then stops in order.
///
/// # Errors
/// The mesh works already, or has worked.
pub(crate) async fn run(
    app: Arc<App>,
    listener: TcpListener,
    router: Router,
    gate: Gate,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), WorksOnce> {
    let (tasks, mesh) = (app.tasks.clone(), app.mesh.clone());
    // 8 Also if the caller drops this future: nothing lives longer than it.
    let _abort = tasks.abort_guard();
    let drain = app.options.drain;
    let stopped = async {
        stop.await;
        stop_in_order(&tasks, drain).await;
    };
    // The runner claims nothing after 1; at 3 it gives back what still goes on, for whoever works on the store next.
    let working = mesh.work(tasks.stopping().cancelled(), tasks.ending().cancelled());
    let serving = async {
        tokio::join!(accept::connections(listener, router, &tasks, gate), stopped);
        Ok(())
    };
    // A mesh that works elsewhere is served nowhere.
    tokio::try_join!(working, serving)?;
    // 5 Whoever does not close by now is dropped.
    if timeout(CLOSE_TIMEOUT + Duration::from_secs(1), tasks.all_closed()).await.is_err() {
        tracing::warn!(sockets = tasks.socket_count(), "dropped connections that did not close");
    }
    // 6 The spans of what ended last are sent.
    flush(Arc::clone(&app.telemetry)).await;
    Ok(())
}

/// Sends the spans that wait, away from the threads that serve.
async fn flush(telemetry: Arc<Telemetry>) {
    if telemetry.is_exporting() {
        let flushed = tokio::task::spawn_blocking(move || telemetry.shut_down(FLUSH_TIMEOUT));
        if let Err(error) = flushed.await {
            tracing::warn!(%error, "the last spans may not have reached the collector");
        }
    }
}

async fn stop_in_order(tasks: &Tasks, drain: Duration) {
    // 1 `/health` says 503, new sockets and runs are refused, idle sockets close with 1012.
    tasks.stopping().cancel();
    tracing::info!(sockets = tasks.socket_count(), "stopping: no new runs; those that run may finish");
    // 2 Sockets and answers whose run goes on have until the deadline.
    let drained = async { tokio::join!(tasks.sockets_closed(), tasks.answers_made()) };
    if timeout(drain, drained).await.is_err() {
        tracing::warn!(sockets = tasks.socket_count(), "stopping: cutting the runs that still go on");
    }
    // 3 What is left says why, closes with 1012; 4 the listener closes, HTTP connections finish their request.
    tasks.ending().cancel();
}
