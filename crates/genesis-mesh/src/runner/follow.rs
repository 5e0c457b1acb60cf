//! Following the log of a run that is driven elsewhere, for all its readers here.
//!
//! Owns: the one task that reads such a log.
//! Never: loses an event: hints only say when to look.
//! Flow: it subscribes to the bus, waits until that is confirmed, reads the log, then follows the hints; without them it looks
//! at the log now and then.

use super::feed::Feed;
use super::hub::Hub;
use super::pages::PAGE;
use futures_util::StreamExt;
use genesis_mesh_core::bus::{Hints, Topic};
use genesis_mesh_core::run::RunId;
use std::sync::Arc;
use std::time::Duration;

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
            Err(error) if !error.is_retryable() => {
                tracing::error!(%run, %error, "a log can't be read");
                feed.fails(error);
            }
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
