//! The bus over NATS: a subject for each run, and one for the work.
//!
//! Owns: the connection, and the task that publishes.
//! Never: uses streams that are kept: what is lost is lost.
//! Flow: hints wait in the outbox while others are sent. Each subscription is one of the server's; the hub alone tells
//! that hints were missed.

use super::hub::Hub;
use super::outbox::Outbox;
use super::{SUBSCRIBE_TIMEOUT, check_name, unavailable};
use crate::task::Task;
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::{Stream, StreamExt as _};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, BusError, Hint, Hints, Topic};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// While the server is away it is looked for so often, at most.
const RETRY: Duration = Duration::from_millis(500);
/// A server that is silent for two of these is gone.
const PING: Duration = Duration::from_secs(10);
/// So many messages wait for a subscriber; one that is further behind is told that it missed some.
const BEHIND_MAX: usize = 1_024;

/// Carries hints between processes that share a NATS server. Dropping it ends all subscriptions.
pub struct NatsBus {
    client: Client,
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    prefix: String,
    /// What no other bus has: by it a subscription is confirmed.
    own: u64,
    confirmations: AtomicU64,
    _task: Task,
}

impl NatsBus {
    /// A bus on the subjects `genesis_mesh.NAME.run.ID` and `genesis_mesh.NAME.work` of the server of `url`. It connects
    /// in the background, again and again while the server is away; its tasks run on the runtime of the caller until
    /// the bus is dropped.
    ///
    /// # Errors
    /// The URL is none of NATS, or the name has other letters than `a` to `z`, digits and `_`.
    pub async fn connect(url: &str, name: &str) -> Result<Self, BusError> {
        check_name(name)?;
        let hub: Arc<Hub> = Arc::default();
        let told = Arc::clone(&hub);
        let was_connected = AtomicBool::new(false);
        let options = ConnectOptions::new()
            .name("genesis-mesh")
            .retry_on_initial_connect()
            .connection_timeout(SUBSCRIBE_TIMEOUT)
            .ping_interval(PING)
            .subscription_capacity(BEHIND_MAX)
            .reconnect_delay_callback(|attempts| RETRY.min(Duration::from_millis(20 * attempts as u64)))
            .event_callback(move |event| {
                let is_missed = match event {
                    Event::Connected => was_connected.swap(true, Ordering::Relaxed),
                    Event::SlowConsumer(_) => true,
                    _ => false,
                };
                if is_missed {
                    told.tell(Hint::Missed);
                }
                std::future::ready(())
            });
        // Its text is never part of an error: it may hold a password.
        let client = options.connect(url).await;
        let client = client.map_err(|_| unavailable("this is no URL of NATS; write nats://HOST:4222"))?;
        let (outbox, prefix) = (Arc::<Outbox>::default(), format!("genesis_mesh.{name}"));
        let task = Task::begin(send_all(client.clone(), Arc::clone(&outbox), prefix.clone()));
        let (own, confirmations) = (RandomState::new().hash_one(0), AtomicU64::new(0));
        Ok(Self { client, hub, outbox, prefix, own, confirmations, _task: task })
    }

    /// Subscribes, and waits until the server has done so: it does what it is asked on one connection in order.
    async fn subscribe_confirmed(&self, subject: String) -> Result<Subscriber, BusError> {
        let number = self.confirmations.fetch_add(1, Ordering::Relaxed);
        let asked = format!("{}.confirm.{:x}.{number}", self.prefix, self.own);
        let hints = self.client.subscribe(subject).await.map_err(unavailable)?;
        let mut answer = self.client.subscribe(asked.clone()).await.map_err(unavailable)?;
        self.client.publish(asked, "".into()).await.map_err(unavailable)?;
        match answer.next().await {
            Some(_) => Ok(hints),
            None => Err(unavailable("the connection to NATS was closed")),
        }
    }
}

fn subject(prefix: &str, topic: Topic) -> String {
    match topic {
        Topic::Run(run) => format!("{prefix}.run.{run}"),
        Topic::Work => format!("{prefix}.work"),
    }
}

/// Sends what is in the outbox, for ever.
async fn send_all(client: Client, outbox: Arc<Outbox>, prefix: String) {
    loop {
        for hint in outbox.take().await {
            let (Some(topic), Ok(payload)) = (hint.topic(), serde_json::to_vec(&hint)) else { continue };
            // While the server is away this waits, and the outbox keeps the newest.
            let _ = client.publish(subject(&prefix, topic), payload.into()).await;
        }
    }
}

impl Bus for NatsBus {
    fn publish(&self, hint: Hint) {
        self.outbox.put(hint);
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<Hints, BusError>> {
        Box::pin(async move {
            let missed = self.hub.subscribe(topic);
            let subscribed =
                timeout(SUBSCRIBE_TIMEOUT, self.subscribe_confirmed(subject(&self.prefix, topic))).await;
            let told = subscribed.map_err(|_| {
                unavailable("NATS does not answer; look whether it runs and can be reached")
            })??;
            let hints: Hints = Box::pin(Subscription { missed, told });
            Ok(hints)
        })
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus").field("prefix", &self.prefix).finish()
    }
}

struct Subscription {
    /// `Missed` alone; ends with the bus.
    missed: Hints,
    told: Subscriber,
}

impl Stream for Subscription {
    type Item = Hint;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        if let Poll::Ready(hint) = self.missed.poll_next_unpin(context) {
            return Poll::Ready(hint);
        }
        loop {
            match self.told.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => {
                    // What a newer program tells may have another form; the logs say it all.
                    if let Ok(hint) = serde_json::from_slice(&message.payload) {
                        return Poll::Ready(Some(hint));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
