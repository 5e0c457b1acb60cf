//! `genesis-mesh serve`: serves until a signal.
//!
//! Owns: the order of a start and of a stop.
//! Never: knows frames or runs; `Serve` does.
//! Flow: configuration -> logs -> bind -> set up the mesh -> banner -> serve until a signal -> stop in order.

use crate::banner;
use crate::loading;
use crate::logs;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signals::Signals;
use genesis_mesh_server::{Serve, ServeError};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(settings: &Settings, started: Instant) -> Outcome {
    let config = settings.load()?;
    logs::start(config.telemetry());
    // Bound first, so that an address in use is told before a model is fetched.
    let listener = TcpListener::bind((config.host(), config.port())).await.map_err(ServeError::Bind)?;
    let addr = listener.local_addr().map_err(ServeError::Bind)?;
    // A name may lead to any address: only now is it known who reaches it.
    config.may_listen_on(addr.ip())?;
    // Before anything is said, so that whoever waits for it may send a signal at once.
    let mut signals = Signals::install().map_err(ServeError::Bind)?;
    let stop = CancellationToken::new();
    let mesh = tokio::select! {
        mesh = loading::mesh(&config, &stop).setup() => mesh?,
        () = signals.next() => {
            tracing::info!("stopped before the model was ready");
            stop.cancel();
            return Ok(ExitCode::SUCCESS);
        }
    };
    if logs::is_for_people(config.telemetry()) {
        banner::show(&mut io::stderr().lock(), addr, &mesh, &config, started.elapsed());
    } else {
        banner::log(addr, &mesh, started.elapsed());
    }
    // For scripts that ask for port 0; a closed stdout is their choice.
    let options = config.serve_options();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    drop(writeln!(io::stdout().lock(), "listening on {scheme}://{addr}"));

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
