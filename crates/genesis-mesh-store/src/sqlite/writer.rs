//! The writer: one thread that makes all changes, a group of them in one transaction.
//!
//! Owns: the one connection that writes, its transactions, and the order of changes.
//! Never: answers before what it answers is on disk; takes another's change down with a bad one.
//! Flow: changes wait in a bounded queue while a group commits; then all that wait are the next group.

#[cfg(test)]
mod tests;

use super::fault::fault;
use crate::clock::Clock;
use crate::rows::unavailable;
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

/// How a change is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// It outlives the process when it is answered, and the machine's power from the next durable change on.
    Light,
    /// It is on disk when it is answered.
    Durable,
    /// So it is, and what it removed is in no file any more.
    Removing,
}

/// A change that waits for the writer.
pub(super) struct Job {
    care: Care,
    change: Box<dyn Change>,
}

/// A change, which may be made again if its transaction was rolled back.
trait Change: Send {
    fn make(&mut self, write: &Connection, now_ms: i64) -> Result<(), StoreError>;

    /// Tells its caller how the last making went, or what hindered its transaction.
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

/// A change with what came of it.
struct Made<T, F> {
    make: F,
    made: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Change for Made<T, F>
where
    T: Send,
    F: Fn(&Connection, i64) -> Result<T, StoreError> + Send,
{
    fn make(&mut self, write: &Connection, now_ms: i64) -> Result<(), StoreError> {
        self.made = Some((self.make)(write, now_ms)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { made, answer, .. } = *self;
        let made = result.and_then(|()| made.ok_or_else(|| unavailable("no result")));
        // Nobody listens if the caller was dropped; the change is made all the same.
        let _ = answer.send(made);
    }
}

impl Job {
    fn new<T: Send + 'static>(
        care: Care,
        make: impl Fn(&Connection, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { care, change: Box::new(Made { make, made: None, answer }) }, answered)
    }
}

/// Starts the writer; it ends when nobody can send to it any more, with all that was sent done.
pub(super) fn start(connection: Connection, clock: Clock) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, queue) = mpsc::channel(QUEUE_LENGTH);
    let mut writer = Writer { connection, clock, is_light: false };
    let thread = Builder::new().name("sqlite-writer".to_owned()).spawn(move || writer.write_all(queue))?;
    Ok((sender, thread))
}

/// Has a change made, which is given the time; returns when it is kept as `care` says.
pub(super) async fn change<T: Send + 'static>(
    writer: &mpsc::Sender<Job>,
    care: Care,
    make: impl Fn(&Connection, i64) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (job, answered) = Job::new(care, make);
    let stopped = || unavailable("the store's writer has stopped; open the store again");
    writer.send(job).await.map_err(|_| stopped())?;
    answered.await.map_err(|_| stopped())?
}

struct Writer {
    connection: Connection,
    clock: Clock,
    /// Whether the connection commits without waiting for the disk.
    is_light: bool,
}

impl Writer {
    fn write_all(&mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP_SIZE_MAX);
        while queue.blocking_recv_many(&mut group, GROUP_SIZE_MAX) > 0 {
            let results = self.commit(&mut group);
            if group.iter().any(|job| job.care == Care::Removing) {
                // What was deleted leaves the log too. A reader that takes long may hinder that; the next one does it.
                let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
            }
            for (job, result) in group.drain(..).zip(results) {
                job.change.answer(result);
            }
        }
    }

    /// The results of a group, in its order. If the transaction fails, each change has one of its own.
    fn commit(&mut self, group: &mut [Job]) -> Vec<Result<(), StoreError>> {
        match self.commit_together(group) {
            Ok(results) => results,
            Err(error) if group.len() == 1 => vec![Err(error)],
            Err(_) => {
                let alone = group.iter_mut().map(|job| self.commit_together(std::slice::from_mut(job)));
                alone.map(|results| results?.pop().unwrap_or_else(|| Err(unavailable("no result")))).collect()
            }
        }
    }

    /// One transaction; an error is one of the transaction, and nothing of it is kept.
    fn commit_together(&mut self, group: &mut [Job]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.take_care(group.iter().all(|job| job.care == Care::Light))?;
        let write = self.connection.unchecked_transaction().map_err(fault)?;
        let mut results = Vec::with_capacity(group.len());
        for job in group {
            run(&write, "SAVEPOINT one")?;
            let result = job.change.make(&write, (self.clock)());
            match &result {
                Ok(()) => {}
                Err(error) if is_its_own(error) => run(&write, "ROLLBACK TO one")?,
                Err(error) => return Err(error.clone()),
            }
            run(&write, "RELEASE one")?;
            results.push(result);
        }
        write.commit().map_err(fault)?;
        Ok(results)
    }

    /// Whether the next commit waits for the disk. The one after it that does takes all before it along: they are in one
    /// log, and the log is written to disk up to its end.
    fn take_care(&mut self, is_light: bool) -> Result<(), StoreError> {
        if self.is_light != is_light {
            let level = if is_light { "NORMAL" } else { "FULL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous = {level};")).map_err(fault)?;
            self.is_light = is_light;
        }
        Ok(())
    }
}

/// Whether what is wrong with a change is wrong with no other.
fn is_its_own(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::UnknownCheckpoint { .. }
            | StoreError::Fenced { .. }
            | StoreError::UnknownRun { .. }
            | StoreError::ThreadBusy { .. }
            | StoreError::KeyReused { .. }
    )
}

fn run(write: &Connection, statement: &str) -> Result<(), StoreError> {
    write.prepare_cached(statement).and_then(|mut statement| statement.execute([])).map_err(fault)?;
    Ok(())
}
