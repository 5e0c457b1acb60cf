//! Steps: the tasks of a step, run beside each other until all have ended or one has failed.
//!
//! Owns: the set of running tasks of a step, and what becomes of the others when one fails.
//! Never: lets a task outlive its step: the set stops them when it is dropped, and so does whoever drops the run.
//! Flow: ready tasks are started; each end is recorded and told as it comes; a handler starts in the same step.

use super::attempt::{self, Ended, Job};
use super::tell::ENDS;
use crate::graph::command::ParentCommand;
use crate::graph::error::{GraphRunError, NodeError, Reason};
use crate::graph::live::Live;
use genesis_mesh_core::graph::NodeId;
use genesis_mesh_core::run::{Fact, Failure, TaskId, TaskStatus};
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a task may compute before it first waits, if those after it are to begin on the same thread: a task of the
/// runtime costs about a microsecond, and a thread that is woken for it many.
const BEGUN_HERE_MAX: Duration = Duration::from_micros(50);

/// Runs all ready tasks of the step. Gives the command to the graph around this one, if a task sends one.
pub(super) async fn execute(live: &Arc<Live>) -> Result<Option<ParentCommand>, GraphRunError> {
    tell_step(live).await?;
    let jobs = live.ready_jobs();
    let job = match <[Job; 1]>::try_from(jobs) {
        Ok([job]) => job,
        Err(jobs) => return Box::pin(execute_beside(live, jobs)).await,
    };
    match live.settle(attempt::run(Arc::clone(live), job).await).await? {
        Settled::Parent(command) => Ok(Some(command)),
        Settled::Handler(job) => Box::pin(execute_beside(live, vec![*job])).await,
        Settled::Well | Settled::Failed => Ok(None),
    }
}

/// Tells that the tasks of a step begin, if somebody watches.
pub(super) async fn tell_step(live: &Live) -> Result<(), GraphRunError> {
    if live.is_watched(&super::tell::STARTS) || live.is_watched(&ENDS) {
        Box::pin(live.tell_step()).await?;
    }
    Ok(())
}

/// Runs several tasks beside each other. Each is begun here, in order; one that has to wait becomes a task of the runtime,
/// and so do all that come after one that computes for long.
async fn execute_beside(live: &Arc<Live>, jobs: Vec<Job>) -> Result<Option<ParentCommand>, GraphRunError> {
    let mut running = JoinSet::new();
    let mut has_failed = false;
    let mut is_slow = false;
    for job in jobs {
        let mut work = Box::pin(attempt::run(Arc::clone(live), job));
        if is_slow {
            running.spawn(work);
            continue;
        }
        let begun = Instant::now();
        let polled = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        is_slow = begun.elapsed() > BEGUN_HERE_MAX;
        match polled {
            Poll::Pending => drop(running.spawn(work)),
            Poll::Ready(ended) => match live.settle(ended).await? {
                Settled::Parent(command) => return Ok(Some(command)),
                Settled::Handler(job) => drop(running.spawn(attempt::run(Arc::clone(live), *job))),
                Settled::Failed => has_failed = true,
                Settled::Well => {}
            },
        }
    }
    while !has_failed && let Some(joined) = running.join_next().await {
        // A panic of a node is caught within its attempt; what is left is the runtime's end, or a bug of ours.
        let ended = joined.map_err(|error| GraphRunError::NodeFailed {
            node: String::new(),
            failure: Failure::new("Panic", error.to_string()),
            source: None,
        })?;
        match live.settle(ended).await? {
            Settled::Parent(command) => return Ok(Some(command)),
            Settled::Handler(job) => drop(running.spawn(attempt::run(Arc::clone(live), *job))),
            Settled::Failed => has_failed = true,
            Settled::Well => {}
        }
    }
    if has_failed {
        // What ends at the same time keeps what it did: it gets one more turn. The rest is stopped.
        tokio::task::yield_now().await;
        while let Some(joined) = running.try_join_next() {
            if let Ok(ended) = joined {
                live.settle(ended).await?;
            }
        }
        running.shutdown().await;
        live.cancel_rest().await?;
    }
    Ok(None)
}

/// What a task's end means for the step.
enum Settled {
    /// The others go on.
    Well,
    /// The others are stopped.
    Failed,
    /// A handler runs in its place.
    Handler(Box<Job>),
    /// The graph ends here, with a command to the one around it.
    Parent(ParentCommand),
}

impl Live {
    /// The tasks that must run, with what they read.
    fn ready_jobs(&self) -> Vec<Job> {
        let machine = self.machine();
        let ready = machine
            .tasks()
            .iter()
            .filter(|task| matches!(task.status, TaskStatus::Ready) && !task.path.is_call());
        ready.map(|task| Job { task: Arc::new(task.clone()), input: machine.task_input(task) }).collect()
    }

    /// All tasks of the step; those that ended in an earlier run are told as beginning, too.
    fn all_jobs(&self) -> Vec<Job> {
        let machine = self.machine();
        let tasks = machine.tasks().iter().filter(|task| !task.path.is_call());
        tasks.map(|task| Job { task: Arc::new(task.clone()), input: machine.task_input(task) }).collect()
    }

    /// Tells that the tasks of the step begin, and the writes of those that ended in an earlier run.
    async fn tell_step(&self) -> Result<(), GraphRunError> {
        for job in self.all_jobs() {
            self.tell_started(&job.task, &job.input).await?;
        }
        let kept: Vec<_> = {
            let machine = self.machine();
            let ended = machine.tasks().iter().filter(|task| !task.path.is_call());
            let facts = ended.filter_map(|task| match &task.status {
                TaskStatus::Finished(writes) => {
                    let (writes, answers) = (writes.clone(), Vec::new());
                    Some((task.clone(), Fact::TaskFinished { task: task.id, writes, answers }))
                }
                _ => None,
            });
            let records = facts
                .map(|(task, fact)| Ok((task, genesis_mesh_core::run::FactRecord::told(&fact, &machine)?)));
            records.collect::<Result<_, serde_json::Error>>()?
        };
        for (task, record) in kept {
            if let Some(record) = record {
                self.tell_ended(&task, record, true).await?;
            }
        }
        Ok(())
    }

    /// Records and tells how a task ended.
    async fn settle(&self, ended: Ended) -> Result<Settled, GraphRunError> {
        let Ended { task, result, answers, is_cached } = ended;
        let (fact, settled) = match result {
            Ok(writes) => (Fact::TaskFinished { task: task.id, writes, answers }, Settled::Well),
            Err(NodeError(reason)) => match *reason {
                Reason::Parent(command) => return Ok(Settled::Parent(command)),
                Reason::Interrupted(interrupts) => {
                    (Fact::TaskInterrupted { task: task.id, interrupts, answers }, Settled::Well)
                }
                Reason::InvalidAnswer { message } => {
                    let failure = Failure::new("InvalidAnswer", message);
                    (Fact::TaskFailed { task: task.id, failure, is_handled: false, answers }, Settled::Well)
                }
                Reason::Failed { failure, source } => {
                    self.sources.lock().unwrap_or_else(PoisonError::into_inner).push((task.id, source));
                    let is_handled = !task.path.is_handler() && self.has_handler(task.node);
                    (Fact::TaskFailed { task: task.id, failure, is_handled, answers }, Settled::Failed)
                }
            },
        };
        let is_handled = matches!(fact, Fact::TaskFailed { is_handled: true, .. });
        if let Some(record) = self.record(fact, &ENDS).await? {
            Box::pin(self.tell_ended(&task, record, is_cached)).await?;
        }
        if !is_handled {
            return Ok(settled);
        }
        let machine = self.machine();
        let path = task.path.handler();
        let handler = machine.tasks().iter().find(|other| other.path == path);
        Ok(handler.map_or(Settled::Failed, |handler| {
            Settled::Handler(Box::new(Job {
                task: Arc::new(handler.clone()),
                input: machine.task_input(&task),
            }))
        }))
    }

    fn has_handler(&self, node: NodeId) -> bool {
        self.core.topology.node(node).is_some_and(|node| node.on_error.is_some())
    }

    /// Records that the tasks that have not ended were stopped because another failed.
    async fn cancel_rest(&self) -> Result<(), GraphRunError> {
        for job in self.ready_jobs() {
            let (task, answers, failure) = (job.task.id, job.task.answers.clone(), Failure::cancelled());
            self.record(Fact::TaskFailed { task, failure, is_handled: false, answers }, &[]).await?;
        }
        Ok(())
    }

    /// The run's error for the task that failed.
    pub(super) fn failure(&self, id: TaskId) -> GraphRunError {
        let machine = self.machine();
        let task = machine.task(id);
        let failure = task.and_then(|task| match &task.status {
            TaskStatus::Failed { failure, .. } => Some(failure.clone()),
            _ => None,
        });
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let source = sources.iter_mut().find(|(task, _)| *task == id).and_then(|(_, source)| source.take());
        GraphRunError::NodeFailed {
            node: task.map(|task| task.name.to_string()).unwrap_or_default(),
            failure: failure.unwrap_or_else(|| Failure::new("Unknown", "the task failed in an earlier run")),
            source,
        }
    }
}
