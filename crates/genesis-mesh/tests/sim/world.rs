//! The world of a seed: the store that tells the truth, the clock, what clients saw and did.

use crate::agents::Effects;
use crate::draws::Draws;
use genesis_mesh::graph::Ambient;
use genesis_mesh::log::{CancelKind, LogEvent};
use genesis_mesh::{LocalBus, MemoryStore, Mesh, RunId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What one client saw of its run, and did to it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) agent: &'static str,
    pub(crate) thread: Option<String>,
    pub(crate) events: Vec<LogEvent>,
    /// What the client asked for, whatever came of it.
    pub(crate) cancels: Vec<CancelKind>,
    /// It was promised that the run, if it is stopped, is undone.
    pub(crate) is_undone: bool,
}

/// What all in a world share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) bus: Arc<LocalBus>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) effects: Effects,
    /// The mesh of each replica that is up now.
    pub(crate) meshes: Arc<Mutex<Vec<Option<Mesh>>>>,
    pub(crate) seen: Arc<Mutex<BTreeMap<RunId, Seen>>>,
    draws: Arc<Mutex<Draws>>,
    is_loud: bool,
}

/// The clock that tokio sets forward when all wait.
#[derive(Debug)]
pub(crate) struct SimClock {
    begin: Instant,
    draws: Mutex<Draws>,
}

impl Ambient for SimClock {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000 + i64::try_from(self.begin.elapsed().as_millis()).unwrap()
    }

    fn random(&self) -> u64 {
        self.draws.lock().unwrap().draw()
    }
}

impl World {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        let mut draws = Draws::new(seed);
        let begin = tokio::time::sleep(Duration::ZERO).deadline();
        let clock = Arc::new(SimClock { begin, draws: Mutex::new(draws.fork()) });
        let time = Arc::clone(&clock);
        Self {
            store: Arc::new(MemoryStore::with_clock(Arc::new(move || time.now_ms()))),
            bus: Arc::default(),
            clock,
            effects: Arc::default(),
            meshes: Arc::default(),
            seen: Arc::default(),
            draws: Arc::new(Mutex::new(draws)),
            is_loud,
        }
    }

    pub(crate) fn draws(&self) -> MutexGuard<'_, Draws> {
        self.draws.lock().unwrap()
    }

    /// Says what happens, if somebody listens.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.is_loud {
            eprintln!("{:>8} ms  {}", self.clock.begin.elapsed().as_millis(), what());
        }
    }

    /// Any mesh that is up.
    pub(crate) fn any_mesh(&self, draws: &mut Draws) -> Option<(usize, Mesh)> {
        let meshes = self.meshes.lock().unwrap();
        let up: Vec<_> = meshes.iter().enumerate().filter_map(|(n, mesh)| Some((n, mesh.clone()?))).collect();
        if up.is_empty() { None } else { Some(up[draws.below(up.len())].clone()) }
    }
}
