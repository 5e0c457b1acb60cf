//! The program `genesis-mesh`: one model, served until a signal.
//!
//! Owns: the order of a start, the exit status, and where words go: stdout for scripts, stderr for people.
//! Never: knows frames or runs; `Serve` does.
//! Flow: flags -> logs -> bind -> set up the mesh -> banner -> serve until a signal -> stop in order.
#![forbid(unsafe_code)]

mod cli;
mod progress;
mod choice;
mod banner;
mod signals;

use cli::Cli;
use genesis_mesh::GenesisMesh;
use genesis_mesh_server::{Serve, ServeError, ServeOptions};
use signals::Signals;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long a fetch may take to end its download.
const STOP_LOADING: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::read();
    log_to_stderr();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads for input and output: {error}")),
    };
    let status = match runtime.block_on(run(cli, started)) {
        Ok(status) => status,
        Err(error) => fail(&error.to_string()),
    };
    // A fetch ends its download when it is told to stop; a model that is being loaded must not hold the program.
    runtime.shutdown_timeout(STOP_LOADING);
    status
}

async fn run(cli: Cli, started: Instant) -> Result<ExitCode, ServeError> {
    // Bound first, so that an address in use is told before a model is fetched.
    let listener = TcpListener::bind((cli.host.as_str(), cli.port)).await.map_err(ServeError::Bind)?;
    let addr = listener.local_addr().map_err(ServeError::Bind)?;
    // Before anything is said, so that whoever waits for it may send a signal at once.
    let mut signals = Signals::install().map_err(ServeError::Bind)?;
    let stop = CancellationToken::new();
    let (name, model) = choice::model(&cli, &stop);
    let mesh = tokio::select! {
        mesh = GenesisMesh::new().model(name, model).setup() => mesh?,
        () = signals.next() => {
            tracing::info!("stopped before the model was ready");
            stop.cancel();
            return Ok(ExitCode::SUCCESS);
        }
    };
    banner::show(&mut io::stderr().lock(), addr, &mesh, started.elapsed());
    // For scripts that ask for port 0; a closed stdout is their choice.
    drop(writeln!(io::stdout().lock(), "listening on http://{addr}"));

    let mut options = ServeOptions::default();
    options.drain = Duration::from_secs(cli.drain_seconds);
    let stop_twice = async {
        signals.next().await;
        stop.cancel();
        signals.next().await;
    };
    tokio::select! {
        served = mesh.serve_on(listener, options, stop.cancelled()) => served.map(|()| ExitCode::SUCCESS),
        () = stop_twice => {
            tracing::warn!("a second signal: ending at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Logs go to stderr: `RUST_LOG` chooses what, `info` without it.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    logs.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
}

fn fail(message: &str) -> ExitCode {
    drop(writeln!(io::stderr().lock(), "error: {message}"));
    ExitCode::FAILURE
}
