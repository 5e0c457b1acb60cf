//! Lanes: tasks that write, each a group of jobs in one transaction on a connection of its own.
//!
//! Owns: the order of jobs, their groups, and what is tried again.
//! Never: answers before what it answers is on disk; has two changes to one run or graph on their way at one time.
//! Flow: jobs wait in a bounded queue while a group commits; then all that wait are the next group.

use super::fault::Fault;
use super::group::{self, Outcomes};
use super::job::{Done, Job, Taken};
use crate::rows::unavailable;
use crate::task;
use deadpool_postgres::{Object, Pool};
use genesis_mesh_core::store::StoreError;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// So many jobs wait at most; whoever comes then waits for its place. Four groups, so that a lane never idles.
const QUEUE_LENGTH: usize = 1_024;
/// So many jobs share a transaction at most: its flush to disk is then a small part of the cost of each, and the first
/// of them still waits for milliseconds only.
const GROUP_SIZE_MAX: usize = 256;
/// Transactions that clash are rare, since rows are locked in one order; each of these lets another one go first.
const CLASHES_MAX: u32 = 10;

/// A job that waits for its lane.
#[derive(Debug)]
struct Waiting {
    job: Job,
    answer: oneshot::Sender<Result<Done, StoreError>>,
}

/// The way to the tasks that write.
#[derive(Debug)]
pub(super) struct Lanes {
    queues: Vec<mpsc::Sender<Waiting>>,
}

impl Lanes {
    /// Starts lanes, which end when this is dropped, with all that was sent done. A group that takes longer than
    /// `patience` is given up.
    pub(super) fn start(pool: &Pool, lanes: usize, patience: Duration) -> Self {
        let start = |_| {
            let (sender, queue) = mpsc::channel(QUEUE_LENGTH);
            task::begin_draining(Lane { pool: pool.clone(), patience, queue }.write_all());
            sender
        };
        Self { queues: (0..lanes.max(1)).map(start).collect() }
    }

    /// Has a job done; returns when it is on disk. Jobs with the same `key` keep their order.
    pub(super) async fn write(&self, key: u64, job: Job) -> Result<Done, StoreError> {
        let stopped = || unavailable("the store's lanes have stopped; connect again");
        let lanes = self.queues.len().max(1) as u64;
        let place = usize::try_from(key % lanes).unwrap_or(0);
        let (answer, answered) = oneshot::channel();
        let queue = self.queues.get(place).ok_or_else(stopped)?;
        queue.send(Waiting { job, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

struct Lane {
    pool: Pool,
    patience: Duration,
    queue: mpsc::Receiver<Waiting>,
}

impl Lane {
    async fn write_all(mut self) {
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut news = Vec::new();
        loop {
            if waiting.is_empty() {
                if self.queue.recv_many(&mut news, GROUP_SIZE_MAX).await == 0 {
                    return;
                }
            } else {
                while let (true, Ok(new)) =
                    (waiting.len() + news.len() < GROUP_SIZE_MAX, self.queue.try_recv())
                {
                    news.push(new);
                }
            }
            waiting.extend(news.drain(..));
            let (group, rest) = split(waiting);
            waiting = rest;
            let jobs: Vec<&Job> = group.iter().map(|waiting| &waiting.job).collect();
            let outcomes = self.write_group(&jobs).await;
            for (waiting, outcome) in group.into_iter().zip(outcomes) {
                // Nobody listens if the caller was dropped; the change is made all the same.
                let _ = waiting.answer.send(outcome);
            }
        }
    }

    /// The outcomes of a group, in its order. What may be repeated is sent once more if the connection was lost; if the
    /// transaction is refused, each job has one of its own.
    async fn write_group(&self, jobs: &[&Job]) -> Outcomes {
        match self.write_together(jobs).await {
            Ok(outcomes) => outcomes,
            Err(Fault::Lost(error)) => self.repeat(jobs, &error).await,
            Err(fault) if jobs.len() == 1 || self.connection().await.is_err() => {
                let error = fault.error();
                jobs.iter().map(|_| Err(error.clone())).collect()
            }
            Err(_) => {
                let mut outcomes = Vec::with_capacity(jobs.len());
                for job in jobs {
                    outcomes.push(only(self.write_together(&[job]).await));
                }
                outcomes
            }
        }
    }

    async fn repeat(&self, jobs: &[&Job], error: &StoreError) -> Outcomes {
        let again: Vec<&Job> = jobs.iter().copied().filter(|job| job.is_repeatable()).collect();
        let mut repeated = match self.write_together(&again).await {
            Ok(outcomes) if !again.is_empty() => outcomes.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let lost = || Err(error.clone());
        let outcome = |job: &&Job| match job.is_repeatable() {
            true => repeated.next().unwrap_or_else(lost),
            false => lost(),
        };
        jobs.iter().map(outcome).collect()
    }

    /// One transaction, tried again if it clashed with another.
    async fn write_together(&self, jobs: &[&Job]) -> Result<Outcomes, Fault> {
        let mut clashes = 0;
        loop {
            let client = self.connection().await?;
            match timeout(self.patience, group::write(&client, jobs)).await {
                Ok(Ok(outcomes)) => return Ok(outcomes),
                Ok(Err(Fault::Clash(_))) if clashes < CLASHES_MAX => clashes += 1,
                Ok(Err(Fault::Lost(error))) => {
                    drop(Object::take(client));
                    return Err(Fault::Lost(error));
                }
                Ok(Err(fault)) => return Err(fault),
                Err(_) => {
                    drop(Object::take(client));
                    return Err(Fault::Lost(unavailable(
                        "the database did not answer in time; look what it is busy with",
                    )));
                }
            }
        }
    }

    async fn connection(&self) -> Result<Object, Fault> {
        Ok(self.pool.get().await?)
    }
}

/// The outcome of a group of one.
fn only(outcomes: Result<Outcomes, Fault>) -> Result<Done, StoreError> {
    let outcome = outcomes.map_err(Fault::error)?.pop();
    outcome.unwrap_or_else(|| Err(unavailable("a change has no outcome")))
}

/// The next group, and those that wait for it to end.
fn split(waiting: VecDeque<Waiting>) -> (Vec<Waiting>, VecDeque<Waiting>) {
    let mut taken = Taken::default();
    let (mut group, mut rest) = (Vec::with_capacity(waiting.len()), VecDeque::new());
    for one in waiting {
        if group.len() < GROUP_SIZE_MAX && taken.admits(&one.job) {
            group.push(one);
        } else {
            rest.push_back(one);
        }
    }
    (group, rest)
}
