//! The writer: one thread that makes all changes, a group of them in one transaction.
//!
//! Owns: the one connection that writes, its transactions, and the order of changes.
//! Never: answers before what it answers is on disk; takes another's change down with a bad one.
//! Flow: changes wait in a bounded queue while a group commits; then all that wait are the next group.

#[cfg(test)]
mod tests;

use super::change::{Change, Changed};
use super::fault::{fault, unavailable};
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;
use std::io;
use std::thread::{Builder, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// So many changes wait at most; whoever comes then waits for its place. Four groups, so that the writer never idles.
const QUEUE_LENGTH: usize = 1_024;
/// So many changes share a transaction at most: one write to disk is then a small part of the cost of each, and the
/// first of them still waits for milliseconds only.
const GROUP_SIZE_MAX: usize = 256;

/// A change that waits for the writer.
pub(super) struct Job {
    change: Change,
    answer: oneshot::Sender<Result<Changed, StoreError>>,
}

/// Starts the writer; it ends when nobody can send to it any more, with all that was sent done.
pub(super) fn start(connection: Connection) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, queue) = mpsc::channel(QUEUE_LENGTH);
    let thread =
        Builder::new().name("sqlite-writer".to_owned()).spawn(move || write_all(&connection, queue))?;
    Ok((sender, thread))
}

/// Has a change made; returns when it is on disk.
pub(super) async fn change(writer: &mpsc::Sender<Job>, change: Change) -> Result<Changed, StoreError> {
    let (answer, answered) = oneshot::channel();
    let stopped = || unavailable("the store's writer has stopped; open the store again");
    writer.send(Job { change, answer }).await.map_err(|_| stopped())?;
    answered.await.map_err(|_| stopped())?
}

fn write_all(connection: &Connection, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
    while queue.blocking_recv_many(&mut group, GROUP_SIZE_MAX) > 0 {
        let results = commit(connection, &group);
        let removes = group.iter().any(|job| job.change.removes());
        if removes {
            // What was deleted leaves the log too. A reader that takes long may hinder that; the next one does it.
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
        }
        for (job, result) in group.drain(..).zip(results) {
            // Nobody listens if the caller was dropped; the change is made all the same.
            let _ = job.answer.send(result);
        }
    }
}

/// The results of a group, in its order. If the transaction fails, each change has one of its own.
fn commit(connection: &Connection, group: &[Job]) -> Vec<Result<Changed, StoreError>> {
    match commit_together(connection, group) {
        Ok(results) => results,
        Err(error) if group.len() == 1 => vec![Err(error)],
        Err(_) => {
            let alone = group.iter().map(|job| commit_together(connection, std::slice::from_ref(job)));
            alone.map(|results| results?.pop().unwrap_or_else(|| Err(unavailable("no result")))).collect()
        }
    }
}

/// One transaction; an error is one of the transaction, and nothing of it is kept.
fn commit_together(
    connection: &Connection,
    group: &[Job],
) -> Result<Vec<Result<Changed, StoreError>>, StoreError> {
    let write = connection.unchecked_transaction().map_err(fault)?;
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        run(&write, "SAVEPOINT one")?;
        let result = job.change.apply(&write);
        match &result {
            Ok(_) => {}
            // What is wrong with this change is wrong with no other.
            Err(StoreError::UnknownCheckpoint { .. }) => run(&write, "ROLLBACK TO one")?,
            Err(error) => return Err(error.clone()),
        }
        run(&write, "RELEASE one")?;
        results.push(result);
    }
    write.commit().map_err(fault)?;
    Ok(results)
}

fn run(write: &Connection, statement: &str) -> Result<(), StoreError> {
    write.prepare_cached(statement).and_then(|mut statement| statement.execute([])).map_err(fault)?;
    Ok(())
}
