//! The server under test: the release binary of this work tree, as a child.
//!
//! Owns: how it is built, started, and found ready.
//! Never: passes flags that a user would not need, but for the port and the threads.

use super::children::{Children, Running};
use super::context::Context;
use super::error::BenchError;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server that listens.
pub(crate) struct Server {
    pub(crate) process: Running,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// From before the process began to the line that says that it listens.
    pub(crate) ready: Duration,
}

/// Builds the release binary of the tree at `root`.
pub(crate) fn build(root: &Path, children: &Children) -> Result<(), BenchError> {
    eprintln!("bench: building the server");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--release", "--locked", "--package", "genesis-mesh-server"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let mut build = children.spawn(&mut command, Stdio::inherit())?;
    let mut last = String::new();
    while let Some(line) = build.read_line()? {
        last = line;
    }
    // What cargo says at its end.
    match last.contains(r#""success":true"#) {
        true => Ok(()),
        false => Err(BenchError::program("cargo build --release --package genesis-mesh-server", "failed")),
    }
}

/// Where `build` puts the binary: beside this program.
pub(crate) fn binary() -> Result<PathBuf, BenchError> {
    let own = std::env::current_exe().map_err(|error| BenchError::io("find this program", error))?;
    Ok(own.with_file_name("genesis-mesh").with_extension(std::env::consts::EXE_EXTENSION))
}

/// Starts the server with the default model, and waits until it listens.
pub(crate) fn start(context: &Context) -> Result<Server, BenchError> {
    let binary = binary()?;
    let threads = context.threads.to_string();
    let mut command = Command::new(&binary);
    command.args(["--host", "127.0.0.1", "--port", "0", "--threads", &threads]);
    for name in ["MODEL", "SCRIPT", "KV_MEMORY_MB"] {
        command.env_remove(format!("GENESIS_MESH_{name}"));
    }
    let start = Instant::now();
    // Its banner would stand between the bench's own words.
    let mut process = context.children.spawn(&mut command, Stdio::null())?;
    let line = process.expect_line()?;
    let ready = start.elapsed();
    let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
    let address = address.ok_or_else(|| {
        BenchError::program(
            binary.display().to_string(),
            format!("printed {:?} in place of its address", line.trim()),
        )
    })?;
    Ok(Server { process, address, ready })
}
