//! The hub: what all parts of a runner share.
//!
//! Owns: the store and the bus of a mesh, the runs that are driven here, and how they are reached.
//! Never: waits.

use super::feeds::Feeds;
use super::observed::{Observer, RunObserver};
use super::options::RunnerOptions;
use super::tasks::Tasks;
use crate::agent::ReadyAgent;
use crate::graph::next_id;
use genesis_mesh_core::bus::Bus;
use genesis_mesh_core::log::{CancelKind, Lease, Run, RunStore};
use genesis_mesh_core::run::RunId;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What all parts of a runner share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) agents: Arc<BTreeMap<String, ReadyAgent>>,
    pub(super) store: Arc<dyn RunStore>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) options: RunnerOptions,
    pub(super) feeds: Feeds,
    pub(super) observer: Observer,
    pub(super) tasks: Tasks,
    /// There may be a run to claim.
    pub(super) work: Notify,
    /// Whether runs are claimed here, and whether they ever were.
    pub(super) is_working: AtomicBool,
    pub(super) has_worked: AtomicBool,
    /// How many runs were given back since the last commit because the store took none of theirs.
    stuck: AtomicU32,
    /// Commits are taken again.
    pub(super) unstuck: Notify,
    /// Runs that go on are to be given back.
    pub(super) gives_back: CancellationToken,
    driven: Mutex<HashMap<RunId, Driven>>,
    /// A run that was driven here is driven no more.
    pub(super) rested: Notify,
}

/// A run that is driven here.
#[derive(Debug, Clone)]
pub(super) struct Driven {
    pub(super) lease: Lease,
    pub(super) cancel: watch::Sender<Option<CancelKind>>,
    pub(super) lost: CancellationToken,
    /// How often its lease was extended.
    pub(super) beats: Arc<AtomicU32>,
}

impl Hub {
    pub(crate) fn new(
        agents: Arc<BTreeMap<String, ReadyAgent>>,
        store: Arc<dyn RunStore>,
        bus: Arc<dyn Bus>,
        options: RunnerOptions,
    ) -> Self {
        Self {
            agents,
            store,
            bus,
            options,
            feeds: Feeds::default(),
            observer: Observer::default(),
            tasks: Tasks::default(),
            work: Notify::new(),
            is_working: AtomicBool::new(false),
            has_worked: AtomicBool::new(false),
            stuck: AtomicU32::new(0),
            unstuck: Notify::new(),
            gives_back: CancellationToken::new(),
            driven: Mutex::default(),
            rested: Notify::new(),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn RunStore> {
        &self.store
    }

    /// Has runs that nobody reads observed while they are driven here.
    pub(crate) fn observe(&self, begin: impl Fn(&Run) -> RunObserver + Send + Sync + 'static) {
        self.observer.set(Box::new(begin));
    }

    /// How many readers the log of a run has here.
    pub(crate) fn readers(&self, run: RunId) -> usize {
        self.feeds.readers(run)
    }

    /// A new id: later ones are greater.
    pub(super) fn run_id(&self) -> RunId {
        RunId(next_id(&*self.options.ambient))
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<RunId, Driven>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more runs may be driven here now: none by a mesh whose commits are not taken.
    pub(super) fn room(&self) -> usize {
        if self.stuck() > 0 { 0 } else { self.free() }
    }

    /// How many more runs there is a place for.
    pub(super) fn free(&self) -> usize {
        if self.is_working.load(Ordering::Relaxed) {
            self.options.runs_max.saturating_sub(self.driven().len())
        } else {
            0
        }
    }

    /// How many runs were given back since the last commit because the store took none of theirs.
    pub(super) fn stuck(&self) -> u32 {
        self.stuck.load(Ordering::Relaxed)
    }

    /// A run is given back because the store takes none of its commits.
    pub(super) fn gets_stuck(&self) {
        self.stuck.fetch_add(1, Ordering::Relaxed);
    }

    /// The store has taken a commit.
    pub(super) fn has_committed(&self) {
        if self.stuck() > 0 {
            self.stuck.store(0, Ordering::Relaxed);
            self.unstuck.notify_waiters();
        }
    }

    /// How long a mesh whose commits are not taken claims nothing: the time of a lease, twice as long after each run more,
    /// eight times at most.
    pub(super) fn rest_time(&self) -> Duration {
        self.options.lease * (1 << self.stuck().saturating_sub(1).min(3))
    }

    /// The store has extended a lease.
    pub(super) fn beats(&self, lease: &Lease) {
        if let Some(driven) = self.driven().get(&lease.run).filter(|driven| driven.lease.epoch == lease.epoch)
        {
            driven.beats.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn begin(&self, lease: &Lease) -> Driven {
        let driven = Driven {
            lease: lease.clone(),
            cancel: watch::channel(None).0,
            lost: CancellationToken::new(),
            beats: Arc::default(),
        };
        if let Some(earlier) = self.driven().insert(lease.run, driven.clone()) {
            // It was claimed again while it was still here: its own lease is an older one.
            earlier.lost.cancel();
        }
        driven
    }

    pub(super) fn rest(&self, lease: &Lease) {
        let mut driven = self.driven();
        if driven.get(&lease.run).is_some_and(|driven| driven.lease.epoch == lease.epoch) {
            driven.remove(&lease.run);
        }
        drop(driven);
        self.rested.notify_waiters();
        // There is room, and perhaps the next run of its thread.
        self.work.notify_one();
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.driven().values().map(|driven| driven.lease.clone()).collect()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.driven().is_empty()
    }

    /// Stops a run if it is driven here; gives whether it is.
    pub(super) fn stop_here(&self, run: RunId, kind: CancelKind) -> bool {
        let found = self.driven().get(&run).cloned();
        if let Some(driven) = &found {
            driven.cancel.send_if_modified(|wish| wish.replace(kind) != Some(kind));
        }
        found.is_some()
    }

    /// The lease of a run is lost: what it does is in vain.
    pub(super) fn lose(&self, lease: &Lease) {
        let driven = self.driven();
        if let Some(driven) = driven.get(&lease.run).filter(|driven| driven.lease.epoch == lease.epoch) {
            driven.lost.cancel();
        }
    }
}
