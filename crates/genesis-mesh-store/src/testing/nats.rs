//! A NATS server for tests.
//!
//! Owns: its process and its port, which stays the same when it is started again.
//! Never: keeps messages: core NATS has no disk.

use super::ServiceError;
use super::keeper::{Keeper, signal, until};
use super::program;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

const PROGRAM: &str = "nats-server";

/// A NATS server on a free port of this machine; dropping it ends it.
#[derive(Debug)]
pub struct NatsServer {
    program: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
}

impl NatsServer {
    /// Starts a server; it answers when this returns. The program is what `GENESIS_MESH_NATS_SERVER` names, else
    /// `nats-server` of the `PATH` or of the nearest `.venv`.
    ///
    /// # Errors
    /// The program is missing, or does not start.
    pub async fn start() -> Result<Self, ServiceError> {
        let server = Self {
            program: program::nats()?,
            port: program::free_port()?,
            keeper: Mutex::new(Keeper::new()?),
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Where it listens: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it at once.
    pub async fn kill(&self) {
        let mut keeper = self.keeper.lock().await;
        if let Some(pid) = keeper.pid() {
            signal("KILL", &[pid]);
            until(async || keeper.has_ended()).await;
        }
        keeper.forget();
    }

    /// Starts it on the same port; nothing happens if it runs.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_again(&self) -> Result<(), ServiceError> {
        let mut keeper = self.keeper.lock().await;
        if keeper.pid().is_some() {
            return Ok(());
        }
        keeper.forget();
        let mut command = Command::new(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--pid"]);
        command.arg(keeper.pid_file());
        keeper.start(&mut command)?;
        let is_ready = until(async || keeper.has_ended() || greets(self.port).await).await;
        if !is_ready || keeper.has_ended() {
            let problem = format!("does not start; it says:\n{}", keeper.log());
            return Err(ServiceError::Failed { program: PROGRAM, problem });
        }
        Ok(())
    }
}

/// Whether a server says its first words.
async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
    let mut words = [0; 5];
    stream.read_exact(&mut words).await.is_ok() && &words == b"INFO "
}
