//! Records: facts in the form in which they are stored and told, with names in the place of ids.
//!
//! Owns: the JSON form of facts and writes, and the way back to typed ones.
//! Never: keeps a write to an untracked channel. A name that the graph no longer has is passed over.
//! Flow: the runner records a fact once, for its store and for those who watch; replay decodes and applies it.

use super::fact::{Answer, Fact, Input};
use super::fault::Failure;
use super::id::{CheckpointId, InterruptId, TaskId};
use super::machine::Machine;
use super::path::TaskPath;
use super::task::{Interrupt, Task};
use super::write::{SendPacket, TaskWrite};
use crate::graph::Topology;
use crate::state::{Channel, ChannelKind, ValueError, Write};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A write with names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteRecord {
    /// A value for a channel, through its reducer.
    Set(String, Value),
    /// A value in the place of a channel's value.
    Overwrite(String, Value),
    /// A node runs in the next step.
    Goto(String),
    /// The name of a join, and the source that has run.
    Join(String, String),
    /// A task with an input of its own in the next step.
    Send {
        /// The node.
        node: String,
        /// Its input.
        input: Value,
        /// How long it may run, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_timeout_ms: Option<u64>,
    },
    /// What a call or a function returns.
    Return(Value),
    /// What a function keeps.
    Save(Value),
}

/// A fact with names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum FactRecord {
    /// A run began with an input: writes to the state, or one `return` that is the argument of a function.
    InputReceived {
        /// The checkpoint before its first step.
        checkpoint: CheckpointId,
        /// The input.
        writes: Vec<WriteRecord>,
    },
    /// A run went on.
    Resumed {
        /// The answer to the one open question; `null` is one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        answer: Option<Value>,
        /// Answers by question.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        answers: BTreeMap<InterruptId, Value>,
        /// What the caller wrote.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writes: Vec<WriteRecord>,
        /// The run that went on, if it is one that is logged: after a crash it must not go on, and answer, twice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    /// A run began again from an earlier checkpoint.
    Forked {
        /// The new checkpoint.
        checkpoint: CheckpointId,
    },
    /// A task ended.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// Its name: that of its node, or of the function that was called.
        name: String,
        /// Why it ran.
        path: TaskPath,
        /// Of a call: the calls that led to it, outermost first; the last is its own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallRecord>,
        /// The answers that it used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<Value>,
        /// How.
        end: TaskEnd,
    },
    /// A call that may run once at most was about to run.
    CallBegun {
        /// The call's task.
        task: TaskId,
        /// The calls that led to it, outermost first; the last is its own.
        calls: Vec<CallRecord>,
    },
    /// All tasks of a step had ended.
    StepCommitted {
        /// The checkpoint after it.
        checkpoint: CheckpointId,
    },
    /// The state was changed from outside.
    StateUpdated {
        /// The checkpoint after it.
        checkpoint: CheckpointId,
        /// Who is said to have written what.
        updates: Vec<UpdateRecord>,
    },
}

/// A value that is there, also if it is `null`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// One call of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The task that called.
    pub caller: TaskId,
    /// The place among its calls.
    pub index: u32,
    /// The function's name.
    pub name: String,
}

impl CallRecord {
    fn into_fact(self) -> Fact {
        let Self { caller, index, name } = self;
        Fact::TaskCalled { caller, index, name: Arc::from(name) }
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnd {
    /// Well, with these writes.
    Finished(Vec<WriteRecord>),
    /// It asks.
    Interrupted(Vec<Interrupt>),
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether its handler runs in its place.
        #[serde(default)]
        is_handled: bool,
    },
}

/// What a node is said to have written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// The node.
    pub node: String,
    /// Its writes.
    pub writes: Vec<WriteRecord>,
}

/// Why a fact can't be recorded or read back.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A value is no JSON.
    #[error("a value can't be written as JSON")]
    NotJson(#[from] serde_json::Error),
    /// A stored value no longer fits its channel.
    #[error("a stored write does not fit the graph any more")]
    Changed(#[from] ValueError),
}

impl RecordError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "value_not_json",
            Self::Changed(_) => "stored_value_invalid",
        }
    }

    /// Whether it may succeed later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl WriteRecord {
    /// The write with names, as it is kept; `None` if it goes to a channel that is never stored.
    ///
    /// # Errors
    /// The value is no JSON.
    pub fn of(write: &TaskWrite, topology: &Topology) -> Result<Option<Self>, serde_json::Error> {
        if let TaskWrite::State(write) = write
            && topology.shape().channel(write.channel).is_some_and(is_untracked)
        {
            return Ok(None);
        }
        let mut record = Self::told(write, topology)?;
        if let Some(Self::Send { input, .. }) = &mut record {
            leave_untracked(input, topology);
        }
        Ok(record)
    }

    /// The write with names, as those who watch see it: with what is never stored.
    fn told(write: &TaskWrite, topology: &Topology) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match write {
            TaskWrite::State(write) => {
                let Some(channel) = topology.shape().channel(write.channel) else { return Ok(None) };
                let (name, value) = (channel.name.to_string(), write.value.to_json()?);
                if write.is_overwrite { Self::Overwrite(name, value) } else { Self::Set(name, value) }
            }
            TaskWrite::Goto(node) => Self::Goto(topology.node_name(*node).to_owned()),
            TaskWrite::Join { join, from } => {
                let Some(join) = topology.joins().get(*join as usize) else { return Ok(None) };
                Self::Join(join.name.to_string(), topology.node_name(*from).to_owned())
            }
            TaskWrite::Send(packet) => Self::Send {
                node: packet.node.to_string(),
                input: packet.input.to_json()?,
                run_timeout_ms: packet
                    .run_timeout
                    .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            },
            TaskWrite::Return(value) => Self::Return(value.to_json()?),
            TaskWrite::Save(value) => Self::Save(value.to_json()?),
        }))
    }

    /// All of `writes` with names.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn all(writes: &[TaskWrite], topology: &Topology) -> Result<Vec<Self>, serde_json::Error> {
        writes.iter().filter_map(|write| Self::of(write, topology).transpose()).collect()
    }

    /// The write with ids; `None` if the graph no longer has the name.
    ///
    /// # Errors
    /// The value does not fit its channel.
    pub fn decode(self, topology: &Topology) -> Result<Option<TaskWrite>, ValueError> {
        let state = |name: &str, value: Value, is_overwrite| -> Result<Option<TaskWrite>, ValueError> {
            let Some(id) = topology.shape().id(name) else { return Ok(None) };
            let Some(channel) = topology.shape().channel(id) else { return Ok(None) };
            let value = channel.ops.accept(Box::new(value), is_overwrite)?;
            Ok(Some(TaskWrite::State(Write { channel: id, value, is_overwrite })))
        };
        Ok(match self {
            Self::Set(name, value) => state(&name, value, false)?,
            Self::Overwrite(name, value) => state(&name, value, true)?,
            Self::Goto(name) => topology.id(&name).map(TaskWrite::Goto),
            Self::Join(name, from) => {
                let place = topology.joins().iter().position(|join| *join.name == *name);
                let place = place.and_then(|place| u32::try_from(place).ok());
                place.zip(topology.id(&from)).map(|(join, from)| TaskWrite::Join { join, from })
            }
            Self::Send { node, input, run_timeout_ms } => Some(TaskWrite::Send(SendPacket {
                node: Arc::from(node),
                input: Arc::new(input),
                run_timeout: run_timeout_ms.map(Duration::from_millis),
            })),
            Self::Return(value) => Some(TaskWrite::Return(Arc::new(value))),
            Self::Save(value) => Some(TaskWrite::Save(Arc::new(value))),
        })
    }

    fn decode_all(writes: Vec<Self>, topology: &Topology) -> Result<Vec<TaskWrite>, ValueError> {
        writes.into_iter().filter_map(|write| write.decode(topology).transpose()).collect()
    }
}

impl FactRecord {
    /// The fact with names, as it is kept. To be called before the fact is applied, on the machine that it will be applied
    /// to.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn of(fact: &Fact, machine: &Machine) -> Result<Option<Self>, serde_json::Error> {
        Self::with(fact, machine, WriteRecord::of)
    }

    /// As [`FactRecord::of`], as those who watch see it: with writes that are never stored.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn told(fact: &Fact, machine: &Machine) -> Result<Option<Self>, serde_json::Error> {
        Self::with(fact, machine, WriteRecord::told)
    }

    fn with(
        fact: &Fact,
        machine: &Machine,
        name: fn(&TaskWrite, &Topology) -> Result<Option<WriteRecord>, serde_json::Error>,
    ) -> Result<Option<Self>, serde_json::Error> {
        let topology = machine.topology();
        let names = |writes: &[TaskWrite]| {
            writes.iter().filter_map(|write| name(write, topology).transpose()).collect::<Result<Vec<_>, _>>()
        };
        Ok(Some(match fact {
            Fact::InputReceived { checkpoint, input } => {
                let writes = match input {
                    Input::Writes(writes) => names(writes)?,
                    Input::Argument(argument) => vec![WriteRecord::Return(argument.to_json()?)],
                };
                Self::InputReceived { checkpoint: *checkpoint, writes }
            }
            Fact::Resumed { answer, writes } => {
                let (answer, answers) = match answer.clone() {
                    Some(Answer::One(value)) => (Some(value), BTreeMap::new()),
                    Some(Answer::ById(answers)) => (None, answers),
                    None => (None, BTreeMap::new()),
                };
                Self::Resumed { answer, answers, writes: names(writes)?, run: None }
            }
            Fact::Forked { checkpoint } => Self::Forked { checkpoint: *checkpoint },
            Fact::TaskFinished { task, writes, answers } => {
                return Ok(ended(machine, *task, answers, TaskEnd::Finished(names(writes)?)));
            }
            Fact::TaskInterrupted { task, interrupts, answers } => {
                return Ok(ended(machine, *task, answers, TaskEnd::Interrupted(interrupts.clone())));
            }
            Fact::TaskFailed { task, failure, is_handled, answers } => {
                let end = TaskEnd::Failed { failure: failure.clone(), is_handled: *is_handled };
                return Ok(ended(machine, *task, answers, end));
            }
            // Kept with the end of the call, or with its begin.
            Fact::TaskCalled { .. } => return Ok(None),
            Fact::CallBegun { task } => {
                let Some(calls) = machine.task(*task).and_then(|task| calls_to(machine, task)) else {
                    return Ok(None);
                };
                Self::CallBegun { task: *task, calls }
            }
            Fact::StepCommitted { checkpoint } => Self::StepCommitted { checkpoint: *checkpoint },
            Fact::StateUpdated { checkpoint, updates } => {
                let updates = updates.iter().map(|(node, writes)| {
                    Ok(UpdateRecord { node: topology.node_name(*node).to_owned(), writes: names(writes)? })
                });
                let updates = updates.collect::<Result<_, serde_json::Error>>()?;
                Self::StateUpdated { checkpoint: *checkpoint, updates }
            }
        }))
    }

    /// Checks that what is about to be stored can be read back. A number that JSON does not have is written as null, which
    /// a channel of numbers refuses: kept, it would make the thread unreadable.
    ///
    /// # Errors
    /// A null that its channel does not read.
    pub fn check(&self, topology: &Topology) -> Result<(), RecordError> {
        let updated: Vec<&WriteRecord> = match self {
            Self::InputReceived { writes, .. }
            | Self::Resumed { writes, .. }
            | Self::TaskEnded { end: TaskEnd::Finished(writes), .. } => writes.iter().collect(),
            Self::StateUpdated { updates, .. } => updates.iter().flat_map(|update| &update.writes).collect(),
            _ => return Ok(()),
        };
        for write in updated {
            let (WriteRecord::Set(name, value) | WriteRecord::Overwrite(name, value)) = write else {
                continue;
            };
            if has_null(value)
                && let Err(error) = write.clone().decode(topology)
            {
                let message =
                    format!("the value of `{name}` has no JSON that can be read back: {}", error.reason);
                return Err(RecordError::NotJson(serde::ser::Error::custom(message)));
            }
        }
        Ok(())
    }

    /// The checkpoint that this fact makes, if it makes one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<CheckpointId> {
        match self {
            Self::InputReceived { checkpoint, .. }
            | Self::Forked { checkpoint }
            | Self::StepCommitted { checkpoint }
            | Self::StateUpdated { checkpoint, .. } => Some(*checkpoint),
            Self::Resumed { .. } | Self::TaskEnded { .. } | Self::CallBegun { .. } => None,
        }
    }

    /// The facts with ids, in order.
    ///
    /// # Errors
    /// A stored value no longer fits its channel.
    pub fn decode(self, topology: &Topology) -> Result<Vec<Fact>, RecordError> {
        let ids = |writes| WriteRecord::decode_all(writes, topology);
        Ok(match self {
            Self::InputReceived { checkpoint, mut writes } => {
                let input = match (topology.style(), writes.pop()) {
                    (crate::graph::Style::Function, Some(WriteRecord::Return(value))) => {
                        Input::Argument(Arc::new(value))
                    }
                    (_, last) => {
                        writes.extend(last);
                        Input::Writes(ids(writes)?)
                    }
                };
                vec![Fact::InputReceived { checkpoint, input }]
            }
            Self::Resumed { answer, answers, writes, .. } => {
                let by_id = (!answers.is_empty()).then_some(Answer::ById(answers));
                vec![Fact::Resumed { answer: answer.map(Answer::One).or(by_id), writes: ids(writes)? }]
            }
            Self::Forked { checkpoint } => vec![Fact::Forked { checkpoint }],
            Self::TaskEnded { task, calls, answers, end, .. } => {
                let called = calls.into_iter().map(CallRecord::into_fact);
                let ended = match end {
                    TaskEnd::Finished(writes) => Fact::TaskFinished { task, writes: ids(writes)?, answers },
                    TaskEnd::Interrupted(interrupts) => Fact::TaskInterrupted { task, interrupts, answers },
                    TaskEnd::Failed { failure, is_handled } => {
                        Fact::TaskFailed { task, failure, is_handled, answers }
                    }
                };
                called.chain([ended]).collect()
            }
            Self::CallBegun { task, calls } => {
                calls.into_iter().map(CallRecord::into_fact).chain([Fact::CallBegun { task }]).collect()
            }
            Self::StepCommitted { checkpoint } => vec![Fact::StepCommitted { checkpoint }],
            Self::StateUpdated { checkpoint, updates } => {
                let updates = updates
                    .into_iter()
                    .filter_map(|update| Some((topology.id(&update.node)?, update.writes)));
                let updates = updates.map(|(node, writes)| Ok((node, ids(writes)?)));
                vec![Fact::StateUpdated { checkpoint, updates: updates.collect::<Result<_, ValueError>>()? }]
            }
        })
    }
}

fn ended(machine: &Machine, id: TaskId, answers: &[Value], end: TaskEnd) -> Option<FactRecord> {
    let task = machine.task(id)?;
    let (name, path, calls) = (task.name.to_string(), task.path.clone(), calls_to(machine, task)?);
    Some(FactRecord::TaskEnded { task: id, name, path, calls, answers: answers.to_vec(), end })
}

/// The calls that led to a task, outermost first.
fn calls_to(machine: &Machine, task: &Task) -> Option<Vec<CallRecord>> {
    let mut calls = Vec::new();
    let mut called = task;
    while let TaskPath::Call(caller, index) = &called.path {
        let caller = machine.tasks().iter().find(|task| task.path == **caller)?;
        calls.push(CallRecord { caller: caller.id, index: *index, name: called.name.to_string() });
        called = caller;
    }
    calls.reverse();
    Some(calls)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(object) => object.values().any(has_null),
        _ => false,
    }
}

fn is_untracked(channel: &Channel) -> bool {
    matches!(channel.kind, ChannelKind::Untracked { .. })
}

/// Takes the keys of untracked channels out of the input of a send.
fn leave_untracked(input: &mut Value, topology: &Topology) {
    if let Value::Object(object) = input {
        for channel in topology.shape().channels().iter().filter(|channel| is_untracked(channel)) {
            object.remove(&*channel.name);
        }
    }
}
