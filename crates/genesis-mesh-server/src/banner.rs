//! The banner: what a person wants to know after a start, in a few lines.
//!
//! Owns: its words, and the log lines that stand for it where no person looks.
//! Never: prints the line that scripts read; `serve` does, on stdout.

use genesis_mesh::Mesh;
use genesis_mesh_server::config::Config;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Writes the banner; a writer that is closed is not worth an error.
pub(crate) fn show(
    writer: &mut impl Write,
    addr: SocketAddr,
    mesh: &Mesh,
    config: &Config,
    ready_after: Duration,
) {
    drop(write(writer, addr, mesh, config, ready_after));
}

/// Tells the same to a log that machines read.
pub(crate) fn log(addr: SocketAddr, mesh: &Mesh, ready_after: Duration) {
    let version = env!("CARGO_PKG_VERSION");
    for (name, model) in mesh.models() {
        tracing::info!(model = name, description = model.info().description, "a model is ready");
    }
    for agent in mesh.agents() {
        tracing::info!(
            agent = agent.name,
            url = format!("ws://{addr}/ws/{}", agent.name),
            "an agent is ready"
        );
    }
    tracing::info!(version, address = %addr, ready_seconds = ready_after.as_secs_f64(), "serving");
}

fn write(
    writer: &mut impl Write,
    addr: SocketAddr,
    mesh: &Mesh,
    config: &Config,
    ready_after: Duration,
) -> io::Result<()> {
    let options = config.serve_options();
    let secure = if options.tls.is_some() { "s" } else { "" };
    writeln!(writer, "Genesis Mesh {}", env!("CARGO_PKG_VERSION"))?;
    for (name, model) in mesh.models() {
        writeln!(writer, "  model   {name}: {}", model.info().description)?;
    }
    for agent in mesh.agents() {
        writeln!(writer, "  agent   ws{secure}://{addr}/ws/{}", agent.name)?;
    }
    writeln!(writer, "  page    http{secure}://{addr}/")?;
    writeln!(writer, "  docs    http{secure}://{addr}/docs")?;
    match config.file() {
        Some(file) => writeln!(writer, "  config  {}", file.display())?,
        None => writeln!(writer, "  config  none; `genesis-mesh init` writes one")?,
    }
    writeln!(writer, "  store   {}", config.store())?;
    match options.keys.as_slice() {
        [] if addr.ip().is_loopback() => writeln!(writer, "  keys    none; this machine alone reaches it")?,
        [] => writeln!(writer, "  keys    NONE: everybody who reaches it may do everything")?,
        keys => writeln!(writer, "  keys    {} known", keys.len())?,
    }
    writeln!(writer, "  ready   after {:.2} s; stop with Ctrl-C", ready_after.as_secs_f64())
}
