//! Calls: functions that a task runs as tasks of their own, so that what they returned is kept.
//!
//! Owns: the memory of calls by their order within the task, and their own attempts.
//! Never: runs a call again whose result is kept. The order of calls must be the same whenever the task runs again.

use super::drive::attempt::{called, settle_call};
use super::error::NodeError;
use super::live::Context;
use super::policy::CallOptions;
use genesis_mesh_core::run::{Fact, TaskInput, TaskStatus, TaskWrite};
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
    /// As [`Context::call`].
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
        let (context, name): (Self, Arc<str>) = (self.clone(), Arc::from(name));
        async move {
            let live = &context.0.live;
            let caller = context.0.task.id;
            live.record(Fact::TaskCalled { caller, index, name: Arc::clone(&name) }, &[])
                .await
                .map_err(NodeError::from)?;
            let task = {
                let machine = live.machine();
                machine.call_id(caller, index, &name).and_then(|id| machine.task(id).cloned()).map(Arc::new)
            };
            let Some(task) = task else {
                return Err(NodeError::new("UnknownTask", "the caller is no task of this step"));
            };
            let input = TaskInput::Value(Arc::new(options.input.clone()));
            live.tell_started(&task, &input).await.map_err(NodeError::from)?;
            if let TaskStatus::Finished(writes) = &task.status {
                return returned(writes);
            }
            let cached = options.cache.as_ref().map(|policy| {
                let key =
                    policy.key.as_ref().map_or_else(|| options.input.to_string(), |key| key(&options.input));
                (policy, (task.node, format!("{name}:{key}")))
            });
            if let Some((_, key)) = &cached
                && let Some(writes) = live.core.cache.get(key, live.env.ambient.now_ms())
            {
                return returned(&settle_call(live, &task, (Ok(writes), Vec::new()), true).await?);
            }
            let ended = called(live, &task, &options, |context| {
                let work = work(context);
                async move {
                    let value = work.await.map_err(Into::into)?;
                    Ok(vec![TaskWrite::Return(Arc::new(value))])
                }
            })
            .await;
            let writes = settle_call(live, &task, ended, false).await?;
            if let Some((policy, key)) = cached {
                live.core.cache.put(key, writes.clone(), policy.until(live.env.ambient.now_ms()));
            }
            returned(&writes)
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
