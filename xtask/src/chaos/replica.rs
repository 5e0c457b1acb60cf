//! A replica: a real server process behind its own proxies, which is started again whenever it ends.
//!
//! Owns: the process, its logs, and the words on an end that nobody asked for.
//! Never: lets a process outlive this one: its parent's death kills it, and so does a drop.
//! Flow: `supervise` starts, waits for the address in the process's log, opens the door, waits for the end, begins anew.

use super::error::ChaosError;
use super::proxy::Proxy;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often the log of a process is looked at for its address.
const LOOK: Duration = Duration::from_millis(10);
/// A process that ended before it listened is started again after this: its database is away, perhaps.
const BACK_OFF: Duration = Duration::from_millis(100);
/// A start on a busy machine takes less.
const START_MAX: Duration = Duration::from_secs(60);

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) number: usize,
    /// Between clients and the replica.
    pub(crate) front: Proxy,
    /// Between the replica and its services.
    pub(crate) back: Vec<Proxy>,
    pid: Mutex<Option<u32>>,
    address: watch::Sender<Option<SocketAddr>>,
    starts: AtomicU32,
    was_told_to_end: AtomicBool,
    crashes: Mutex<Vec<String>>,
}

/// How a replica is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Where the logs go.
    pub(crate) folder: PathBuf,
}

impl Replica {
    pub(crate) async fn new(number: usize, back: Vec<Proxy>) -> Result<Arc<Self>, ChaosError> {
        Ok(Arc::new(Self {
            number,
            front: Proxy::start(None).await?,
            back,
            pid: Mutex::default(),
            address: watch::channel(None).0,
            starts: AtomicU32::new(0),
            was_told_to_end: AtomicBool::new(false),
            crashes: Mutex::default(),
        }))
    }

    /// Where it listens now; waits until it does.
    pub(crate) async fn address(&self) -> Option<SocketAddr> {
        let mut address = self.address.subscribe();
        let found = timeout(START_MAX, address.wait_for(Option::is_some)).await.ok()?.ok()?;
        *found
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> u32 {
        self.starts.load(Ordering::Relaxed)
    }

    /// How often it ended by itself, with what it was.
    pub(crate) fn crashes(&self) -> Vec<String> {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills the process; another one takes its place. Gives whether there was one.
    pub(crate) fn kill(&self) -> bool {
        self.signal(self.pid(), Signal::KILL)
    }

    /// Asks the process to end in order; gives whether there was one.
    pub(crate) fn end(&self) -> bool {
        self.was_told_to_end.store(true, Ordering::Relaxed);
        self.signal(self.pid(), Signal::TERM)
    }

    /// Stops the process for so long, as a machine that swaps or migrates would; gives whether there was one.
    pub(crate) async fn freeze(&self, time: Duration) -> bool {
        let pid = self.pid();
        let was_there = self.signal(pid, Signal::STOP);
        sleep(time).await;
        self.signal(pid, Signal::CONT);
        was_there
    }

    fn pid(&self) -> Option<u32> {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals the process if it still is the one that was meant: an id may be another process's by now.
    fn signal(&self, meant: Option<u32>, signal: Signal) -> bool {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = meant.filter(|_| *pid == meant).and_then(|pid| i32::try_from(pid).ok());
        meant.and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    fn set_pid(&self, pid: Option<u32>) {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }

    /// Keeps the replica running, until it is dropped.
    pub(crate) async fn supervise(self: Arc<Self>, launch: Launch) {
        loop {
            let start = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
            let log = launch.folder.join(format!("replica-{}-{start}.log", self.number));
            self.was_told_to_end.store(false, Ordering::Relaxed);
            let Ok(mut child) = launch.spawn(&log) else {
                self.note(format!("start {start} failed"));
                return;
            };
            self.set_pid(child.id());
            let listened = tokio::select! {
                biased;
                _ = child.wait() => None,
                address = address_in(&log) => Some(address),
            };
            self.front.lead_to(listened);
            self.address.send_replace(listened);
            // The id is given back before it is waited for no more.
            let status = child.wait().await;
            self.set_pid(None);
            self.front.lead_to(None);
            self.address.send_replace(None);
            match (listened, status) {
                (Some(_), Ok(status)) if !self.is_expected(status) => {
                    self.note(format!("replica {} ended with {status}; see {}", self.number, log.display()));
                }
                (Some(_), _) => {}
                (None, _) => sleep(BACK_OFF).await,
            }
        }
    }

    fn is_expected(&self, status: ExitStatus) -> bool {
        let was_killed = status.signal() == Some(Signal::KILL.as_raw());
        was_killed || (status.success() && self.was_told_to_end.load(Ordering::Relaxed))
    }

    fn note(&self, crash: String) {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).push(crash);
    }
}

impl Launch {
    fn spawn(&self, log: &Path) -> std::io::Result<Child> {
        let out = std::fs::File::create(log)?;
        let error = out.try_clone()?;
        // The system kills it with the thread that started it; threads of this runtime end with the program.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(error).kill_on_drop(true);
        command.spawn()
    }
}

/// The address that a process says that it listens on.
async fn address_in(log: &Path) -> SocketAddr {
    loop {
        if let Some(address) = std::fs::read_to_string(log).ok().and_then(|text| address_of(&text)) {
            return address;
        }
        sleep(LOOK).await;
    }
}

fn address_of(text: &str) -> Option<SocketAddr> {
    // A line without its end may be half an address.
    let whole = text.rsplit_once('\n')?.0;
    whole.lines().find_map(|line| line.strip_prefix("listening on http://")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::address_of;

    #[test]
    fn an_address_is_read_from_a_whole_line() {
        assert_eq!(address_of("listening on http://127.0.0.1:80"), None);
        let text = "words\nlistening on http://127.0.0.1:8080\nmore";
        assert_eq!(address_of(text), Some(([127, 0, 0, 1], 8080).into()));
    }
}
