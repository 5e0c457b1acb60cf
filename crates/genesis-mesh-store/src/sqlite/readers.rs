//! Readers: a few threads, each with a connection of its own, so that no read waits for the writer.
//!
//! Owns: the connections that only read.
//! Never: blocks an async thread; a read is sent and its answer is awaited.

use super::fault::fault;
use super::schema::open_reader;
use crate::rows::unavailable;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// Reads are short and mostly from memory: more threads than this would wait for the same cores.
const READERS: usize = 4;
/// So many reads wait at most; whoever comes then waits for its place.
const QUEUE_LENGTH: usize = 256;

/// One read, which sends its own answer.
pub(super) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Starts the readers; they end when nobody can send to them any more.
pub(super) fn start(path: &Path) -> Result<(mpsc::Sender<Read>, Vec<JoinHandle<()>>), StoreError> {
    let (sender, queue) = mpsc::channel::<Read>(QUEUE_LENGTH);
    let queue = Arc::new(Mutex::new(queue));
    let mut threads = Vec::with_capacity(READERS);
    for _ in 0..READERS {
        let connection = open_reader(path)?;
        let queue = Arc::clone(&queue);
        let thread = Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || read_all(&connection, &queue))
            .map_err(|error| unavailable(format!("no thread for a reader: {error}")))?;
        threads.push(thread);
    }
    Ok((sender, threads))
}

fn read_all(connection: &Connection, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // Whoever waits for a read holds the lock; the others wait for the lock.
        let read = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = read else { return };
        read(connection);
    }
}

/// What `look` finds; all that it reads is of one moment.
pub(super) async fn read<T: Send + 'static>(
    readers: &mpsc::Sender<Read>,
    look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    let read: Read = Box::new(move |connection| {
        let found = connection.unchecked_transaction().map_err(fault).and_then(|moment| look(&moment));
        // Nobody listens if the caller was dropped.
        let _ = answer.send(found);
    });
    let stopped = || unavailable("the store's readers have stopped; open the store again");
    readers.send(read).await.map_err(|_| stopped())?;
    answered.await.map_err(|_| stopped())?
}
