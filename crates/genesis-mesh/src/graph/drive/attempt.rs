//! Attempts: one task, tried as often and as long as its node's policies say.
//!
//! Owns: panics that become failures, limits of time, waits between tries, and writes that are kept for equal inputs.
//! Never: records anything; the step does, once the task has ended for good.

use super::tell::ENDS;
use crate::graph::error::{GraphRunError, NodeError, Reason};
use crate::graph::live::Live;
use crate::graph::live::NodeCore;
use crate::graph::live::{Answers, Attempt, Context, HandledFailure};
use crate::graph::output::Output;
use crate::graph::policy::{CachePolicy, CallOptions, Effect, RetryPolicy, TimeoutPolicy};
use futures_util::FutureExt;
use genesis_mesh_core::graph::NodeId;
use genesis_mesh_core::run::{Fact, FactRecord, Failure, Task, TaskInput, TaskWrite};
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A task with what it reads.
pub(super) struct Job {
    pub(super) task: Arc<Task>,
    pub(super) input: TaskInput,
}

/// A task that has ended.
pub(super) struct Ended {
    pub(super) task: Arc<Task>,
    pub(super) result: Result<Vec<TaskWrite>, NodeError>,
    pub(super) answers: Vec<Value>,
    pub(super) is_cached: bool,
}

/// Runs a task until it has ended for good. Also what is not the node itself may panic: branches, predicates, keys, and
/// whatever is dropped when its time is over.
pub(super) async fn run(live: Arc<Live>, job: Job) -> Ended {
    let task = Arc::clone(&job.task);
    AssertUnwindSafe(run_once(live, job)).catch_unwind().await.unwrap_or_else(|panic| {
        let result = Err(NodeError::panicked(&*panic));
        let answers = task.answers.clone();
        Ended { task, result, answers, is_cached: false }
    })
}

async fn run_once(live: Arc<Live>, job: Job) -> Ended {
    let Job { task, input } = job;
    let core = Arc::clone(&live.core);
    if core.topology.is_hidden(task.node) {
        let result = live.enter(&task);
        return Ended { task, result, answers: Vec::new(), is_cached: false };
    }
    let Some(node) = core.node(task.node) else {
        let result = Err(NodeError::new("UnknownNode", "the node has no code"));
        return Ended { task, result, answers: Vec::new(), is_cached: false };
    };
    let key = match cache_key(&live, node, &task, &input) {
        Some(Ok(key)) => match core.cache.get(&key, live.env.ambient.now_ms()) {
            Some(writes) => return Ended { task, result: Ok(writes), answers: Vec::new(), is_cached: true },
            None => Some(key),
        },
        Some(Err(error)) => return Ended { task, result: Err(error), answers: Vec::new(), is_cached: false },
        None => None,
    };
    let limits = TimeoutPolicy { run: task.run_timeout.or(node.timeout.run), ..node.timeout };
    let (result, answers) = tried(&live, node, &task, input, limits).await;
    if let (Ok(writes), Some(key), Some(policy)) = (&result, key, &node.cache) {
        core.cache.put(key, writes.clone(), policy.until(live.env.ambient.now_ms()));
    }
    Ended { task, result, answers, is_cached: false }
}

impl Live {
    /// The entry of the graph writes the run's input.
    fn enter(&self, task: &Task) -> Result<Vec<TaskWrite>, NodeError> {
        let machine = self.machine();
        let (mut given, mut targets) = (Vec::new(), Vec::new());
        for write in machine.input_writes() {
            match write {
                TaskWrite::State(write) => given.push(write.clone()),
                target => targets.push(target.clone()),
            }
        }
        drop(machine);
        let mut writes = self.writes_of(task.node, task.id, Output { writes: given, ..Output::default() })?;
        // A command that begins a thread goes where it says, beside the entry's own way.
        writes.extend(targets);
        Ok(writes)
    }
}

/// Tries the node, waits, and tries it again, as its policies say.
async fn tried(
    live: &Arc<Live>,
    node: &NodeCore,
    task: &Arc<Task>,
    input: TaskInput,
    limits: TimeoutPolicy,
) -> (Result<Vec<TaskWrite>, NodeError>, Vec<Value>) {
    let mut attempt = 1;
    let mut earlier: Option<Context> = None;
    loop {
        let context = live.context(task, attempt, limits);
        if let Some(earlier) = earlier {
            context.0.follow(&earlier.0);
        }
        let result = once(node, input.clone(), &context, limits).await;
        let answers = context.0.used_answers();
        let wait = result.as_ref().err().and_then(|error| retry_wait(&node.retry, error, attempt));
        let Some((wait, has_jitter)) = wait else { return (result, answers) };
        let jitter = if has_jitter { live.env.ambient.random() % 1000 } else { 0 };
        Box::pin(tokio::time::sleep(wait.saturating_add(Duration::from_millis(jitter)))).await;
        attempt += 1;
        earlier = Some(context);
    }
}

/// One attempt.
async fn once(
    node: &NodeCore,
    input: TaskInput,
    context: &Context,
    limits: TimeoutPolicy,
) -> Result<Vec<TaskWrite>, NodeError> {
    let Some(code) = &node.code else { return Err(NodeError::new("UnknownNode", "the node has no code")) };
    let (live, task) = (&context.0.live, &context.0.task);
    let shape = Arc::clone(live.core.topology.shape());
    let work = AssertUnwindSafe(async { code(input, context.clone(), shape).await }).catch_unwind();
    let output = match limits == TimeoutPolicy::default() {
        true => work.await,
        // Boxed, so that a node without limits has no room for them.
        false => Box::pin(within(work, limits, context)).await?,
    };
    let output = output.map_err(|panic| NodeError::panicked(&*panic))??;
    match output.parent {
        Some(command) => Err(NodeError::parent(command)),
        None => live.writes_of(task.node, task.id, output),
    }
}

/// Runs `work` for as long as it may.
async fn within<T>(
    work: impl Future<Output = T>,
    limits: TimeoutPolicy,
    context: &Context,
) -> Result<T, NodeError> {
    let ended = async {
        tokio::pin!(work);
        let (Some(idle), Some(sign)) = (limits.idle, &context.0.sign_of_life) else { return Ok(work.await) };
        loop {
            tokio::select! {
                biased;
                output = &mut work => return Ok(output),
                () = sign.notified() => {}
                () = tokio::time::sleep(idle) => return Err(timed_out("showed no sign of life for", idle)),
            }
        }
    };
    match limits.run {
        Some(limit) => tokio::time::timeout(limit, ended)
            .await
            .unwrap_or_else(|_| Err(timed_out("did not end within", limit))),
        None => ended.await,
    }
}

fn timed_out(what: &str, limit: Duration) -> NodeError {
    let failure = Failure::new("NodeTimeout", format!("the node {what} {} ms, its limit", limit.as_millis()));
    NodeError::failed(failure.retryable())
}

/// How long to wait before the next try; `None` if there is none.
fn retry_wait(policies: &[RetryPolicy], error: &NodeError, attempt: u32) -> Option<(Duration, bool)> {
    let Reason::Failed { failure, .. } = &*error.0 else { return None };
    let policy = policies.iter().find(|policy| (policy.retry_on)(failure))?;
    (attempt < policy.max_attempts).then(|| (policy.wait(attempt), policy.has_jitter))
}

/// Under which key the writes are kept; `None` if the node has no cache.
fn cache_key(
    live: &Live,
    node: &NodeCore,
    task: &Task,
    input: &TaskInput,
) -> Option<Result<(NodeId, String), NodeError>> {
    let policy: &CachePolicy = node.cache.as_ref()?;
    let json = match input {
        TaskInput::State(cell) => live.core.topology.shape().json(cell).map(Value::Object),
        TaskInput::Value(value) => value.to_json(),
    };
    let key = json.map(|json| policy.key.as_ref().map_or_else(|| json.to_string(), |key| key(&json)));
    Some(key.map(|key| (task.node, key)).map_err(NodeError::from))
}

impl Live {
    /// The context of an attempt.
    pub(in crate::graph) fn context(
        self: &Arc<Self>,
        task: &Arc<Task>,
        attempt: u32,
        limits: TimeoutPolicy,
    ) -> Context {
        let (step, remaining_steps, handles) = {
            let machine = self.machine();
            let handles = if task.path.is_handler() { machine.handled_failure(task) } else { None };
            let handles = handles.map(|(failed, failure)| {
                Box::new(HandledFailure { node: failed.name.to_string(), failure: failure.clone() })
            });
            (machine.step(), machine.remaining_steps(), handles)
        };
        Context(Arc::new(Attempt {
            live: Arc::clone(self),
            task: Arc::clone(task),
            step,
            remaining_steps,
            attempt,
            handles,
            answers: Mutex::new(Answers { known: task.answers.clone(), read: 0 }),
            calls: AtomicU32::new(0),
            children: AtomicU32::new(0),
            sign_of_life: limits.idle.map(|_| Box::default()),
            is_heartbeat_only: limits.is_heartbeat_only,
        }))
    }
}

/// What came of a call, with the answers that it used.
pub(in crate::graph) type CallEnd = (Result<Vec<TaskWrite>, NodeError>, Vec<Value>);

/// Runs a call from within a task, with tries of its own. One that may run once at most and was stopped in the middle is
/// not tried again, and its failure comes as the error: nobody knows what it did.
pub(in crate::graph) async fn called<Fut>(
    live: &Arc<Live>,
    task: &Arc<Task>,
    options: &CallOptions,
    work: impl Fn(Context) -> Fut,
) -> Result<CallEnd, NodeError>
where
    Fut: Future<Output = Result<Vec<TaskWrite>, NodeError>>,
{
    let mut attempt = 1;
    let mut earlier: Option<Context> = None;
    loop {
        let context = live.context(task, attempt, options.timeout);
        if let Some(earlier) = earlier {
            context.0.follow(&earlier.0);
        }
        let caught = AssertUnwindSafe(work(context.clone())).catch_unwind();
        let result = if options.timeout == TimeoutPolicy::default() {
            Ok(caught.await)
        } else {
            Box::pin(within(caught, options.timeout, &context)).await
        };
        let ended = result.and_then(|caught| caught.map_err(|panic| NodeError::panicked(&*panic)));
        let result = match ended {
            Ok(result) => result,
            Err(stopped) if options.effect == Effect::AtMostOnce => return Err(stopped),
            Err(stopped) => Err(stopped),
        };
        let wait = result.as_ref().err().and_then(|error| retry_wait(&options.retry, error, attempt));
        let Some((wait, has_jitter)) = wait else { return Ok((result, context.0.used_answers())) };
        let jitter = if has_jitter { live.env.ambient.random() % 1000 } else { 0 };
        tokio::time::sleep(wait.saturating_add(Duration::from_millis(jitter))).await;
        attempt += 1;
        earlier = Some(context);
    }
}

/// Records how a call ended, and gives its writes, or its error for the caller to return.
pub(in crate::graph) async fn settle_call(
    live: &Arc<Live>,
    task: &Task,
    (result, answers): CallEnd,
    is_cached: bool,
) -> Result<Vec<TaskWrite>, NodeError> {
    let id = task.id;
    let fact = match &result {
        Ok(writes) => Fact::TaskFinished { task: id, writes: writes.clone(), answers },
        Err(error) => match &*error.0 {
            Reason::Interrupted(interrupts) => {
                Fact::TaskInterrupted { task: id, interrupts: interrupts.clone(), answers }
            }
            _ => Fact::TaskFailed { task: id, failure: error.failure(), is_handled: false, answers },
        },
    };
    if let Some(record) = live.record(fact, &ENDS).await.map_err(NodeError::from)? {
        live.tell_ended(task, record, is_cached).await.map_err(NodeError::from)?;
    }
    result
}

/// Tells the end of a call that an earlier attempt has kept, and may not have told.
pub(in crate::graph) async fn tell_kept_call(
    live: &Arc<Live>,
    task: &Task,
    writes: Vec<TaskWrite>,
) -> Result<(), GraphRunError> {
    let fact = Fact::TaskFinished { task: task.id, writes, answers: Vec::new() };
    let record = FactRecord::told(&fact, &live.machine())?;
    match record {
        Some(record) => live.tell_ended(task, record, true).await,
        None => Ok(()),
    }
}
