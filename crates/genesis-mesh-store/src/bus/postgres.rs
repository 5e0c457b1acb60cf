//! The bus over PostgreSQL: LISTEN and NOTIFY on a connection of its own.
//!
//! Owns: that connection, one channel, and the task that keeps both.
//! Never: notifies within a transaction of a store: that would make commits wait for each other.
//! Flow: hints wait in the outbox while a statement is on its way; then all that wait are the next one. What the server
//! tells goes to the hub, which knows who wants it.

use super::hub::Hub;
use super::outbox::Outbox;
use super::{SUBSCRIBE_TIMEOUT, check_name, unavailable};
use crate::task::Task;
use futures_util::future::poll_fn;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, BusError, Hint, Hints, Topic};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

/// A payload has less than 8,000 bytes; a hint takes at most 93.
const HINTS_OF_A_PAYLOAD: usize = 64;
/// While the server is away it is looked for so often.
const RETRY: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement that takes longer has lost its server.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries hints between processes that share a PostgreSQL database. Dropping it ends all subscriptions.
pub struct PostgresBus {
    line: Arc<Line>,
    _task: Task,
}

struct Line {
    hub: Arc<Hub>,
    outbox: Outbox,
    channel: String,
    is_listening: watch::Sender<bool>,
}

impl PostgresBus {
    /// A bus on the channel `genesis_mesh_NAME` of the database of `url`. It connects in the background, again and again
    /// while the server is away; its task runs on the runtime of the caller until the bus is dropped.
    ///
    /// # Errors
    /// The URL is none of PostgreSQL, or the name has other letters than `a` to `z`, digits and `_`.
    pub async fn connect(url: &str, name: &str) -> Result<Self, BusError> {
        check_name(name)?;
        // Its text is never part of an error: it holds the password.
        let mut config: Config =
            url.parse().map_err(|_| unavailable("this is no URL of PostgreSQL; look at the store's"))?;
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(NOTIFY_TIMEOUT);
        config.application_name("genesis-mesh-bus");
        let line = Arc::new(Line {
            hub: Arc::default(),
            outbox: Outbox::default(),
            channel: format!("genesis_mesh_{name}"),
            is_listening: watch::channel(false).0,
        });
        let task = Task::begin(keep(Arc::clone(&line), config));
        Ok(Self { line, _task: task })
    }
}

impl Bus for PostgresBus {
    fn publish(&self, hint: Hint) {
        self.line.outbox.put(hint);
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<Hints, BusError>> {
        Box::pin(async move {
            // The hub knows it before the server is asked: if the connection is lost from here on it is told so.
            let hints = self.line.hub.subscribe(topic);
            let mut is_listening = self.line.is_listening.subscribe();
            let listens = is_listening.wait_for(|is_listening| *is_listening);
            match timeout(SUBSCRIBE_TIMEOUT, listens).await {
                Ok(Ok(_)) => Ok(hints),
                _ => Err(unavailable(
                    "PostgreSQL does not answer; look whether it runs and takes this user in",
                )),
            }
        })
    }
}

impl Drop for PostgresBus {
    fn drop(&mut self) {
        self.line.hub.close();
    }
}

impl fmt::Debug for PostgresBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").field("channel", &self.line.channel).finish()
    }
}

/// Keeps a connection, for ever.
async fn keep(line: Arc<Line>, config: Config) {
    let mut retries = interval(RETRY);
    retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_listening = false;
    loop {
        retries.tick().await;
        let Ok(Ok((client, connection))) = timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await else {
            continue;
        };
        tokio::select! {
            () = hear(&line, connection) => {}
            () = tell(&line, &client, was_listening) => {}
        }
        was_listening |= line.is_listening.send_replace(false);
    }
}

/// Gives what the server tells to the hub, until the connection is lost.
async fn hear(line: &Line, mut connection: Connection<Socket, NoTlsStream>) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        let AsyncMessage::Notification(told) = message else { continue };
        // What a newer program tells may have another form; the logs say it all.
        let Ok(hints) = serde_json::from_str::<Vec<Hint>>(told.payload()) else { continue };
        hints.into_iter().for_each(|hint| line.hub.tell(hint));
    }
}

/// Listens, then sends what is in the outbox, until the connection is lost.
async fn tell(line: &Line, client: &Client, was_listening: bool) {
    // What is lost in a crash is lost.
    let listen = format!("SET synchronous_commit TO off; LISTEN {}", line.channel);
    if !matches!(timeout(NOTIFY_TIMEOUT, client.batch_execute(&listen)).await, Ok(Ok(()))) {
        return;
    }
    line.is_listening.send_replace(true);
    if was_listening {
        line.hub.tell(Hint::Missed);
    }
    loop {
        let hints = line.outbox.take().await;
        let payloads = hints.chunks(HINTS_OF_A_PAYLOAD).map(serde_json::to_string);
        let payloads: Vec<String> = payloads.filter_map(Result::ok).collect();
        let notify = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS p (payload)";
        let sent = async { client.query(notify, &[&line.channel, &payloads]).await };
        if !matches!(timeout(NOTIFY_TIMEOUT, sent).await, Ok(Ok(_))) {
            return;
        }
    }
}
