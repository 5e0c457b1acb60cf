//! The context of a node: what it can ask of the run while it works.
//!
//! Owns: `Context`, one for each attempt of a task.
//! Never: outlives its run in effect: what is written after the run's end is not told.
//! Flow: a node takes it as its second argument, and asks, writes, calls and reads through it.

use super::error::NodeError;
use super::live::{Context, HandledFailure};
use genesis_mesh_core::items::Items;
use genesis_mesh_core::run::{CheckpointId, Interrupt, InterruptId, Namespace, TaskId, TaskPath};
use genesis_mesh_core::stream::{EventKind, StreamMode};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Context {
    /// Asks whoever started the run, and gives the answer. The first time the node stops here: the run ends as
    /// interrupted, and when it is resumed with an answer the node runs again from its beginning, up to here and on.
    /// What stands before this call runs twice.
    ///
    /// # Errors
    /// The question, which the node must return by `?`; or the answer is not what `T` reads, and can be given again.
    pub fn interrupt<T: DeserializeOwned>(&self, value: impl Serialize) -> Result<T, NodeError> {
        self.ask(serde_json::to_value(value)?, None)
    }

    /// As [`Context::interrupt`]; clients are told the JSON schema of `T`, and an answer is held to it.
    ///
    /// # Errors
    /// As [`Context::interrupt`].
    pub fn interrupt_typed<T: DeserializeOwned + JsonSchema>(
        &self,
        value: impl Serialize,
    ) -> Result<T, NodeError> {
        self.ask(serde_json::to_value(value)?, Some(schemars::schema_for!(T).to_value()))
    }

    /// As [`Context::interrupt`] with a schema that clients are told; the answer is not held to it.
    ///
    /// # Errors
    /// As [`Context::interrupt`].
    pub fn interrupt_with_schema(&self, value: Value, schema: Value) -> Result<Value, NodeError> {
        self.ask(value, Some(schema))
    }

    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        value: Value,
        response_schema: Option<Value>,
    ) -> Result<T, NodeError> {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let env = &self.0.live.env;
        let (answer, is_shared) = match answers.known.get(answers.read) {
            Some(answer) => (answer.clone(), None),
            None => {
                let id = InterruptId::of(&self.namespace(), answers.known.len());
                let first = InterruptId::of(&self.namespace(), 0);
                let by_id = env
                    .answers
                    .get(&id)
                    .or_else(|| env.answers.get(&first).filter(|_| answers.known.is_empty()));
                match by_id {
                    Some(answer) => (answer.clone(), Some(false)),
                    None => match env.take_answer() {
                        Some(answer) => (answer, Some(true)),
                        None => {
                            return Err(NodeError::interrupted(vec![Interrupt {
                                id,
                                value,
                                response_schema,
                            }]));
                        }
                    },
                }
            }
        };
        match serde_json::from_value(answer.clone()) {
            Ok(typed) => {
                if is_shared.is_some() {
                    answers.known.push(answer);
                }
                answers.read += 1;
                Ok(typed)
            }
            Err(error) => {
                if is_shared == Some(true) {
                    env.return_answer(answer);
                }
                Err(NodeError::invalid_answer(format!("the answer does not fit the question: {error}")))
            }
        }
    }

    /// Writes a value to the stream `custom`. Waits while the reader is slow; returns at once if nobody reads.
    ///
    /// # Errors
    /// The value is no JSON.
    pub async fn write(&self, value: impl Serialize) -> Result<(), NodeError> {
        if !self.0.is_heartbeat_only {
            self.heartbeat();
        }
        if self.0.live.is_watched(&[StreamMode::Custom, StreamMode::Events]) {
            let value = serde_json::to_value(value)?;
            self.tell(EventKind::Custom { task: self.0.task.id, name: self.0.task.name.to_string(), value })
                .await;
        }
        Ok(())
    }

    /// Says that the node is alive, to a policy that bounds its silence.
    pub fn heartbeat(&self) {
        if let Some(sign) = &self.0.sign_of_life {
            sign.notify_one();
        }
    }

    /// What the caller gave the run as its context, if it is a `T`.
    #[must_use]
    pub fn context<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.live.env.context.as_ref()?).downcast().ok()
    }

    /// The keyed items that outlive threads, if the graph has any.
    #[must_use]
    pub fn items(&self) -> Option<&Arc<dyn Items>> {
        self.0.live.env.items.as_ref()
    }

    /// The thread of the run, if it has one.
    #[must_use]
    pub fn thread_id(&self) -> Option<&str> {
        self.0.live.env.thread.as_ref().map(|thread| thread.id.as_str())
    }

    /// The id of the run.
    #[must_use]
    pub fn run_id(&self) -> String {
        self.0.live.env.run_id()
    }

    /// The id of the task.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        self.0.task.id
    }

    /// A key that names this call, or this task of a node, to the world outside: the same in each attempt, and when the
    /// node runs again after a stop; another one for every other. A run that begins anew, and one that is forked, has new
    /// ones, and so has what runs in a graph within this one that keeps nothing.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        self.0.task.id.to_string()
    }

    /// The name of the node, or of the function that was called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.task.name
    }

    /// The namespace of what runs within this task.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.0.live.ns.child(&self.0.task.name, self.0.task.id)
    }

    /// The checkpoint that the step began with.
    #[must_use]
    pub fn checkpoint_id(&self) -> Option<CheckpointId> {
        self.0.live.machine().head().map(|head| head.id)
    }

    /// The step, from 0 for the graph's entry.
    #[must_use]
    pub fn step(&self) -> i64 {
        self.0.step
    }

    /// How many steps may come after this one.
    #[must_use]
    pub fn remaining_steps(&self) -> i64 {
        self.0.remaining_steps
    }

    /// Whether one step is left before the run ends as one that took too many.
    #[must_use]
    pub fn is_last_step(&self) -> bool {
        self.0.remaining_steps == 1
    }

    /// Which attempt of the task this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// In an error handler: what failed, and why.
    #[must_use]
    pub fn handled(&self) -> Option<&HandledFailure> {
        self.0.handles.as_deref()
    }

    /// What a function kept in its last run on this thread.
    #[must_use]
    pub fn previous<T: DeserializeOwned + Clone + 'static>(&self) -> Option<T> {
        let saved = self.0.live.machine().saved().cloned()?;
        match saved.as_any().downcast_ref::<T>() {
            Some(value) => Some(value.clone()),
            None => serde_json::from_value(saved.to_json().ok()?).ok(),
        }
    }

    /// Asks the run to stop before its next step; what is running ends first.
    pub fn drain(&self) {
        self.0.live.env.is_draining.store(true, Ordering::Relaxed);
    }

    pub(super) async fn tell(&self, kind: EventKind) {
        self.0.live.tell_in(self.told_namespace(), self.0.step, kind).await;
    }

    /// Where what it writes is told from: the graph, or within a call the task that called.
    fn told_namespace(&self) -> Namespace {
        let (live, mut path) = (&self.0.live, &self.0.task.path);
        if !path.is_call() {
            return live.ns.clone();
        }
        while let TaskPath::Call(caller, _) = path {
            path = caller;
        }
        let machine = live.machine();
        let caller = machine.tasks().iter().find(|task| task.path == *path);
        caller.map_or_else(|| live.ns.clone(), |caller| live.ns.child(&caller.name, caller.id))
    }
}
