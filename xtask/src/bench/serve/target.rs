//! What is measured: the server or its peer, as a child on its own core.
//!
//! Owns: how both are started with the same work.
//! Never: speaks to them.

use super::SERVER_CORE;
use super::process::pinned;
use crate::bench::children::Running;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::server;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Words of an answer; each is a piece, and the server and its peer send the same bytes for it.
pub(crate) const WORD: &str = " token";

/// A child that listens.
pub(crate) struct Target {
    pub(crate) process: Running,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// The path of its socket.
    pub(crate) path: &'static str,
}

/// What an answer is.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) tokens: u32,
    /// Milliseconds before each token; 0 sends as fast as can be.
    pub(crate) delay_ms: u32,
}

impl Target {
    /// Our server with a scripted model that does `work`; its runs are not kept, as those of its peer.
    pub(crate) fn ours(desk: &Desk, work: Work) -> Result<Self, BenchError> {
        let mut command = pinned(SERVER_CORE, &server::binary()?);
        command.arg("--script").arg(work.script(desk)?).arg("--data-dir").arg(desk.data()?);
        Self::start(desk, command.args(["--host", "127.0.0.1", "--port", "0"]), "/ws/bench?log=false")
    }

    /// The same with runs that are kept.
    pub(crate) fn logged(mut self) -> Self {
        self.path = "/ws/bench";
        self
    }

    /// The same on all cores, with runs that are kept where these arguments say.
    pub(crate) fn kept(desk: &Desk, work: Work, store: &[&str]) -> Result<Self, BenchError> {
        let mut command = Command::new(server::binary()?);
        command.arg("--script").arg(work.script(desk)?).args(store);
        Self::start(desk, command.args(["--host", "127.0.0.1", "--port", "0"]), "/ws/bench")
    }

    /// Our server with a configuration file.
    pub(crate) fn configured(desk: &Desk, config: &str) -> Result<Self, BenchError> {
        let path = desk.write("mesh.toml", config)?;
        let mut command = pinned(SERVER_CORE, &server::binary()?);
        command.arg("--config").arg(path).arg("--data-dir").arg(desk.data()?);
        Self::start(desk, command.args(["--host", "127.0.0.1", "--port", "0"]), "/ws/bench")
    }

    /// FastAPI, doing the same.
    pub(crate) fn peer(desk: &Desk, work: Work) -> Result<Self, BenchError> {
        let mut command = pinned(SERVER_CORE, &desk.python);
        command.arg(desk.root.join("scripts/bench/fastapi_peer.py"));
        command.args([WORD, &work.tokens.to_string(), &work.delay_ms.to_string()]);
        Self::start(desk, &mut command, "/ws/bench")
    }

    /// Starts a server, and waits for the line that says where it listens.
    pub(crate) fn start(desk: &Desk, command: &mut Command, path: &'static str) -> Result<Self, BenchError> {
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

impl Work {
    /// A script of the scripted model.
    pub(crate) fn script(self, desk: &Desk) -> Result<PathBuf, BenchError> {
        let Self { tokens, delay_ms } = self;
        let text = format!("[[rule]]\npieces = [\"{WORD}\"]\nrepeat = {tokens}\ndelay_ms = {delay_ms}\n");
        desk.write("bench.toml", &text)
    }
}
