//! Driving one run: from its claim to its end, or until its lease is given back or lost.
//!
//! Owns: the choice what a claimed run does, what stops it, and how it ends.
//! Never: tells an end that is not in the log.

use super::answer;
use super::error::DriveError;
use super::feed::Feed;
use super::follow::follow;
use super::graph;
use super::history::History;
use super::hub::{Driven, Hub};
use super::job::{Ended, Job};
use super::leased::{patient, within};
use super::observed::Observed;
use super::spec::{Ask, Spec};
use super::writer::{RunWriter, Target};
use crate::agent::Task;
use crate::graph_agent::Begin;
use crate::update::RunError;
use futures_util::FutureExt;
use genesis_mesh_core::bus::Hint;
use genesis_mesh_core::log::{CancelKind, Claimed, EventClass, Lease, LogEvent, NewEvent, RunEnd, RunStatus};
use genesis_mesh_core::store::StoreError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Begins to drive a run that was claimed, in a task of its own. `known` are the last events of its log, if they are at
/// hand.
pub(super) fn begin(hub: &Arc<Hub>, claimed: Claimed, known: impl IntoIterator<Item = LogEvent>) {
    // Here and not in the task: whoever asks next finds the run driven.
    let driven = hub.begin(&claimed.lease);
    let feed = hub.feeds.drive(claimed.run.id);
    feed.push(known);
    feed.knows(claimed.run.last_seq);
    hub.tasks.spawn(drive(Arc::clone(hub), claimed, driven, feed));
}

/// Drives a run.
async fn drive(hub: Arc<Hub>, claimed: Claimed, driven: Driven, feed: Arc<Feed>) {
    let Claimed { run, lease } = claimed;
    if let Some(kind) = run.cancel {
        hub.stop_here(run.id, kind);
    }
    let writer = Arc::new(RunWriter::new(hub.options.log_bytes_max));
    let observed = Observed::default();
    let target = Target {
        hub: &hub,
        lease: &lease,
        feed: &feed,
        lost: &driven.lost,
        beats: &driven.beats,
        observed: &observed,
    };
    let writing = Arc::clone(&writer);
    let job = Job { hub: &hub, run: &run, writer: writing, seed: 0, driven: &driven, observed: &observed };
    let worked = async {
        let ended = tokio::select! {
            biased;
            () = driven.lost.cancelled() => None,
            () = hub.gives_back.cancelled() => None,
            () = writer.over() => {
                Some(failed(&DriveError::LogTooLong { bytes_max: hub.options.log_bytes_max }.into()))
            }
            ended = work(&job) => Some(ended),
        };
        match ended {
            Some(Ended { events, mut end }) => {
                end.rolls_back = *driven.cancel.borrow() == Some(CancelKind::Rollback);
                writer.end(events, end);
            }
            None => writer.close(),
        }
    };
    let written = async {
        let written = writer.write(&target).await;
        if let Err(error) = &written {
            driven.lost.cancel();
            writer.abandon(error);
        }
        written
    };
    let ((), written) = tokio::join!(worked, written);
    leave(&hub, &lease, written, feed.is_over()).await;
    hub.feeds.rest(run.id, &feed);
    follow(&hub, run.id, &feed);
    hub.rest(&lease);
}

/// Leaves a run of which nothing more is written here.
async fn leave(hub: &Hub, lease: &Lease, written: Result<(), StoreError>, has_ended: bool) {
    let run = lease.run;
    match written {
        Err(StoreError::Fenced { .. } | StoreError::UnknownRun { .. }) => {
            tracing::warn!(%run, epoch = lease.epoch, "the run is another's now; what it did here is dropped");
        }
        Err(error) if error.is_retryable() && hub.gives_back.is_cancelled() => {
            tracing::warn!(%run, %error, "a run could not be given back; its lease runs out");
        }
        Err(error) if error.is_retryable() => {
            tracing::error!(%run, %error, "the store takes no commit of the run; another mesh may try it");
            hub.gets_stuck();
            give_back(hub, lease).await;
            hub.bus.publish(Hint::Queued);
        }
        Err(error) => tracing::error!(%run, %error, "the run can't be written; its lease runs out"),
        Ok(()) if !has_ended => give_back(hub, lease).await,
        Ok(()) => {}
    }
}

/// Gives a run back, for whoever claims it next. That it was tried is not held against it.
async fn give_back(hub: &Hub, lease: &Lease) {
    let released = hub.store.release(std::slice::from_ref(lease));
    if let Err(error) = within(hub.options.lease, released).await {
        tracing::warn!(run = %lease.run, %error, "a lease could not be given back; it runs out");
    }
}

/// Does what the run asks for.
async fn work(job: &Job<'_>) -> Ended {
    let worked = AssertUnwindSafe(attempt(job)).catch_unwind().await;
    let error = match worked {
        Ok(Ok(ended)) => return ended,
        Ok(Err(error)) => error,
        Err(_) => DriveError::Internal.into(),
    };
    failed(&error)
}

async fn attempt(job: &Job<'_>) -> Result<Ended, RunError> {
    let (hub, run) = (job.hub, job.run);
    let spec: Spec = serde_json::from_str(&run.input).map_err(|error| {
        store_error(&StoreError::Corrupt { message: format!("the run's input can't be read: {error}") })
    })?;
    if spec.is_observed {
        job.observed.begin(&hub.observer, run);
    }
    if run.attempt > hub.options.attempts_max {
        return Err(DriveError::Poisoned { attempts: run.attempt - 1 }.into());
    }
    let unknown = || RunError::Logged {
        code: "agent_not_found".to_owned(),
        message: format!("no agent is named `{}` here", run.agent),
        param: None,
    };
    let agent = hub.agents.get(&run.agent).ok_or_else(unknown)?;
    let history = if job.is_again() {
        let read = patient(|| Box::pin(History::read(&*hub.store, run.id, run.last_seq)));
        read.await.map_err(|error| store_error(&error))?
    } else {
        History::default()
    };
    let job = Job { seed: spec.seed, writer: Arc::clone(&job.writer), ..*job };
    let is_chat = matches!(spec.ask, Ask::Chat { .. });
    let task = match spec.ask {
        Ask::Input { value } => agent.task(value.into()),
        Ask::Chat { request } => agent.task((*request).into()),
        Ask::Answer { value } => agent.go_on(Begin::Answer(value)),
        Ask::Answers { values } => agent.go_on(Begin::Answers(values)),
        Ask::GoOn => agent.go_on(Begin::GoOn),
    };
    match task.map_err(|error| RunError::of_start(&error))? {
        Task::Answer(call) => answer::answer(&job, *call, history).await,
        Task::Graph(graph, begin) => graph::run(&job, &graph, begin, is_chat, history).await,
    }
}

fn failed(error: &RunError) -> Ended {
    let told = error.to_json();
    let data = serde_json::json!({"type": "error", "error": told}).to_string();
    let event = NewEvent { class: EventClass::End, data, memo: None };
    let end = RunEnd { status: RunStatus::Failed, error: Some(told), rolls_back: false };
    Ended { events: vec![event], end }
}

fn store_error(error: &StoreError) -> RunError {
    RunError::Logged { code: error.code().to_owned(), message: error.to_string(), param: None }
}
