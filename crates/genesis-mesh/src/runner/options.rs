//! Options of a runner, each with its reason.
//!
//! Owns: the numbers that bound time and work.
//! Never: reads flags or the environment.

use crate::graph::{Ambient, SystemAmbient};
use std::sync::Arc;
use std::time::Duration;

/// How the runs of a mesh are driven.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunnerOptions {
    /// This process in words for people; it stands in the rows of its runs.
    pub owner: String,
    /// How long a run stays this process's without a sign of life; 10 s. After a crash its runs wait so long, and a pause
    /// of the process that is longer may cost a run its owner. Heartbeats come at a third of it.
    pub lease: Duration,
    /// Runs that are driven here at one time; 1,024. More wait in the store.
    pub runs_max: usize,
    /// How often this process is begun again with a run that comes no further, before the run fails; 5.
    pub attempts_max: u32,
    /// So many bytes a run may tell; 64 MiB, some ten million tokens. One that tells more fails: nobody would read it, and
    /// the store is not for it alone.
    pub log_bytes_max: usize,
    /// How often the store is asked for work, and for news of followed logs, when no hint comes; 500 ms.
    pub poll: Duration,
    /// How often what has outlived its time is deleted; 60 s.
    pub sweep: Duration,
    /// How long setup waits for a database that can't be reached or is still starting; 30 s, which a restart of PostgreSQL
    /// takes no longer than as a rule. One that refuses this program is not waited for.
    pub store_wait: Duration,
    /// The store is of this process alone: what is claimed when it starts was left by one that is gone.
    pub is_alone: bool,
    /// The clock and the random source, for the ids of runs and their seeds.
    pub ambient: Arc<dyn Ambient>,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            owner: format!("process {}", std::process::id()),
            lease: Duration::from_secs(10),
            runs_max: 1_024,
            attempts_max: 5,
            log_bytes_max: 64 * 1024 * 1024,
            poll: Duration::from_millis(500),
            sweep: Duration::from_secs(60),
            store_wait: Duration::from_secs(30),
            is_alone: false,
            ambient: Arc::new(SystemAmbient),
        }
    }
}

impl RunnerOptions {
    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }
}
