//! The hub: who in this process has subscribed to what.
//!
//! Owns: the subscriptions, each with its mailbox. One that is dropped is taken out.
//! Never: sends anything to another process; the buses do.

use super::mailbox::Mailbox;
use futures_util::Stream;
use genesis_mesh_core::bus::{Hint, Hints, Topic};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

#[derive(Default)]
pub(super) struct Hub {
    topics: Mutex<Topics>,
}

#[derive(Default)]
struct Topics {
    by_topic: HashMap<Topic, Vec<Arc<Mailbox>>>,
    is_closed: bool,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(self: &Arc<Self>, topic: Topic) -> Hints {
        let mailbox = Arc::new(Mailbox::default());
        let mut topics = self.lock();
        if topics.is_closed {
            mailbox.close();
        } else {
            topics.by_topic.entry(topic).or_default().push(Arc::clone(&mailbox));
        }
        drop(topics);
        Box::pin(Subscription { hub: Arc::clone(self), topic, mailbox })
    }

    /// Puts a hint into the mailboxes of those whom it concerns.
    pub(super) fn tell(&self, hint: Hint) {
        let topics = self.lock();
        let Some(topic) = hint.topic() else {
            topics.by_topic.values().flatten().for_each(|mailbox| mailbox.put(hint));
            return;
        };
        topics.by_topic.get(&topic).into_iter().flatten().for_each(|mailbox| mailbox.put(hint));
    }

    /// Ends all subscriptions, also those that begin later.
    pub(super) fn close(&self) {
        let mut topics = self.lock();
        topics.is_closed = true;
        topics.by_topic.drain().flat_map(|(_, mailboxes)| mailboxes).for_each(|mailbox| mailbox.close());
    }

    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        self.lock().by_topic.values().map(Vec::len).sum()
    }
}

struct Subscription {
    hub: Arc<Hub>,
    topic: Topic,
    mailbox: Arc<Mailbox>,
}

impl Stream for Subscription {
    type Item = Hint;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        self.mailbox.poll_take(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut topics = self.hub.lock();
        if let Some(mailboxes) = topics.by_topic.get_mut(&self.topic) {
            mailboxes.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
            if mailboxes.is_empty() {
                topics.by_topic.remove(&self.topic);
            }
        }
    }
}
