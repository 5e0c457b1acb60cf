//! The feeds of all runs that are read or driven in this process.
//!
//! Owns: which runs have a feed, and the task that follows the log of a run that is driven elsewhere.
//! Never: has two followers for one run: a thousand readers cost the store one read for each event.
//! Flow: a follower subscribes to the bus, waits until that is confirmed, reads the log, then follows the hints; without
//! them it looks at the log now and then.

use super::feed::Feed;
use super::hub::Hub;
use super::pages::PAGE;
use futures_util::StreamExt;
use genesis_mesh_core::bus::{Hints, Topic};
use genesis_mesh_core::run::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

/// Has the log of a run followed, if that is needed and nobody does it.
pub(super) fn follow(hub: &Arc<Hub>, run: RunId, feed: &Arc<Feed>) {
    if feed.begin_following() {
        hub.tasks.spawn(follow_log(Arc::clone(hub), run, Arc::clone(feed)));
    }
}

/// Follows the log of a run until it ends, nobody reads it, or it is driven here.
async fn follow_log(hub: Arc<Hub>, run: RunId, feed: Arc<Feed>) {
    let mut hints = hub.bus.subscribe(Topic::Run(run)).await.ok();
    while feed.goes_on_following() {
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
