//! Views: where a run stands, as JSON for people and programs.
//!
//! Owns: the form of a state snapshot and of its tasks.
//! Never: changes the run.
//! Flow: `get_state` and the history read a machine that was made of facts, and show it by `view`.

use super::commit::Batch;
use super::fault::{Failure, StepError};
use super::id::{Namespace, TaskId};
use super::machine::{CheckpointHead, Machine};
use super::path::TaskPath;
use super::task::{Interrupt, Task, TaskStatus};
use super::write::TaskWrite;
use crate::graph::{Style, Topology};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StateView {
    /// The state: an object of all channels that have a value, or what a function returned.
    pub values: Value,
    /// The names of the nodes that run next.
    pub next: Vec<Arc<str>>,
    /// The tasks of the step.
    pub tasks: Vec<TaskView>,
    /// The checkpoint; `None` for a thread without any.
    pub head: Option<CheckpointHead>,
}

/// One task of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// The name of its node.
    pub name: String,
    /// Why it runs.
    pub path: TaskPath,
    /// Why it failed last, even if it has ended well since.
    pub error: Option<Failure>,
    /// What it asks.
    pub interrupts: Vec<Interrupt>,
    /// What it wrote, once it has ended well.
    pub result: Option<Value>,
    /// Where the graph runs that it is, if it is one that keeps its history.
    pub subgraph: Option<Namespace>,
}

impl Machine {
    /// The state as JSON: an object of all channels that have a value, or what a function returned.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn values(&self) -> Result<Value, serde_json::Error> {
        if self.topology.style() == Style::Function {
            return self.returned.as_ref().map_or(Ok(Value::Null), |value| value.to_json());
        }
        let shape = self.topology.shape();
        let mut values = Map::new();
        for (channel, id) in shape.channels().iter().zip(0..) {
            if self.state.has(id) {
                values.insert(channel.name.to_string(), channel.ops.json(self.state.any())?);
            }
        }
        Ok(Value::Object(values))
    }

    /// Where the run stands. `is_live` shows what ended tasks have written already, and only open questions; else the
    /// view is a record of the step: the state as it began, all its tasks, and all that they asked.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn view(&self, is_live: bool) -> Result<StateView, serde_json::Error> {
        let mut machine = self.clone();
        if !machine.is_planned {
            machine.next_step();
        }
        let tasks: Vec<Task> = machine.tasks.iter().filter(|task| !task.path.is_call()).cloned().collect();
        let is_ended = |task: &Task| matches!(task.status, TaskStatus::Finished(_));
        let next = tasks.iter().filter(|task| !(task.path.is_handler() || is_live && is_ended(task)));
        let next = next.map(|task| Arc::clone(&task.name)).collect();
        let views = tasks
            .iter()
            .filter(|task| !task.path.is_handler())
            .map(|task| task_view(task, &machine, is_live));
        let views = views.collect::<Result<_, _>>()?;
        if is_live {
            let _ = machine.fold_ended();
        }
        Ok(StateView { values: machine.values()?, next, tasks: views, head: self.head })
    }

    /// Whether the writes of tasks that have ended, beside others that have not, fit together.
    ///
    /// # Errors
    /// Two of them exclude each other, or one is refused.
    pub fn check_ended(&self) -> Result<(), StepError> {
        self.clone().fold_ended()
    }

    /// Folds the writes of tasks that have ended, for a look at the state; writes that exclude each other are left out.
    fn fold_ended(&mut self) -> Result<(), StepError> {
        let mut tasks: Vec<Task> = std::mem::take(&mut self.tasks)
            .into_iter()
            .filter(|task| matches!(task.status, TaskStatus::Finished(_)) && !task.path.is_call())
            .collect();
        tasks.sort_by(|a, b| a.path.cmp(&b.path));
        let before = self.clone();
        let batches = tasks.into_iter().map(|task| {
            let writes = match task.status {
                TaskStatus::Finished(writes) => writes,
                _ => Vec::new(),
            };
            let writes = writes
                .into_iter()
                .filter(|write| matches!(write, TaskWrite::State(_) | TaskWrite::Return(_)));
            Batch { node: Some(task.node), is_pulled: false, writes: writes.collect() }
        });
        self.fold(batches.collect(), false).inspect_err(|_| *self = before)
    }
}

fn task_view(task: &Task, machine: &Machine, is_live: bool) -> Result<TaskView, serde_json::Error> {
    let topology = &machine.topology;
    let has_history = topology.node(task.node).is_some_and(|node| node.has_history);
    let is_open = !matches!(task.status, TaskStatus::Finished(_));
    let result = match &task.status {
        TaskStatus::Finished(writes) => Some(result(writes, topology)?),
        _ => None,
    };
    let interrupts = if is_live && !is_open { Vec::new() } else { task.interrupts.clone() };
    // A handler is no task of its own here: what it asks stands with the task whose failure it handles.
    let handler = machine
        .tasks
        .iter()
        .find(|other| other.path.is_handler() && other.path == task.path.handler() && task.failure.is_some());
    let asked = handler.filter(|handler| !(is_live && matches!(handler.status, TaskStatus::Finished(_))));
    let interrupts = asked.map_or(interrupts, |handler| handler.interrupts.clone());
    Ok(TaskView {
        id: task.id,
        name: task.name.to_string(),
        path: task.path.clone(),
        error: task.failure.as_deref().cloned(),
        interrupts,
        result,
        subgraph: has_history.then(|| machine.ns.child(&task.name, task.id)),
    })
}

/// What a task wrote to the state; several writes to one channel stand under `$writes`.
pub(super) fn result(writes: &[TaskWrite], topology: &Topology) -> Result<Value, serde_json::Error> {
    let mut result: Map<String, Value> = Map::new();
    for write in writes {
        match write {
            TaskWrite::Return(value) => return value.to_json(),
            TaskWrite::State(write) => {
                let Some(channel) = topology.shape().channel(write.channel) else { continue };
                let value = write.value.to_json()?;
                let value = if write.is_overwrite { json!({"__overwrite__": value}) } else { value };
                match result.get_mut(&*channel.name) {
                    Some(Value::Object(many)) if many.len() == 1 && many.contains_key("$writes") => {
                        if let Some(Value::Array(all)) = many.get_mut("$writes") {
                            all.push(value);
                        }
                    }
                    Some(one) => *one = json!({"$writes": [one.take(), value]}),
                    None => drop(result.insert(channel.name.to_string(), value)),
                }
            }
            _ => {}
        }
    }
    Ok(Value::Object(result))
}
