//! The server under test of `cargo xtask chaos`: two agents that are easy to check, on any store.
//!
//! Owns: the address, and the flags by which it is hurt.
//! Never: is part of the product; without `--no-fencing` it is a server as any other.
//! Flow: `cargo run -p genesis-mesh-server --example chaos -- --store sqlite --recorder HOST:PORT`; see `steps.rs`.

mod recorder;
mod steps;
mod unfenced;

use clap::Parser;
use genesis_mesh::{BusSource, GenesisMesh, RunnerOptions, ScriptedModel, StoreSource};
use genesis_mesh_server::{Serve, ServeOptions};
use recorder::Recorder;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use unfenced::Unfenced;

/// Who checks knows this text.
const STORY: &str = include_str!("story.toml");

/// Serves the agents `steps` and `story`.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// `memory`, `sqlite`, `sqlite:PATH` or `postgres://…`.
    #[arg(long, default_value = "sqlite")]
    store: String,
    /// `local`, `postgres` or `nats://…`; without it what goes with the store.
    #[arg(long)]
    bus: Option<String>,
    /// Where `sqlite` keeps its file.
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
    /// How long a run is this process's without a sign of life, in milliseconds.
    #[arg(long, env = "CHAOS_LEASE_MS", default_value_t = 1_500)]
    lease_ms: u64,
    /// Who is told of each effect.
    #[arg(long)]
    recorder: String,
    /// Makes stale leases good again: what happens then is what fencing is for.
    #[arg(long)]
    no_fencing: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    let mesh = mesh(&arguments).await?.setup().await?;
    let listener = TcpListener::bind((arguments.host, arguments.port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    mesh.serve_on(listener, ServeOptions::default(), stop).await?;
    Ok(())
}

/// Both agents, on the store and the bus of the arguments.
async fn mesh(arguments: &Arguments) -> Result<GenesisMesh, Box<dyn Error>> {
    let store = StoreSource::parse(&arguments.store, &arguments.data_dir)?;
    let bus = match &arguments.bus {
        Some(bus) => BusSource::parse(bus, &store)?,
        None => BusSource::of(&store),
    };
    let mut runner = RunnerOptions::default();
    runner.lease = Duration::from_millis(arguments.lease_ms);
    runner.is_alone = matches!(store, StoreSource::Memory | StoreSource::Sqlite(..));
    let store = if arguments.no_fencing {
        let open = store.open().await?;
        StoreSource::Open(Arc::new(Unfenced::new(open)))
    } else {
        store
    };
    let recorder = Recorder::new(arguments.recorder.clone());
    Ok(GenesisMesh::new()
        .model("story", ScriptedModel::from_toml(STORY)?)
        .agent("steps", steps::graph(&recorder)?)
        .store(store)
        .bus(bus)
        .runner(runner))
}
