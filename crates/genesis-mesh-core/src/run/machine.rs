//! The run machine: where a run stands, what it does next, and what a fact changes.
//!
//! Owns: `Machine`, its two functions `next_step` and `apply`, and the planning of tasks.
//! Never: runs a node, waits, or reads a clock. The same facts in any order of a step's tasks give the same state.
//! Flow: `next_step` plans a step or says why there is none; tasks end as facts; `StepCommitted` folds their writes.

use super::commit::{Batch, Live, Written};
use super::fact::{Answer, Fact, Input, Source, call_path};
use super::fault::{Failure, StepError};
use super::id::{self, CheckpointId, Namespace, TaskId};
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
    failed: Option<TaskId>,
    answer: Option<Answer>,
    just_ran: Vec<NodeId>,
    breakpoints: Breakpoints,
    has_passed_before: bool,
    last_step: i64,
    /// Where the next task that ends is looked for first.
    cursor: usize,
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
        self.last_step = self.step().saturating_add(i64::from(steps)).saturating_add(1);
        self.breakpoints = breakpoints;
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

    /// What the run does next. Plans the step if that is not done yet.
    pub fn next_step(&mut self) -> Decision {
        if !self.is_planned {
            self.plan();
        }
        if !self.just_ran.is_empty() && self.breakpoints.after != NodeSet::None {
            let has_hit = self.just_ran.iter().any(|node| self.breaks(&self.breakpoints.after, *node));
            self.just_ran.clear();
            if has_hit && self.version > self.interrupt_seen {
                return Decision::Pause;
            }
        }
        if self.step() > self.last_step {
            return Decision::OutOfSteps;
        }
        if self.tasks.is_empty() {
            return Decision::Done;
        }
        if !std::mem::replace(&mut self.has_passed_before, true) && self.stops_before() {
            self.has_passed_before = false;
            return Decision::Pause;
        }
        self.decide()
    }

    fn decide(&self) -> Decision {
        let mut is_interrupted = false;
        for task in self.tasks.iter().filter(|task| !task.path.is_call()) {
            match task.status {
                TaskStatus::Ready if self.failed.is_none() => return Decision::Execute,
                TaskStatus::Interrupted => is_interrupted = true,
                _ => {}
            }
        }
        match self.failed {
            Some(task) => Decision::Failed(task),
            None if is_interrupted => Decision::Interrupted,
            None => Decision::Commit,
        }
    }

    fn stops_before(&self) -> bool {
        self.version > self.interrupt_seen
            && self.tasks.iter().any(|task| self.breaks(&self.breakpoints.before, task.node))
    }

    fn breaks(&self, nodes: &NodeSet, node: NodeId) -> bool {
        nodes.has(node) && !(self.topology.is_hidden(node) && *nodes == NodeSet::All)
    }

    /// Takes a fact.
    ///
    /// # Errors
    /// The fact does not fit where the run stands, or its writes exclude each other, or are refused. After an
    /// error of a fact with writes or of `StepCommitted` the machine must be made again from the facts before it.
    pub fn apply(&mut self, fact: Fact) -> Result<(), StepError> {
        match fact {
            Fact::InputReceived { checkpoint, input } => self.receive(checkpoint, input),
            Fact::Resumed { answer, writes } => self.resume(answer, writes),
            Fact::Forked { checkpoint } => {
                self.move_head(checkpoint, Source::Fork);
                self.look_everywhere();
                self.tasks.clear();
                Ok(())
            }
            Fact::TaskFinished { task, writes, answers } => {
                let task = self.task_mut(task)?;
                task.status = TaskStatus::Finished(writes);
                task.answers = answers;
                Ok(())
            }
            Fact::TaskInterrupted { task, interrupts, answers } => {
                let task = self.task_mut(task)?;
                task.status = TaskStatus::Interrupted;
                task.answers = answers;
                task.interrupts = interrupts;
                Ok(())
            }
            Fact::TaskFailed { task, failure, is_handled, answers } => {
                self.fail(task, failure, is_handled, answers)
            }
            Fact::TaskCalled { caller, index, name } => self.call(caller, index, name),
            Fact::StepCommitted { checkpoint } => self.commit(checkpoint),
            Fact::StateUpdated { checkpoint, updates } => self.update(checkpoint, updates),
        }
    }

    fn receive(&mut self, checkpoint: CheckpointId, input: Input) -> Result<(), StepError> {
        if !self.is_planned {
            self.plan();
        }
        // What an earlier run left undone is used up without its writes.
        let dropped = self.tasks.iter().filter(|task| matches!(task.path, TaskPath::Pull(_)));
        let dropped =
            dropped.map(|task| Batch { node: Some(task.node), is_pulled: true, writes: Vec::new() });
        let start = self.topology.start();
        let begin = Batch { node: None, is_pulled: false, writes: vec![TaskWrite::Goto(start)] };
        let batches = std::iter::once(begin).chain(dropped).collect();
        self.fold(batches, !self.tasks.is_empty())?;
        self.input = Some(input);
        self.fired = Some(vec![start]);
        self.move_head(checkpoint, Source::Input);
        self.unplan();
        self.tasks.clear();
        Ok(())
    }

    fn resume(&mut self, answer: Option<Answer>, writes: Vec<TaskWrite>) -> Result<(), StepError> {
        if !writes.is_empty() {
            self.fold(vec![Batch { node: None, is_pulled: false, writes }], false)?;
            self.unplan();
        }
        self.interrupt_seen = self.version;
        self.answer = answer.or(self.answer.take());
        self.failed = None;
        self.just_ran.clear();
        for task in &mut self.tasks {
            let is_again =
                matches!(task.status, TaskStatus::Interrupted | TaskStatus::Failed { is_handled: false, .. });
            if is_again {
                task.status = TaskStatus::Ready;
            }
        }
        Ok(())
    }

    fn fail(
        &mut self,
        id: TaskId,
        failure: Failure,
        is_handled: bool,
        answers: Vec<Value>,
    ) -> Result<(), StepError> {
        let is_cancelled = failure == Failure::cancelled();
        let task = self.task_mut(id)?;
        task.answers = answers;
        task.failure = Some(failure.clone());
        task.status = TaskStatus::Failed { failure, is_handled };
        let (node, path) = (task.node, task.path.clone());
        let handler = self.topology.node(node).and_then(|node| node.on_error).filter(|_| is_handled);
        match handler {
            Some(handler) => {
                let task = self.new_task(handler, path.handler(), None);
                self.tasks.push(task);
            }
            None if !path.is_call() && !is_cancelled => {
                self.failed.get_or_insert(id);
            }
            None => {}
        }
        Ok(())
    }

    fn call(&mut self, caller: TaskId, index: u32, name: Arc<str>) -> Result<(), StepError> {
        let caller = self.task_mut(caller)?;
        let (node, path) = (caller.node, call_path(&caller.path, index));
        let task = self.new_task(node, path, Some(name));
        if self.task(task.id).is_none() {
            self.tasks.push(task);
        }
        Ok(())
    }

    /// The id that a call from within a task has.
    #[must_use]
    pub fn call_id(&self, caller: TaskId, index: u32, name: &str) -> Option<TaskId> {
        let caller = self.task(caller)?;
        Some(id::task_id(self.checkpoint(), &self.ns, name, &call_path(&caller.path, index)))
    }

    fn commit(&mut self, checkpoint: CheckpointId) -> Result<(), StepError> {
        if !self.is_planned {
            self.plan();
        }
        let mut tasks = std::mem::take(&mut self.tasks);
        let is_over = |task: &Task| match task.status {
            TaskStatus::Finished(_) | TaskStatus::Failed { is_handled: true, .. } => true,
            _ => task.path.is_call(),
        };
        if tasks.is_empty() || !tasks.iter().all(is_over) {
            self.tasks = tasks;
            return Err(StepError::Unfinished);
        }
        self.just_ran.clear();
        self.just_ran.extend(tasks.iter().filter(|task| !task.path.is_call()).map(|task| task.node));
        if tasks.len() > 1 {
            tasks.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        let batches = tasks.into_iter().filter(|task| !task.path.is_call()).map(batch).collect();
        self.fold(batches, true)?;
        self.move_head(checkpoint, Source::Loop);
        self.unplan();
        Ok(())
    }

    fn update(
        &mut self,
        checkpoint: CheckpointId,
        updates: Vec<(NodeId, Vec<TaskWrite>)>,
    ) -> Result<(), StepError> {
        if updates.is_empty() {
            // Nothing is left to do: the tasks are used up, with the writes of those that had ended.
            if !self.is_planned {
                self.plan();
            }
            let tasks = std::mem::take(&mut self.tasks);
            self.fold(tasks.into_iter().filter(|task| !task.path.is_call()).map(batch).collect(), true)?;
        } else {
            let batches = updates.into_iter().map(|(node, writes)| Batch {
                node: Some(node),
                is_pulled: false,
                writes,
            });
            self.fold(batches.collect(), true)?;
        }
        let is_new = self.head.is_none();
        self.move_head(checkpoint, Source::Update);
        if let Some(head) = self.head.as_mut().filter(|_| is_new) {
            // There was no input before it, whose step would be -1.
            head.step = 0;
        }
        self.look_everywhere();
        self.tasks.clear();
        Ok(())
    }

    fn move_head(&mut self, id: CheckpointId, source: Source) {
        let step = self.step();
        self.answer = None;
        self.head = Some(CheckpointHead { id, parent: self.head.map(|head| head.id), step, source });
    }

    /// Tasks were dropped with their triggers unseen, so the plan begins with all triggers, not with those just set.
    fn look_everywhere(&mut self) {
        self.unplan();
        self.fired = None;
    }

    fn unplan(&mut self) {
        self.is_planned = false;
        self.has_passed_before = false;
        self.failed = None;
    }

    fn checkpoint(&self) -> CheckpointId {
        self.head.map(|head| head.id).unwrap_or_default()
    }

    fn task_mut(&mut self, id: TaskId) -> Result<&mut Task, StepError> {
        // Tasks mostly end in the order in which they began: the search begins where the last one ended.
        let (before, after) = self.tasks.split_at(self.cursor.min(self.tasks.len()));
        let middle = before.len();
        let found = after.iter().position(|task| task.id == id).map(|place| place + middle);
        let place = found.or_else(|| before.iter().position(|task| task.id == id));
        self.cursor = place.map_or(0, |place| place + 1);
        place.and_then(|place| self.tasks.get_mut(place)).ok_or(StepError::UnknownTask { task: id })
    }

    /// Makes the tasks of the step: sends by index, then nodes by name. What is known of a task is kept.
    fn plan(&mut self) {
        self.is_planned = true;
        let known = std::mem::take(&mut self.tasks);
        let topology = Arc::clone(&self.topology);
        for (packet, index) in std::mem::take(&mut self.sends).iter().zip(0..) {
            if let Some(node) = topology.id(&packet.node).filter(|node| !topology.is_hidden(*node)) {
                let mut task = self.new_task(node, TaskPath::Push(index), None);
                task.run_timeout = packet.run_timeout;
                self.tasks.push(task);
            }
            self.sends.push(packet.clone());
        }
        let fires = |trigger: &TriggerId| self.triggers.fires(&topology, *trigger);
        let mut nodes: Vec<NodeId> = match self.fired.take() {
            Some(fired) => fired
                .into_iter()
                .filter(fires)
                .filter_map(|trigger| topology.trigger_target(trigger))
                .collect(),
            None => {
                let all = 0..u32::try_from(topology.trigger_count()).unwrap_or(u32::MAX);
                all.filter(fires).filter_map(|trigger| topology.trigger_target(trigger)).collect()
            }
        };
        nodes.sort_unstable();
        nodes.dedup();
        self.tasks.reserve_exact(nodes.len());
        for node in nodes {
            let path =
                TaskPath::Pull(topology.node(node).map(|node| Arc::clone(&node.name)).unwrap_or_default());
            let task = self.new_task(node, path, None);
            self.tasks.push(task);
        }
        if !known.is_empty() {
            self.keep(known);
        }
    }

    /// Puts what is known of tasks into the plan; calls and handlers are part of it.
    fn keep(&mut self, known: Vec<Task>) {
        for task in known {
            match self.tasks.iter_mut().find(|planned| planned.id == task.id) {
                Some(planned) => *planned = task,
                None if task.path.is_call() || task.path.is_handler() => self.tasks.push(task),
                None => {}
            }
        }
    }

    fn new_task(&self, node: NodeId, path: TaskPath, name: Option<Arc<str>>) -> Task {
        let own = || self.topology.node(node).map(|node| Arc::clone(&node.name)).unwrap_or_default();
        let name = name.unwrap_or_else(own);
        Task {
            id: id::task_id(self.checkpoint(), &self.ns, &name, &path),
            node,
            name,
            path,
            run_timeout: None,
            answers: Vec::new(),
            interrupts: Vec::new(),
            failure: None,
            status: TaskStatus::Ready,
        }
    }

    /// Whether the input is a value, not writes.
    #[must_use]
    pub fn is_function(&self) -> bool {
        self.topology.style() == Style::Function
    }
}

fn batch(task: Task) -> Batch {
    let is_pulled = matches!(task.path, TaskPath::Pull(_));
    let writes = match task.status {
        TaskStatus::Finished(writes) => writes,
        _ => Vec::new(),
    };
    Batch { node: Some(task.node), is_pulled, writes }
}
