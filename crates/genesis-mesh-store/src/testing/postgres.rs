//! A PostgreSQL cluster for tests.
//!
//! Owns: its folder, its processes and its port, which stay the same when it is started again.
//! Never: turns off what makes a commit durable: tests see the speed and the care of a real one.

use super::ServiceError;
use super::keeper::{Keeper, signal, until};
use super::program::{self, User};
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tokio::sync::Mutex;
use tokio_postgres::NoTls;

const PROGRAM: &str = "postgres";
const USER: &str = "mesh";
const PASSWORD: &str = "a-password-of-tests";

/// A cluster on a free port of this machine, with password authentication; dropping it ends it and removes its folder.
///
/// One per test program is enough: a schema of its own keeps each test apart. In a `static` it is cleaned up as well.
#[derive(Debug)]
pub struct PostgresCluster {
    programs: PathBuf,
    user: Option<User>,
    port: u16,
    keeper: Mutex<Keeper>,
}

impl PostgresCluster {
    /// Makes a new cluster with the newest PostgreSQL that is installed, as user `postgres` or `nobody` if this is run
    /// by root. It answers when this returns.
    ///
    /// # Errors
    /// PostgreSQL is missing, or does not start.
    pub async fn start() -> Result<Self, ServiceError> {
        let (programs, user) = (program::postgres()?, program::user_beside_root()?);
        let keeper = Keeper::new()?;
        if let Some(user) = user {
            chown(keeper.folder(), Some(user.id), Some(user.group))
                .map_err(|source| ServiceError::System { what: "the folder can't be given away", source })?;
        }
        let cluster = Self { programs, user, port: program::free_port()?, keeper: Mutex::new(keeper) };
        cluster.make().await?;
        cluster.start_again().await?;
        Ok(cluster)
    }

    /// Where it listens, with the user who may do everything: `postgres://USER:PASSWORD@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it in order: transactions are cut, what was committed is written.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(&self) -> Result<(), ServiceError> {
        let mut keeper = self.keeper.lock().await;
        if let Some(pid) = keeper.pid() {
            signal("INT", &[pid]);
            if !until(async || keeper.has_ended()).await {
                return Err(failed(format!("does not stop; it says:\n{}", keeper.log())));
            }
        }
        keeper.forget();
        Ok(())
    }

    /// Kills all its processes at once, as a crash of the machine would, but that the system keeps what was written.
    pub async fn kill(&self) {
        let mut keeper = self.keeper.lock().await;
        if let Some(pid) = keeper.pid() {
            // It is held first, so that it starts no other child.
            signal("STOP", &[pid]);
            let mut all = children_of(pid);
            all.push(pid);
            signal("KILL", &all);
            until(async || keeper.has_ended() && all.iter().all(|pid| !is_there(*pid))).await;
        }
        keeper.forget();
    }

    /// Starts it with what it had; nothing happens if it runs.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_again(&self) -> Result<(), ServiceError> {
        let mut keeper = self.keeper.lock().await;
        if keeper.pid().is_some() {
            return Ok(());
        }
        keeper.forget();
        let mut command = program::run_as(self.user, &self.programs.join("postgres"))?;
        command.arg("-D").arg(keeper.folder().join("data"));
        for (name, value) in self.settings(&keeper) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        keeper.start(command.current_dir("/"))?;
        let url = self.url();
        let is_ready = until(async || keeper.has_ended() || answers(&url).await).await;
        if !is_ready || keeper.has_ended() {
            return Err(failed(format!("does not start; it says:\n{}", keeper.log())));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn keeper(&self) -> &Mutex<Keeper> {
        &self.keeper
    }

    fn settings(&self, keeper: &Keeper) -> [(&'static str, String); 6] {
        [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", self.port.to_string()),
            ("unix_socket_directories", keeper.folder().display().to_string()),
            ("external_pid_file", keeper.pid_file().display().to_string()),
            ("max_connections", "200".to_owned()),
            ("shared_buffers", "64MB".to_owned()),
        ]
    }

    /// Makes its files.
    async fn make(&self) -> Result<(), ServiceError> {
        let keeper = self.keeper.lock().await;
        let system = |what| move |source| ServiceError::System { what, source };
        let password = keeper.folder().join("password");
        fs::write(&password, PASSWORD).map_err(system("the password can't be written"))?;
        if let Some(user) = self.user {
            chown(&password, Some(user.id), None).map_err(system("the password can't be given away"))?;
        }
        let mut command: Command = program::run_as(self.user, &self.programs.join("initdb"))?;
        command.arg("--pgdata").arg(keeper.folder().join("data")).arg("--pwfile").arg(password);
        command.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]);
        command.arg("--no-sync").current_dir("/").stdin(Stdio::null());
        let output = command.output().map_err(system("initdb can't be run"))?;
        if output.status.success() {
            return Ok(());
        }
        let problem =
            format!("could not be set up; initdb says:\n{}", String::from_utf8_lossy(&output.stderr));
        Err(failed(problem))
    }
}

fn failed(problem: String) -> ServiceError {
    ServiceError::Failed { program: PROGRAM, problem }
}

/// Whether it takes a client in.
async fn answers(url: &str) -> bool {
    // The connection is dropped before it has said a word: the client was let in all the same.
    tokio_postgres::connect(url, NoTls).await.is_ok()
}

/// The processes whose parent is `pid`.
fn children_of(pid: u32) -> Vec<u32> {
    let parent = pid.to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    ids.filter(|child: &u32| parent_of(*child).as_deref() == Some(&*parent)).collect()
}

/// From `pid (name) state parent ...`; a name may have spaces and brackets.
fn parent_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1).map(str::to_owned)
}

fn is_there(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
