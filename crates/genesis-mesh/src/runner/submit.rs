//! Submitting: a run is accepted, and driven at once if there is room.
//!
//! Owns: what a caller may say of a run, and the check of its input before it is accepted.
//! Never: answers before the run is in the store.

use super::drive::begin;
use super::hub::Hub;
use super::job::{event, last_event};
use super::spec::{Ask, Spec, body_hash, named_thread, own_thread, thread_name};
use crate::graph_agent::Begin;
use crate::schema::InputError;
use crate::start::StartError;
use crate::update::Update;
use genesis_mesh_core::bus::Hint;
use genesis_mesh_core::log::{
    CancelKind, Claim, Claimed, EventClass, IdempotencyKey, IfBusy, LogEvent, NewRun, Run,
};
use genesis_mesh_core::store::StoreError;
use genesis_mesh_core::{FinishReason, Usage};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The longest name of a thread and the longest idempotency key, in bytes: they are keys of databases.
const NAME_BYTES_MAX: usize = 255;

/// A run that is asked for.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a submission does nothing before it is submitted"]
pub struct Submission {
    /// The agent.
    pub agent: String,
    /// What is asked of it.
    pub ask: Ask,
    /// The thread that it runs on, which begins with its first run.
    pub thread: Option<String>,
    /// What becomes of it if the thread is busy.
    pub if_busy: IfBusy,
    /// A second submission with this key and the same content is the same run.
    pub idempotency_key: Option<String>,
    /// Who asks; only who asked may read the run.
    pub principal: Option<String>,
    /// What the caller says of it.
    pub metadata: Map<String, Value>,
    /// How long it is kept after its end, in milliseconds; `None`: until it is deleted.
    pub ttl_ms: Option<u64>,
    /// Whether the mesh that drives it tells its observer: [`Mesh::observe`](crate::Mesh::observe).
    pub is_observed: bool,
}

impl Submission {
    /// A run of `agent`.
    pub fn new(agent: impl Into<String>, ask: impl Into<Ask>) -> Self {
        Self {
            agent: agent.into(),
            ask: ask.into(),
            thread: None,
            if_busy: IfBusy::default(),
            idempotency_key: None,
            principal: None,
            metadata: Map::new(),
            ttl_ms: None,
            is_observed: false,
        }
    }

    /// The same as a run that is kept has asked for, on the same thread, to be kept as long.
    ///
    /// # Errors
    /// What the store has of it can't be read.
    pub fn again(run: &Run) -> Result<Self, StoreError> {
        let spec: Spec = serde_json::from_str(&run.input)
            .map_err(|error| StoreError::Corrupt { message: format!("the input of {}: {error}", run.id) })?;
        Ok(Self {
            thread: named_thread(run).map(str::to_owned),
            principal: run.principal.clone(),
            metadata: run.metadata.clone(),
            ttl_ms: run.ttl_ms,
            ..Self::new(run.agent.clone(), spec.ask)
        })
    }

    /// On this thread.
    pub fn thread(mut self, thread: impl Into<String>) -> Self {
        self.thread = Some(thread.into());
        self
    }
}

/// A run that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The run.
    pub run: Run,
    /// Whether it is a new one; else it is the earlier run of the same idempotency key.
    pub is_new: bool,
}

/// Accepts a run; returns when it is in the store.
pub(crate) async fn submit(hub: &Arc<Hub>, submission: Submission) -> Result<Submitted, StartError> {
    check(hub, &submission)?;
    let kind =
        if submission.if_busy == IfBusy::Rollback { CancelKind::Rollback } else { CancelKind::Interrupt };
    let key = submission.idempotency_key.clone();
    let accepted = hub.store.accept(new_run(hub, submission)?).await.map_err(|error| match (error, key) {
        // As the caller sent it, not as the store knows it.
        (StoreError::KeyReused { .. }, Some(key)) => StoreError::KeyReused { key },
        (error, _) => error,
    })?;
    for run in accepted.stopped {
        if !hub.stop_here(run, kind) {
            hub.bus.publish(Hint::Cancelled { run });
        }
    }
    if accepted.is_new {
        match accepted.lease {
            Some(lease) => {
                let first = first_event(&accepted.run);
                begin(hub, Claimed { run: accepted.run.clone(), lease }, Some(first));
            }
            None => {
                hub.work.notify_one();
                hub.bus.publish(Hint::Queued);
            }
        }
    }
    Ok(Submitted { run: accepted.run, is_new: accepted.is_new })
}

fn check(hub: &Hub, submission: &Submission) -> Result<(), StartError> {
    let Some(agent) = hub.agents.get(&submission.agent) else {
        let known = hub.agents.keys().cloned().collect();
        return Err(StartError::UnknownAgent { agent: submission.agent.clone(), known });
    };
    for (field, text) in [("thread_id", &submission.thread), ("idempotency_key", &submission.idempotency_key)]
    {
        if let Some(text) = text {
            check_key(field, text)?;
        }
    }
    match &submission.ask {
        Ask::Input { value } => drop(agent.task(value.clone().into())?),
        Ask::Chat { request } => drop(agent.task((**request).clone().into())?),
        Ask::Answer { .. } | Ask::Answers { .. } | Ask::GoOn => {
            if submission.thread.is_none() {
                return Err(InputError::at(
                    "thread_id",
                    "is required: a run goes on where its thread stands",
                )
                .into());
            }
            drop(agent.go_on(Begin::GoOn)?);
        }
    }
    Ok(())
}

/// Checks a text that callers choose freely, and that is a key of the store.
///
/// # Errors
/// It is empty, too long, begins with `_`, which the mesh keeps for itself, or has a control character.
fn check_key(field: &str, text: &str) -> Result<(), InputError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        let message = format!("has 1 to {NAME_BYTES_MAX} bytes, not {}", text.len());
        return Err(InputError::at(field, message));
    }
    if text.starts_with('_') || text.chars().any(char::is_control) {
        return Err(InputError::at(field, "must not begin with `_` or have control characters"));
    }
    Ok(())
}

fn new_run(hub: &Hub, submission: Submission) -> Result<NewRun, StartError> {
    let id = hub.run_id();
    let first = Update::Run { run_id: id.to_string(), thread_id: submission.thread.clone() };
    let thread = submission.thread.map(|thread| thread_name(submission.principal.as_deref(), &thread));
    let is_graph = hub.agents.get(&submission.agent).is_some_and(|agent| agent.graph().is_some());
    let own = || is_graph.then(|| own_thread(id));
    let idempotency = submission.idempotency_key.map(|key| IdempotencyKey {
        key: format!("{}\n{key}", submission.principal.as_deref().unwrap_or_default()),
        body_hash: body_hash(&submission.agent, thread.as_deref(), &submission.ask),
    });
    let Submission { ask, is_observed, .. } = submission;
    let spec = Spec { ask, seed: hub.options.ambient.random(), is_observed };
    let not_json = |error: serde_json::Error| InputError::at("", error.to_string());
    let input = serde_json::to_string(&spec).map_err(not_json)?;
    let stopped = Update::Done { usage: Usage::default(), finish_reason: FinishReason::Cancelled };
    let claim = (hub.room() > 0).then(|| Claim {
        owner: hub.options.owner.clone(),
        lease_ms: hub.options.lease_ms(),
        agents: Vec::new(),
        limit: 1,
    });
    Ok(NewRun {
        id,
        agent: submission.agent,
        // A graph has one in any case: the store deletes it with the run.
        thread: thread.or_else(own),
        input,
        principal: submission.principal,
        idempotency,
        if_busy: submission.if_busy,
        metadata: submission.metadata,
        ttl_ms: submission.ttl_ms,
        first: event(&first, EventClass::Fact, None),
        stopped: last_event(&stopped),
        claim,
    })
}

/// The first event of a run that was just accepted, as readers see it.
fn first_event(run: &Run) -> LogEvent {
    let thread_id = named_thread(run).map(str::to_owned);
    let first = Update::Run { run_id: run.id.to_string(), thread_id };
    let event = event(&first, EventClass::Fact, None);
    LogEvent { seq: 1, at_ms: run.created_at_ms, class: event.class, data: event.data.into(), memo: None }
}
