//! The feeds of all runs that are read or driven in this process.
//!
//! Owns: which runs have a feed, and the task that follows the log of a run that is driven elsewhere.
//! Never: has two followers for one run: a thousand readers cost the store one read for each event.
//! Flow: a follower subscribes to the bus, waits until that is confirmed, reads the log, then follows the hints; without
//! them it looks at the log now and then.

use super::feed::Feed;
use super::hub::Hub;
use futures_util::StreamExt;
use genesis_mesh_core::bus::{Hints, Topic};
use genesis_mesh_core::run::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many events are read from the store at one time.
pub(super) const PAGE: usize = 512;

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
        feed.drive(true);
        feed
    }

    /// The feed of a run for one more reader, and whether it is new: then somebody must follow the log.
    pub(super) fn read(&self, run: RunId) -> (Arc<Feed>, bool) {
        let mut map = self.map();
        let is_new = !map.contains_key(&run);
        let feed = Arc::clone(map.entry(run).or_default());
        feed.reader(true);
        (feed, is_new)
    }

    /// A reader is gone.
    pub(super) fn leave(&self, run: RunId, feed: &Arc<Feed>) {
        let mut map = self.map();
        if feed.reader(false) {
            remove(&mut map, run, feed);
        }
    }

    /// The run is driven here no more. Gives whether somebody must follow its log.
    pub(super) fn rest(&self, run: RunId, feed: &Arc<Feed>) -> bool {
        let mut map = self.map();
        let is_read = feed.drive(false);
        if !is_read {
            remove(&mut map, run, feed);
        }
        is_read && !feed.is_over()
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

/// Follows the log of a run until it ends, nobody reads it, or it is driven here.
pub(super) async fn follow(hub: Arc<Hub>, run: RunId, feed: Arc<Feed>) {
    let mut hints = hub.bus.subscribe(Topic::Run(run)).await.ok();
    let is_wanted = || feed.readers() > 0 && !feed.is_driven() && !feed.is_over();
    while is_wanted() {
        match hub.store.events(run, feed.last(), PAGE).await {
            Ok(events) if events.is_empty() => {
                if matches!(hub.store.run(run).await, Ok(None)) {
                    return feed.gone();
                }
                wait(&mut hints, hub.options.poll).await;
                if hints.is_none() {
                    hints = hub.bus.subscribe(Topic::Run(run)).await.ok();
                }
            }
            Ok(events) => feed.push(events),
            Err(error) => {
                tracing::debug!(%run, %error, "a log can't be followed now");
                tokio::time::sleep(hub.options.poll).await;
            }
        }
    }
}

/// Waits for a hint, `poll` at most.
async fn wait(hints: &mut Option<Hints>, poll: Duration) {
    let hint = async {
        match hints {
            Some(stream) => stream.next().await,
            None => std::future::pending().await,
        }
    };
    if let Ok(None) = tokio::time::timeout(poll, hint).await {
        *hints = None;
    }
}
