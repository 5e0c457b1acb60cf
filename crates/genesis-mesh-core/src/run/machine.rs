//! The run machine: where a run stands.
//!
//! Owns: `Machine`, and everything that can be read of it.
//! Never: runs a node, waits, or reads a clock.
//! Flow: `next_step` (`plan.rs`) plans a step or says why there is none; tasks end as facts, which `apply` (`apply.rs`)
//! takes; `StepCommitted` folds their writes (`commit.rs`).

use super::fact::{Answer, Input, Source};
use super::fault::Failure;
use super::id::{CheckpointId, Namespace, TaskId};
use super::live::{Live, Written};
use super::path::TaskPath;
use super::task::{Task, TaskInput, TaskStatus};
use super::trigger::Triggers;
use super::write::{SendPacket, TaskWrite};
use crate::graph::{NodeId, NodeSet, Style, Topology, TriggerId};
use crate::state::{ChannelKind, ChannelValue, Managed, StateCell, Write};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A run of one graph.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) topology: Arc<Topology>,
    pub(super) ns: Namespace,
    pub(super) state: StateCell,
    pub(super) triggers: Triggers,
    pub(super) version: u64,
    pub(super) interrupt_seen: u64,
    pub(super) sends: Vec<SendPacket>,
    pub(super) input: Option<Input>,
    pub(super) returned: Option<SharedValue>,
    pub(super) saved: Option<SharedValue>,
    pub(super) live: Live,
    pub(super) unfinished: Vec<Write>,
    pub(super) written: Written,
    pub(super) has_written: bool,
    pub(super) fired: Option<Vec<TriggerId>>,
    pub(super) head: Option<CheckpointHead>,
    pub(super) tasks: Vec<Task>,
    pub(super) is_planned: bool,
    pub(super) failed: Option<TaskId>,
    pub(super) answer: Option<Answer>,
    pub(super) just_ran: Vec<NodeId>,
    pub(super) breakpoints: Breakpoints,
    pub(super) has_passed_before: bool,
    pub(super) last_step: i64,
    /// Where the next task that ends is looked for first.
    pub(super) cursor: usize,
}

pub(super) type SharedValue = Arc<dyn ChannelValue>;

/// The checkpoint that a run stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckpointHead {
    /// Its id.
    pub id: CheckpointId,
    /// The checkpoint before it.
    pub parent: Option<CheckpointId>,
    /// Its step: -1 for the first input of a thread, then one more for each checkpoint.
    pub step: i64,
    /// How it came to be.
    pub source: Source,
}

/// The nodes before and after which a run stops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breakpoints {
    /// Before any of these runs.
    pub before: NodeSet,
    /// After any of these has run.
    pub after: NodeSet,
}

/// What a run does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some tasks are ready: run them, and apply how they ended.
    Execute,
    /// All tasks of the step have ended well: commit it.
    Commit,
    /// A breakpoint: the run waits to be resumed.
    Pause,
    /// Tasks wait for answers.
    Interrupted,
    /// A task failed.
    Failed(TaskId),
    /// More steps than the run may take.
    OutOfSteps,
    /// Nothing is left to do.
    Done,
}

impl Machine {
    /// A run of `topology` in which nothing has happened yet.
    #[must_use]
    pub fn new(topology: Arc<Topology>, ns: Namespace) -> Self {
        Self {
            state: topology.shape().fresh(),
            triggers: Triggers::new(&topology),
            topology,
            ns,
            version: 0,
            interrupt_seen: 0,
            sends: Vec::new(),
            input: None,
            returned: None,
            saved: None,
            live: Live::default(),
            unfinished: Vec::new(),
            written: Written::default(),
            has_written: false,
            fired: None,
            head: None,
            tasks: Vec::new(),
            is_planned: false,
            failed: None,
            answer: None,
            just_ran: Vec::new(),
            breakpoints: Breakpoints::default(),
            has_passed_before: false,
            last_step: i64::MAX,
            cursor: 0,
        }
    }

    /// Bounds the run that begins now to `steps` steps after that of its input, and says where it stops.
    pub fn limit(&mut self, steps: u32, breakpoints: Breakpoints) {
        self.limit_from(self.step(), steps, breakpoints);
    }

    /// As [`Machine::limit`], of a run whose first checkpoint was of the step `first`: it goes on counting from there.
    pub fn limit_from(&mut self, first: i64, steps: u32, breakpoints: Breakpoints) {
        self.last_step = first.saturating_add(i64::from(steps)).saturating_add(1);
        self.breakpoints = breakpoints;
        // A plan that was made before they were known has not looked at them.
        self.has_passed_before = false;
    }

    /// The graph.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Where this graph runs.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.ns
    }

    /// The step that is next: one more than that of the checkpoint.
    #[must_use]
    pub fn step(&self) -> i64 {
        self.head.map_or(-2, |head| head.step).saturating_add(1)
    }

    /// How many steps may come after this one.
    #[must_use]
    pub fn remaining_steps(&self) -> i64 {
        self.last_step.saturating_sub(self.step()).max(0)
    }

    /// The checkpoint that the run stands on; `None` before its input.
    #[must_use]
    pub fn head(&self) -> Option<CheckpointHead> {
        self.head
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &StateCell {
        &self.state
    }

    /// What a function returned, once it has.
    #[must_use]
    pub fn returned(&self) -> Option<&Arc<dyn ChannelValue>> {
        self.returned.as_ref()
    }

    /// What a function kept in its last run on this thread.
    #[must_use]
    pub fn saved(&self) -> Option<&Arc<dyn ChannelValue>> {
        self.saved.as_ref()
    }

    /// Whether the last commit wrote to the state.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// The answer that no task has taken yet.
    #[must_use]
    pub fn open_answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// The tasks of the step, in the order in which they are to be run; empty until `next_step` has planned it.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task of this id.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// What a task reads. For the entry of a graph that is the state, and its writes are [`Machine::input_writes`].
    #[must_use]
    pub fn task_input(&self, task: &Task) -> TaskInput {
        match &task.path {
            TaskPath::Push(index) | TaskPath::PushHandler(index) => match self.sends.get(*index as usize) {
                Some(packet) => TaskInput::Value(Arc::clone(&packet.input)),
                None => TaskInput::State(self.state_of(task.node)),
            },
            _ => match &self.input {
                Some(Input::Argument(argument)) if task.node == self.topology.start() => {
                    TaskInput::Value(Arc::clone(argument))
                }
                _ => TaskInput::State(self.state_of(task.node)),
            },
        }
    }

    /// The state with what the run itself says, as tasks and routes read it.
    #[must_use]
    pub fn readable_state(&self) -> StateCell {
        let shape = self.topology.shape();
        let mut state = self.state.clone();
        if !shape.has_managed() {
            return state;
        }
        let remaining = self.remaining_steps();
        for (channel, id) in shape.channels().iter().zip(0..) {
            let value = match channel.kind {
                ChannelKind::Managed(Managed::IsLastStep) => Value::from(remaining == 1),
                ChannelKind::Managed(Managed::RemainingSteps) => Value::from(remaining),
                _ => continue,
            };
            // A field of another type stays without a value.
            if let Ok(value) = channel.ops.accept(Box::new(value), true) {
                let _ = shape.fold(&mut state, id, value, true);
            }
        }
        state
    }

    /// What of the state a node reads.
    fn state_of(&self, node: NodeId) -> StateCell {
        let mut state = self.readable_state();
        let Some(reads) = self.topology.node(node).and_then(|node| node.reads.as_deref()) else {
            return state;
        };
        let shape = self.topology.shape();
        for id in (0..).take(shape.channels().len()).filter(|id| !reads.contains(id)) {
            if state.has(id) {
                shape.clear(&mut state, id);
            }
        }
        state
    }

    /// The writes that the entry of the graph makes: the run's input.
    #[must_use]
    pub fn input_writes(&self) -> &[TaskWrite] {
        match &self.input {
            Some(Input::Writes(writes)) => writes,
            _ => &[],
        }
    }

    /// The node that ran last, which a change of the state from outside is said to come from: the entry of a thread in
    /// which nothing ran; `None` if several ran at once.
    #[must_use]
    pub fn last_node(&self) -> Option<NodeId> {
        if self.topology.nodes().len() == 1 {
            return Some(self.topology.start());
        }
        let cells = self.triggers.cells().iter().zip(0..).filter(|(cell, _)| cell.seen > 0);
        let mut seen: Vec<(u64, NodeId)> = cells
            .filter_map(|(cell, trigger)| Some((cell.seen, self.topology.trigger_target(trigger)?)))
            .collect();
        seen.sort_unstable();
        match seen.as_slice() {
            [] => Some(self.topology.start()),
            [.., (before, _), (last, _)] if before == last => None,
            [.., (_, node)] => Some(*node),
        }
    }

    /// Makes all tasks of the step run again, those too that have ended. `keeps_answers` unless old answers must be
    /// asked for again.
    pub fn run_again(&mut self, keeps_answers: bool) {
        self.tasks.retain(|task| !task.path.is_call() && !task.path.is_handler());
        for task in &mut self.tasks {
            task.status = TaskStatus::Ready;
            if !keeps_answers {
                task.answers.clear();
            }
        }
        self.failed = None;
    }

    /// Why the task failed that this handler stands in for.
    #[must_use]
    pub fn handled_failure(&self, handler: &Task) -> Option<(&Task, &Failure)> {
        self.tasks.iter().find_map(|task| match &task.status {
            TaskStatus::Failed { failure, .. } if task.path.handler() == handler.path => {
                Some((task, failure))
            }
            _ => None,
        })
    }

    /// Whether the tasks of the step are known.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.is_planned
    }

    /// Whether the input is a value, not writes.
    #[must_use]
    pub fn is_function(&self) -> bool {
        self.topology.style() == Style::Function
    }
}
