//! The keeper: a small process that cleans up after a service, also if the test's process is killed.
//!
//! Owns: the folder of a service, and the signals that it is sent.
//! Never: outlives the test by more than the stop of its service.
//! Flow: the keeper reads from a pipe that nobody writes to; when the pipe is closed, by a drop or by the death of this
//! process, it kills the program whose id stands in the folder and removes the folder.

use super::ServiceError;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The folder is `$1`. SIGQUIT: PostgreSQL stops at once and frees its shared memory; NATS ends.
const SCRIPT: &str = r#"
    read -r line
    pid=$(head -n 1 "$1/pid" 2>/dev/null)
    if [ -n "$pid" ]; then
        kill -QUIT "$pid" 2>/dev/null
        turns=0
        while kill -0 "$pid" 2>/dev/null && [ "$turns" -lt 100 ]; do sleep 0.05; turns=$((turns + 1)); done
        kill -KILL "$pid" 2>/dev/null
    fi
    rm -rf "$1"
"#;

/// How often it is asked whether something has come about: less than what a start takes.
const TURN: Duration = Duration::from_millis(20);
/// Services start and stop in less than a second, on a machine with other work in some.
const TURNS_MAX: u32 = 1_500;

/// A folder that is gone, with the program in it, when this is dropped or its process ends.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
    process: Child,
    /// Keeps the last program that was started, so that it is waited for.
    program: Option<Child>,
}

impl Keeper {
    pub(super) fn new() -> Result<Self, ServiceError> {
        let folder = tempfile::Builder::new()
            .prefix("genesis-mesh-test-")
            .tempdir()
            .map_err(|source| ServiceError::System { what: "no folder for a service", source })?;
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal for all processes of a terminal is not for this one.
            .process_group(0)
            .spawn()
            .map_err(|source| ServiceError::System { what: "no process to clean up", source })?;
        Ok(Self { folder: folder.keep(), process, program: None })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that holds the id of the program while it runs.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// Starts the program; what it says goes into the log.
    pub(super) fn start(&mut self, command: &mut Command) -> Result<(), ServiceError> {
        let failed = |source| ServiceError::System { what: "a service can't be started", source };
        let log = fs::File::options().create(true).append(true).open(self.log_file()).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).process_group(0);
        self.program = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What the program said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Whether the program has ended, or was never started.
    pub(super) fn has_ended(&mut self) -> bool {
        self.program.as_mut().is_none_or(|program| !matches!(program.try_wait(), Ok(None)))
    }

    /// The id of the program, while it runs.
    pub(super) fn pid(&mut self) -> Option<u32> {
        if self.has_ended() { None } else { self.program.as_ref().map(Child::id) }
    }

    /// Forgets a program that has ended, so that another process that gets its id is left alone.
    pub(super) fn forget(&mut self) {
        self.program = None;
        let _ = fs::remove_file(self.pid_file());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        if let Some(mut program) = self.program.take() {
            let _ = program.wait();
        }
    }
}

/// Sends a signal to processes; those that are gone don't count.
pub(super) fn signal(name: &str, pids: &[u32]) {
    let mut command = Command::new("sh");
    command.args(["-c", r#"signal=$1; shift; for pid; do kill -"$signal" "$pid"; done"#, "signal", name]);
    command.args(pids.iter().map(u32::to_string)).stderr(Stdio::null());
    let _ = command.status();
}

/// Asks again and again until `is_so` says yes; `false` if that takes half a minute.
pub(super) async fn until(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let mut turns = tokio::time::interval(TURN);
    for _ in 0..TURNS_MAX {
        turns.tick().await;
        if is_so().await {
            return true;
        }
    }
    false
}
