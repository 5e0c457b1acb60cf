//! The store on PostgreSQL: threads and runs in one schema, which many processes share.
//!
//! Owns: the pools of connections and the lanes that write.
//! Never: reads a clock but the database's, sends a NOTIFY, or waits without a bound.
//! Flow: an append or a commit goes to `lane.rs`, which sends it with others as a group; a read takes a connection of the
//! pool and runs `find.rs`; whatever else changes something is a transaction of its own.

mod fault;
mod value;
mod schema;
mod in_use;
mod connect;
mod rows;
mod job;
mod group;
mod lane;
mod find;
mod change;
mod run;
mod lease;
mod cancel;
mod accept;
mod thread;
mod export;
mod import;
mod log;
#[cfg(test)]
mod tests;

pub use connect::PostgresOptions;
pub(crate) use schema::KNOWN;

use crate::parts::{CarryError, Counts, Part};
use crate::rows::unavailable;
use connect::{Pools, at};
use deadpool_postgres::{Client, ClientWrapper, Object, Transaction};
use fault::Fault;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use job::{Done, Job};
use lane::Lanes;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::IsolationLevel;

/// Transactions that clash are rare, since rows are locked in one order; each of these lets another one go first.
const CLASHES_MAX: u32 = 10;

/// Keeps threads and runs in a PostgreSQL database, from version 12 on.
///
/// An append or a commit returns when it is on disk; those that wait at one time share that cost. Many stores, in many
/// processes, may use one schema at one time. A database that goes away makes calls fail with
/// [`StoreError::Unavailable`], and when it is back they work again.
pub struct PostgresStore {
    pools: Pools,
    lanes: Lanes,
    patience: Duration,
    hasher: RandomState,
    schema: String,
}

impl PostgresStore {
    /// Connects to the database of `url`, such as `postgres://user:password@host:5432/database`, and makes the schema if
    /// it is not there. Its tasks run on the runtime of the caller until the store is dropped.
    ///
    /// # Errors
    /// The database can't be reached or written, which may pass; it refuses this program, or a newer program wrote the schema,
    /// which does not.
    pub async fn connect(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let pools = connect::open(url, options).await?;
        let lanes = Lanes::start(&pools.lanes, options.lanes, options.patience());
        let (patience, schema) = (options.patience(), options.schema.clone());
        Ok(Self { pools, lanes, patience, hasher: RandomState::new(), schema })
    }

    /// The version of its schema in the database of `url`; `None` if there is none. Makes and changes nothing.
    pub(crate) async fn version(url: &str, options: &PostgresOptions) -> Result<Option<i64>, StoreError> {
        connect::version(url, options).await
    }

    /// Sends everything that it holds, of one moment.
    pub(crate) async fn send_all(
        &self,
        begun: oneshot::Sender<Counts>,
        out: mpsc::Sender<Part>,
    ) -> Result<(), StoreError> {
        let work = async {
            let mut client = self.alone().await?;
            let read = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
            let read = read.read_only(true).start().await?;
            // Nobody counts if the copy was given up.
            let _ = begun.send(export::counts(&read).await?);
            export::send_all(&read, &out).await
        };
        work.await.map_err(|fault: Fault| self.fault(fault))
    }

    /// Takes everything in that another store held, or nothing.
    pub(crate) async fn take_all(
        &self,
        mut parts: mpsc::Receiver<Part>,
        expected: Counts,
    ) -> Result<Counts, CarryError> {
        let work = async {
            let mut client = self.alone().await?;
            let write = client.transaction().await?;
            let taken = import::take_all(&write, &mut parts, expected).await?;
            if taken.is_ok() {
                write.commit().await?;
            }
            Ok(taken)
        };
        work.await.map_err(|fault: Fault| self.fault(fault))?
    }

    /// A connection that has the schema alone, and no bound for what is read and written at the pace of another store;
    /// dropping it gives the schema back.
    async fn alone(&self) -> Result<ClientWrapper, Fault> {
        let client = Object::take(self.pools.reads.get().await?);
        in_use::take(&client, &self.schema).await?;
        client
            .batch_execute("SET statement_timeout TO 0; SET idle_in_transaction_session_timeout TO 0")
            .await?;
        Ok(client)
    }

    /// Has a lane do a job; jobs of one run, or appends to one thread, keep their order.
    async fn write(&self, key: impl std::hash::Hash, job: Job) -> Result<Done, StoreError> {
        let key = self.hasher.hash_one(key);
        self.lanes.write(key, job).await.map_err(|error| at(&self.pools.place, error))
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let silent = || unavailable("the database did not answer in time; look what it is busy with");
        timeout(self.patience, work).await.unwrap_or_else(|_| Err(Fault::Lost(silent())))
    }

    /// What `look` reads on a connection; tried once more if the connection had been lost.
    async fn read<T>(&self, look: impl AsyncFn(&Client) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.with(look, true).await
    }

    /// What one statement changes, which must not be repeated blindly.
    async fn once<T>(&self, work: impl AsyncFn(&Client) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.with(work, false).await
    }

    async fn with<T>(
        &self,
        look: impl AsyncFn(&Client) -> Result<T, Fault>,
        mut may_repeat: bool,
    ) -> Result<T, StoreError> {
        let mut clashes = 0;
        loop {
            let client = self.pools.reads.get().await.map_err(|error| self.fault(error))?;
            match self.within(look(&client)).await {
                Err(Fault::Lost(_)) if may_repeat => {
                    drop(Object::take(client));
                    may_repeat = false;
                }
                Err(Fault::Clash(_)) if clashes < CLASHES_MAX => clashes += 1,
                Err(Fault::Lost(error)) => {
                    drop(Object::take(client));
                    return Err(at(&self.pools.place, error));
                }
                found => return found.map_err(|fault| self.fault(fault)),
            }
        }
    }

    /// What `work` does in a transaction; tried again if it clashed with another one.
    async fn change<T>(
        &self,
        work: impl AsyncFn(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut clashes = 0;
        loop {
            let mut client = self.pools.reads.get().await.map_err(|error| self.fault(error))?;
            let attempt = async {
                let write = client.transaction().await?;
                let done = work(&write).await?;
                write.commit().await?;
                Ok(done)
            };
            match self.within(attempt).await {
                Err(Fault::Clash(_)) if clashes < CLASHES_MAX => clashes += 1,
                Err(Fault::Lost(error)) => {
                    drop(Object::take(client));
                    return Err(at(&self.pools.place, error));
                }
                done => return done.map_err(|fault| self.fault(fault)),
            }
        }
    }

    fn fault(&self, fault: impl Into<Fault>) -> StoreError {
        at(&self.pools.place, fault.into().error())
    }
}

impl Store for PostgresStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let done = self.write(key, Job::append(key, entries)?).await?;
            Ok(Appended { wants_snapshot: done.wants_snapshot })
        })
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        let key = key.clone();
        Box::pin(self.read(async move |client| find::lineage(client, &key, at).await))
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        let key = key.clone();
        Box::pin(self.read(async move |client| find::history(client, &key, &query).await))
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.read(async move |client| find::namespaces(client, &thread).await))
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(self.change(async move |write| change::copy(write, &from, &to).await))
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.change(async move |write| change::delete(write, &thread).await))
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.change(async move |write| change::prune(write, &thread).await))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.pools.place).finish()
    }
}
