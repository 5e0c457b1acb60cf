//! The feeds of all runs that are read or driven in this process.
//!
//! Owns: which runs have a feed.
//! Never: has two feeds for one run: a thousand readers cost the store one read for each event.
//! Flow: whoever drives a run fills its feed; for a run that is driven elsewhere `follow.rs` does.

use super::feed::Feed;
use genesis_mesh_core::run::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Feeds by run.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<HashMap<RunId, Arc<Feed>>>);

impl Feeds {
    fn map(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The feed of a run that is driven here from now on.
    pub(super) fn drive(&self, run: RunId) -> Arc<Feed> {
        let mut map = self.map();
        let feed = Arc::clone(map.entry(run).or_default());
        feed.driver(true);
        feed
    }

    /// The feed of a run for one more reader.
    pub(super) fn read(&self, run: RunId) -> Arc<Feed> {
        let mut map = self.map();
        let feed = Arc::clone(map.entry(run).or_default());
        feed.reader(true);
        feed
    }

    /// A reader is gone.
    pub(super) fn leave(&self, run: RunId, feed: &Arc<Feed>) {
        let mut map = self.map();
        if feed.reader(false) {
            remove(&mut map, run, feed);
        }
    }

    /// A task drives the run no more.
    pub(super) fn rest(&self, run: RunId, feed: &Arc<Feed>) {
        let mut map = self.map();
        if feed.driver(false) {
            remove(&mut map, run, feed);
        }
    }

    /// How many readers a run has here.
    pub(super) fn readers(&self, run: RunId) -> usize {
        self.map().get(&run).map_or(0, |feed| feed.readers())
    }
}

fn remove(map: &mut HashMap<RunId, Arc<Feed>>, run: RunId, feed: &Arc<Feed>) {
    if map.get(&run).is_some_and(|found| Arc::ptr_eq(found, feed)) {
        map.remove(&run);
    }
}
