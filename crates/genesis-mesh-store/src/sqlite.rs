//! The store on SQLite: threads in one file, which outlive the process.
//!
//! Owns: the file, its lock, the thread that writes and those that read.
//! Never: runs a statement on an async thread, or answers an append that is not on disk.
//! Flow: a change goes to `writer.rs`, which runs `change.rs` in a transaction; a read to `readers.rs`, which runs `find.rs`.

mod fault;
mod lock;
mod schema;
mod rows;
mod find;
mod change;
mod writer;
mod readers;
#[cfg(test)]
mod tests;

use change::{Change, Changed};
use fault::unavailable;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use lock::Lock;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Keeps threads in a SQLite database.
///
/// An append returns when it is on disk (`fsync`); appends that wait at one time share that cost. One store writes a
/// file at one time, in all processes. Dropping the store waits until what was begun is done, and closes the file.
pub struct SqliteStore {
    path: PathBuf,
    // A channel is closed before its threads are joined; the lock goes last.
    readers: Option<mpsc::Sender<readers::Read>>,
    writer: Option<mpsc::Sender<writer::Job>>,
    reading: Vec<JoinHandle<()>>,
    writing: Option<JoinHandle<()>>,
    _lock: Lock,
}

/// How a store on SQLite is opened.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The database may have so many bytes, without its log (4 MB more); `None`: what the disk has. An append beyond
    /// that is refused with [`StoreError::Full`].
    pub bytes_max: Option<u64>,
}

impl SqliteOptions {
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
        let (writer, writing) = writer::start(connection)
            .map_err(|error| unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            readers: Some(readers),
            writer: Some(writer),
            reading,
            writing: Some(writing),
            _lock: lock,
        })
    }

    async fn change(&self, change: Change) -> Result<Changed, StoreError> {
        let Some(writer) = &self.writer else { return Err(unavailable("the store is closed")) };
        writer::change(writer, change).await.map_err(|error| at(&self.path, error))
    }

    async fn change_thread(&self, change: Change) -> Result<bool, StoreError> {
        Ok(self.change(change).await? == Changed::WasThere(true))
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(readers) = &self.readers else { return Err(unavailable("the store is closed")) };
        readers::read(readers, look).await.map_err(|error| at(&self.path, error))
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
            match self.change(Change::Append(key.clone(), rows::rows_of(entries)?)).await? {
                Changed::Appended(appended) => Ok(appended),
                Changed::WasThere(_) => Err(unavailable("an append was answered as another change")),
            }
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
        Box::pin(self.change_thread(Change::Copy { from: from.to_owned(), to: to.to_owned() }))
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.change_thread(Change::Delete(thread.to_owned())))
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.change_thread(Change::Prune(thread.to_owned())))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish()
    }
}
