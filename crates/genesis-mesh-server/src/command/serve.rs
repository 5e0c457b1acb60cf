//! `genesis-mesh serve`: serves until a signal.
//!
//! Owns: the order of a start and of a stop.
//! Never: knows frames or runs; `Serve` does.
//! Flow: logs -> bind -> set up the mesh -> banner -> serve until a signal -> stop in order.

use crate::banner;
use crate::choice;
use crate::logs;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signals::Signals;
use genesis_mesh::GenesisMesh;
use genesis_mesh_server::{Serve, ServeError, ServeOptions, TelemetryOptions};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(settings: &Settings, started: Instant) -> Outcome {
    let telemetry = telemetry();
    logs::start(&telemetry);
    let host = settings.host.as_deref().unwrap_or("127.0.0.1");
    // Bound first, so that an address in use is told before a model is fetched.
    let listener =
        TcpListener::bind((host, settings.port.unwrap_or(8080))).await.map_err(ServeError::Bind)?;
    let addr = listener.local_addr().map_err(ServeError::Bind)?;
    // Before anything is said, so that whoever waits for it may send a signal at once.
    let mut signals = Signals::install().map_err(ServeError::Bind)?;
    let stop = CancellationToken::new();
    let (name, model) = choice::model(settings, &stop);
    let mesh = tokio::select! {
        mesh = GenesisMesh::new().model(name, model).setup() => mesh?,
        () = signals.next() => {
            tracing::info!("stopped before the model was ready");
            stop.cancel();
            return Ok(ExitCode::SUCCESS);
        }
    };
    if logs::is_for_people(&telemetry) {
        banner::show(&mut io::stderr().lock(), addr, &mesh, started.elapsed());
    } else {
        banner::log(addr, &mesh, started.elapsed());
    }
    // For scripts that ask for port 0; a closed stdout is their choice.
    drop(writeln!(io::stdout().lock(), "listening on http://{addr}"));

    let mut options = ServeOptions::default();
    options.drain = Duration::from_secs(settings.drain_seconds.unwrap_or(10));
    options.telemetry = telemetry;
    let stop_twice = async {
        signals.next().await;
        stop.cancel();
        signals.next().await;
    };
    tokio::select! {
        served = mesh.serve_on(listener, options, stop.cancelled()) => Ok(served.map(|()| ExitCode::SUCCESS)?),
        () = stop_twice => {
            tracing::warn!("a second signal: ending at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What is told of the server, and where to: the collector that all programs of OpenTelemetry look for.
fn telemetry() -> TelemetryOptions {
    let mut telemetry = TelemetryOptions::default();
    telemetry.otlp_endpoint =
        std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    telemetry
}
