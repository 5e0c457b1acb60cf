//! The store on SQLite: runs and threads in one file, which outlive the process.
//!
//! Owns: the file, its lock, the thread that writes and those that read.
//! Never: runs a statement on an async thread, or answers an append that is not on disk.
//! Flow: a change is a function of `append.rs`, `remove.rs`, `lifecycle.rs`, `commit.rs` or `thread_rows.rs`, which
//! `writer.rs` runs in a transaction; a read is one of `find.rs` or `run_rows.rs`, which `readers.rs` runs.

mod fault;
mod lock;
mod schema;
mod statement;
mod rows;
mod find;
mod run_rows;
mod thread_rows;
mod append;
mod remove;
mod event_rows;
mod lifecycle;
mod commit;
mod pulse;
mod export;
mod import;
mod writer;
mod readers;
mod log;
#[cfg(test)]
mod tests;

use crate::clock::{self, Clock};
use crate::parts::{CarryError, Counts, Part};
use crate::rows::unavailable;
use fault::is_damage;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use lock::Lock;
pub(crate) use schema::KNOWN;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use writer::Care;

/// Keeps runs and threads in a SQLite database.
///
/// A change returns when it is on disk (`fsync`), but for deltas, heartbeats and watches, which outlive the process alone;
/// changes that wait at one time share that cost. One store writes a
/// file at one time, in all processes. Dropping the store waits until what was begun is done, and closes the file.
pub struct SqliteStore {
    path: PathBuf,
    clock: Clock,
    // A channel is closed before its threads are joined; the lock goes last.
    readers: Option<mpsc::Sender<readers::Read>>,
    writer: Option<mpsc::Sender<writer::Job>>,
    reading: Vec<JoinHandle<()>>,
    writing: Option<JoinHandle<()>>,
    /// The first sign that the file is damaged.
    damage: OnceLock<StoreError>,
    _lock: Lock,
}

/// How a store on SQLite is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Tells the time; the system's clock if nothing else is said.
    pub clock: Clock,
    /// The database may have so many bytes, without its log (4 MB more); `None`: what the disk has. An append beyond
    /// that is refused with [`StoreError::Full`].
    pub bytes_max: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { clock: clock::system(), bytes_max: None }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl SqliteOptions {
    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With a bound of the file, in bytes.
    #[must_use]
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }
}

impl SqliteStore {
    /// Opens the store in the file `path`, and makes it and its folder if they are not there. Reads the disk: not for
    /// the middle of a busy async program.
    ///
    /// # Errors
    /// The file can't be opened or written, another store has it open, it is no store, or a newer program wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::default())
    }

    /// Opens it with options.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] has.
    pub fn open_with(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let lock = Lock::take(path)?;
        let connection = schema::open_writer(path, options.bytes_max).map_err(|error| at(path, error))?;
        let (readers, reading) = readers::start(path)?;
        let (writer, writing) = writer::start(connection, options.clock.clone())
            .map_err(|error| unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            clock: options.clock.clone(),
            readers: Some(readers),
            writer: Some(writer),
            reading,
            writing: Some(writing),
            damage: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Has a change made, which is given the time.
    async fn change<T: Send + 'static>(
        &self,
        care: Care,
        make: impl Fn(&rusqlite::Connection, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(writer) = &self.writer else { return Err(unavailable("the store is closed")) };
        writer::change(writer, care, make).await.map_err(|error| self.told(error))
    }

    /// The version of the schema in the file `path`; `None` if there is none. Makes and changes nothing.
    pub(crate) fn version(path: &Path) -> Result<Option<i64>, StoreError> {
        schema::version(path).map_err(|error| at(path, error))
    }

    /// Sends everything that it holds, of one moment.
    pub(crate) async fn send_all(
        &self,
        begun: oneshot::Sender<Counts>,
        out: mpsc::Sender<Part>,
    ) -> Result<(), StoreError> {
        let send = move |read: &_| {
            // Nobody counts if the copy was given up.
            let _ = begun.send(export::counts(read)?);
            export::send_all(read, &out)
        };
        self.read(send).await
    }

    /// Takes everything in that another store held, or nothing.
    pub(crate) async fn take_all(
        &self,
        parts: mpsc::Receiver<Part>,
        expected: Counts,
    ) -> Result<Counts, CarryError> {
        let parts = Mutex::new(parts);
        let refused = Arc::new(Mutex::new(None));
        let told = Arc::clone(&refused);
        let take = move |write: &_, _| {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            import::take_all(write, &mut parts, expected).map_err(|error| match error {
                CarryError::Store(error) => error,
                // Whatever it is, the transaction is rolled back by it.
                error => {
                    let rolled_back = unavailable(&error);
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    rolled_back
                }
            })
        };
        let taken = self.change(Care::Durable, take).await;
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or_else(|| Ok(taken?), Err)
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(readers) = &self.readers else { return Err(unavailable("the store is closed")) };
        readers::read(readers, look).await.map_err(|error| self.told(error))
    }

    /// The error, with the file that it is about.
    fn told(&self, error: StoreError) -> StoreError {
        let is_damage = is_damage(&error);
        let error = at(&self.path, error);
        if is_damage {
            // The first one is as good as any other.
            let _ = self.damage.set(error.clone());
        }
        error
    }

    /// What is damaged takes nothing new, though it may still have room for it: nobody knows what would be overwritten.
    fn takes_new(&self) -> Result<(), StoreError> {
        self.damage.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

/// The error, with the file that it is about.
fn at(path: &Path, mut error: StoreError) -> StoreError {
    if let StoreError::Unavailable { message }
    | StoreError::Corrupt { message }
    | StoreError::Full { message } = &mut error
    {
        *message = format!("{}: {message}", path.display());
    }
    error
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // A thread that has panicked is gone as well.
        self.readers = None;
        for reader in self.reading.drain(..) {
            let _ = reader.join();
        }
        // The connection that closes last takes the log into the database: that is to be the writer's.
        self.writer = None;
        if let Some(writer) = self.writing.take() {
            let _ = writer.join();
        }
    }
}

impl Store for SqliteStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let (key, rows) = (key.clone(), rows::rows_of(entries)?);
            let append = move |write: &_, now_ms| append::append(write, &key, &rows, now_ms);
            self.change(Care::Durable, append).await
        })
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        let key = key.clone();
        Box::pin(self.read(move |read| find::lineage(read, &key, at)))
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        let key = key.clone();
        Box::pin(self.read(move |read| find::history(read, &key, &query)))
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.read(move |read| find::namespaces(read, &thread)))
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let copy = move |write: &_, now_ms| remove::copy(write, &from, &to, now_ms);
        Box::pin(self.change(Care::Removing, copy))
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.change(Care::Removing, move |write, _| remove::delete(write, &thread)))
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let thread = thread.to_owned();
        Box::pin(self.change(Care::Removing, move |write, _| remove::prune(write, &thread)))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish()
    }
}
