//! What is measured: the server or its peer, as a child on its own core.
//!
//! Owns: how both are started with the same work.
//! Never: speaks to them.

use super::process::pinned;
use super::{Desk, SERVER_CORE};
use crate::bench::children::Running;
use crate::bench::error::BenchError;
use crate::bench::server;
use std::path::Path;
use std::process::{Command, Stdio};

/// Words of an answer; each is a piece, and the server and its peer send the same bytes for it.
const WORD: &str = " token";

/// A child that listens.
pub(super) struct Target {
    pub(super) process: Running,
    /// `127.0.0.1:PORT`
    pub(super) address: String,
    /// The path of its socket.
    pub(super) path: &'static str,
}

/// What an answer is.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) tokens: u32,
    /// Milliseconds before each token; 0 sends as fast as can be.
    pub(super) delay_ms: u32,
}

impl Target {
    /// Our server with a scripted model that does `work`.
    pub(super) fn ours(desk: &Desk, work: Work) -> Result<Self, BenchError> {
        let script = format!(
            "[[rule]]\npieces = [\"{WORD}\"]\nrepeat = {}\ndelay_ms = {}\n",
            work.tokens, work.delay_ms
        );
        let path = write(desk, "bench.toml", &script)?;
        let mut command = pinned(SERVER_CORE, &server::binary()?);
        command.arg("--script").arg(path);
        Self::start(desk, command.args(["--host", "127.0.0.1", "--port", "0"]), "/ws/bench")
    }

    /// Our server with a configuration file.
    pub(super) fn configured(desk: &Desk, config: &str) -> Result<Self, BenchError> {
        let path = write(desk, "mesh.toml", config)?;
        let mut command = pinned(SERVER_CORE, &server::binary()?);
        command.arg("--config").arg(path);
        Self::start(desk, command.args(["--host", "127.0.0.1", "--port", "0"]), "/ws/bench")
    }

    /// FastAPI, doing the same.
    pub(super) fn peer(desk: &Desk, work: Work) -> Result<Self, BenchError> {
        let mut command = pinned(SERVER_CORE, &desk.python);
        command.arg(&desk.peer).args([WORD, &work.tokens.to_string(), &work.delay_ms.to_string()]);
        Self::start(desk, &mut command, "/ws/bench")
    }

    fn start(desk: &Desk, command: &mut Command, path: &'static str) -> Result<Self, BenchError> {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GENESIS_MESH_") {
                command.env_remove(name);
            }
        }
        // What it logs would cost it time that a terminal's speed decides.
        command.env("RUST_LOG", "warn");
        let mut process = desk.children.spawn(command, Stdio::null())?;
        let line = process.expect_line()?;
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let address = address
            .ok_or_else(|| BenchError::program("the server", format!("printed {line:?} for its address")))?;
        Ok(Self { process, address, path })
    }
}

fn write(desk: &Desk, name: &str, text: &str) -> Result<std::path::PathBuf, BenchError> {
    let path = Path::join(desk.folder.path(), name);
    std::fs::write(&path, text)
        .map_err(|error| BenchError::io(format!("write {}", path.display()), error))?;
    Ok(path)
}
