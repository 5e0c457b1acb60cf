//! Calls: functions that a task runs as tasks of their own, so that what they returned is kept.
//!
//! Owns: the memory of calls by their order within the task, and their own attempts.
//! Never: runs a call again whose result is kept. The order of calls must be the same whenever the task runs again.

use super::context::Context;
use super::drive::attempt::{called, settle_call};
use super::error::NodeError;
use super::policy::{RetryPolicy, TimeoutPolicy};
use genesis_mesh_core::run::{Fact, TaskStatus, TaskWrite};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How a call is tried.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// When it is tried again; without any it is tried once.
    pub retry: Vec<RetryPolicy>,
    /// How long an attempt may take.
    pub timeout: TimeoutPolicy,
}

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
                .map_err(super::subgraph::run_error)?;
            let task = {
                let machine = live.machine();
                machine.call_id(caller, index, &name).and_then(|id| machine.task(id).cloned()).map(Arc::new)
            };
            let Some(task) = task else {
                return Err(NodeError::new("UnknownTask", "the caller is no task of this step"));
            };
            if let TaskStatus::Finished(writes) = &task.status {
                return returned(writes);
            }
            let ended = called(live, &task, &options, |context| {
                let work = work(context);
                async move {
                    let value = work.await.map_err(Into::into)?;
                    Ok(vec![TaskWrite::Return(Arc::new(value))])
                }
            })
            .await;
            let writes = settle_call(live, &task, ended).await?;
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
