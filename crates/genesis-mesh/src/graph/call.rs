//! Calls: functions that a task runs as tasks of their own, so that what they returned is kept.
//!
//! Owns: the memory of calls by their order within the task, their own attempts, and what becomes of a call that may run
//! once at most when nobody knows what it did.
//! Never: runs a call again whose result is kept. The order of calls must be the same whenever the task runs again.

use super::drive::attempt::{CallEnd, called, settle_call, tell_kept_call};
use super::env::Log;
use super::error::NodeError;
use super::live::{Context, Live};
use super::policy::{CachePolicy, CallOptions, Effect};
use super::unknown::{Verdict, ask};
use genesis_mesh_core::graph::NodeId;
use genesis_mesh_core::run::{Fact, Failure, Task, TaskInput, TaskStatus, TaskWrite};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Context {
    /// Runs `work` as a task of its own, named `name`: its result is kept, and when the node runs again after a stop, the
    /// kept result is given instead. Several calls run at once if their futures are polled together, for example by
    /// `tokio::join!`; their order is that in which `call` was called.
    ///
    /// # Errors
    /// The error of `work`, or its question.
    pub fn call<T, F, Fut, E>(
        &self,
        name: &str,
        work: F,
    ) -> impl Future<Output = Result<T, NodeError>> + Send + use<T, F, Fut, E>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<NodeError> + 'static,
    {
        self.call_with(name, CallOptions::default(), work)
    }

    /// As [`Context::call`], with policies.
    ///
    /// # Errors
    /// As [`Context::call`]. Of a call that may run once at most and whose outcome is unknown: a question to a person,
    /// `{"question": "outcome_unknown", "call": …, "idempotency_key": …}`, which is answered by
    /// `{"outcome": "done", "value": …}` with what the call would have given, or by `{"outcome": "not_done"}`, after which
    /// it runs. `IntentNotKept` if what the call needs kept is not: see [`Effect`](super::Effect).
    pub fn call_with<T, F, Fut, E>(
        &self,
        name: &str,
        options: CallOptions,
        work: F,
    ) -> impl Future<Output = Result<T, NodeError>> + Send + use<T, F, Fut, E>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<NodeError> + 'static,
    {
        // The place among the calls is taken now, not when the future is polled.
        let index = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call { context: self.clone(), index, name: Arc::from(name), options };
        async move {
            call.check()?;
            let work = |context| {
                let work = work(context);
                async move {
                    let value = work.await.map_err(Into::into)?;
                    Ok(vec![TaskWrite::Return(Arc::new(value))])
                }
            };
            let writes = match call.options.effect {
                Effect::AtMostOnce => call.once::<T, _>(work).await?,
                Effect::Pure | Effect::Idempotent => {
                    let task = call.begin().await?;
                    match call.kept(&task).await? {
                        Some(writes) => writes,
                        None => {
                            if call.options.effect == Effect::Idempotent {
                                // Its key is that of the task, which comes from the steps before it.
                                call.live().keep_calls().await.map_err(NodeError::from)?;
                            }
                            // What is stopped in the middle is a failure like others, and so an end.
                            let ended = called(call.live(), &task, &call.options, work).await;
                            call.settle(&task, ended.unwrap_or_else(|error| (Err(error), Vec::new()))).await?
                        }
                    }
                }
            };
            returned(&writes)
        }
    }
}

/// One call of a task.
struct Call {
    /// Of the caller.
    context: Context,
    index: u32,
    name: Arc<str>,
    options: CallOptions,
}

impl Call {
    fn live(&self) -> &Arc<Live> {
        &self.context.0.live
    }

    /// Refuses an effect whose promise can't be held here.
    fn check(&self) -> Result<(), NodeError> {
        let refused = match (self.options.effect, self.live().intents()) {
            (Effect::Pure, _) | (_, Intents::Kept) | (Effect::Idempotent, Intents::Late) => return Ok(()),
            (_, Intents::Late) => {
                "the run is kept at its end only; a call that may run once at most needs the durability `sync` or `async`"
            }
            (_, Intents::Never) => {
                "the call is in a graph within a graph that keeps nothing, and begins anew whenever the other does; give \
                 it a history, or the run a thread"
            }
        };
        Err(NodeError::new("IntentNotKept", format!("`{}`: {refused}", self.name)))
    }

    /// Records that the call is made, and tells it.
    async fn begin(&self) -> Result<Arc<Task>, NodeError> {
        let (live, caller) = (self.live(), self.context.0.task.id);
        let fact = Fact::TaskCalled { caller, index: self.index, name: Arc::clone(&self.name) };
        live.record(fact, &[]).await.map_err(NodeError::from)?;
        let task =
            self.task().ok_or_else(|| NodeError::new("UnknownTask", "the caller is no task of this step"))?;
        let input = TaskInput::Value(Arc::new(self.options.input.clone()));
        live.tell_started(&task, &input).await.map_err(NodeError::from)?;
        Ok(task)
    }

    /// The call's task, once it has begun.
    fn task(&self) -> Option<Arc<Task>> {
        let machine = self.live().machine();
        let id = machine.call_id(self.context.0.task.id, self.index, &self.name)?;
        machine.task(id).cloned().map(Arc::new)
    }

    /// The writes of a call that has ended before, or of an equal one.
    async fn kept(&self, task: &Task) -> Result<Option<Vec<TaskWrite>>, NodeError> {
        let live = self.live();
        if let TaskStatus::Finished(writes) = &task.status {
            if live.env.log().is_some_and(Log::is_again) {
                tell_kept_call(live, task, writes.clone()).await.map_err(NodeError::from)?;
            }
            return Ok(Some(writes.clone()));
        }
        let cached =
            self.cache(task).and_then(|(_, key)| live.core.cache.get(&key, live.env.ambient.now_ms()));
        match cached {
            Some(writes) => settle_call(live, task, (Ok(writes), Vec::new()), true).await.map(Some),
            None => Ok(None),
        }
    }

    /// How its writes are kept for equal inputs, and under which key.
    fn cache(&self, task: &Task) -> Option<(&CachePolicy, (NodeId, String))> {
        let (policy, input) = (self.options.cache.as_ref()?, &self.options.input);
        let key = policy.key.as_ref().map_or_else(|| input.to_string(), |key| key(input));
        Some((policy, (task.node, format!("{}:{key}", self.name))))
    }

    /// Records how the call ended.
    async fn settle(&self, task: &Task, ended: CallEnd) -> Result<Vec<TaskWrite>, NodeError> {
        let live = self.live();
        let writes = settle_call(live, task, ended, false).await?;
        if let Some((policy, key)) = self.cache(task) {
            live.core.cache.put(key, writes.clone(), policy.until(live.env.ambient.now_ms()));
        }
        Ok(writes)
    }

    /// Runs the call once at most. That it begins is kept before it does; while it is not known how it ended, a person is
    /// asked, again after each stop, and it runs no more until they say that it did not happen.
    async fn once<T, Fut>(&self, work: impl Fn(Context) -> Fut) -> Result<Vec<TaskWrite>, NodeError>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<TaskWrite>, NodeError>>,
    {
        let live = self.live();
        let mut unknown = self.task().filter(|task| task.is_begun).map(|task| (task, None::<Failure>));
        loop {
            if let Some((task, failure)) = unknown {
                match ask::<T>(live, &task, failure.as_ref()).await? {
                    (Verdict::Done(value), answers) => {
                        let writes = vec![TaskWrite::Return(Arc::new(value))];
                        return self.settle(&task, (Ok(writes), answers)).await;
                    }
                    (Verdict::NotDone, answers) => {
                        let failure =
                            Failure::new("NotDone", "whoever was asked says that it did not happen");
                        let fact = Fact::TaskFailed { task: task.id, failure, is_handled: false, answers };
                        live.record(fact, &[]).await.map_err(NodeError::from)?;
                    }
                }
            }
            let task = self.begin().await?;
            if let Some(writes) = self.kept(&task).await? {
                return Ok(writes);
            }
            live.record(Fact::CallBegun { task: task.id }, &[]).await.map_err(NodeError::from)?;
            live.keep_calls().await.map_err(NodeError::from)?;
            let ended = called(live, &task, &self.options, |context| {
                let work = work(context);
                async { work.await.map_err(NodeError::without_question) }
            });
            match ended.await {
                Ok(ended) => return self.settle(&task, ended).await,
                Err(stopped) => unknown = Some((task, Some(stopped.failure()))),
            }
        }
    }
}

/// Whether that a call begins can be kept before it does.
enum Intents {
    /// It is, or nothing of the run is and nothing runs it again.
    Kept,
    /// Not before the run's end.
    Late,
    /// Nothing of this graph is kept, and the graph around it may run it again.
    Never,
}

impl Live {
    fn intents(&self) -> Intents {
        match &self.keeper {
            Some(keeper) if keeper.is_late() => Intents::Late,
            None if !self.ns.is_root() => Intents::Never,
            _ => Intents::Kept,
        }
    }

    /// Waits until all calls that have begun are kept.
    async fn keep_calls(&self) -> Result<(), super::error::GraphRunError> {
        match &self.keeper {
            Some(keeper) => keeper.keep_calls(self.env.log()).await,
            None => Ok(()),
        }
    }
}

fn returned<T: DeserializeOwned + Clone + 'static>(writes: &[TaskWrite]) -> Result<T, NodeError> {
    let value = writes.iter().find_map(|write| match write {
        TaskWrite::Return(value) => Some(value),
        _ => None,
    });
    let Some(value) = value else { return Err(NodeError::new("NoResult", "the call has kept no result")) };
    match value.as_any().downcast_ref::<T>() {
        Some(value) => Ok(value.clone()),
        None => Ok(serde_json::from_value(value.to_json()?)?),
    }
}
