//! Facts that happen: what each changes in a machine.
//!
//! Owns: `apply`, the one way in which a run's state changes.
//! Never: decides what is next. The same facts in any order of a step's tasks give the same state.

use super::commit::Batch;
use super::fact::{Answer, Fact, Input, Source, call_path};
use super::fault::{Failure, StepError};
use super::id::{CheckpointId, TaskId};
use super::machine::{CheckpointHead, Machine};
use super::path::TaskPath;
use super::task::{Task, TaskStatus};
use super::write::TaskWrite;
use crate::graph::NodeId;
use serde_json::Value;
use std::sync::Arc;

impl Machine {
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
                task.is_begun = false;
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
            Fact::CallBegun { task } => {
                let task = self.task_mut(task)?;
                task.is_begun = !matches!(task.status, TaskStatus::Finished(_));
                Ok(())
            }
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
        task.is_begun = false;
        task.failure = Some(Box::new(failure.clone()));
        task.status = TaskStatus::Failed { failure, is_handled };
        let (node, path) = (task.node, task.path.clone());
        let handler = self.topology.node(node).and_then(|node| node.on_error).filter(|_| is_handled);
        match handler {
            Some(handler) => {
                let task = self.new_task(handler, path.handler(), None);
                // The fact may be there twice: ahead of others, for a call that began, and in its place.
                if self.task(task.id).is_none() {
                    self.tasks.push(task);
                }
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

    fn task_mut(&mut self, id: TaskId) -> Result<&mut Task, StepError> {
        // Tasks mostly end in the order in which they began: the search begins where the last one ended.
        let (before, after) = self.tasks.split_at(self.cursor.min(self.tasks.len()));
        let middle = before.len();
        let found = after.iter().position(|task| task.id == id).map(|place| place + middle);
        let place = found.or_else(|| before.iter().position(|task| task.id == id));
        self.cursor = place.map_or(0, |place| place + 1);
        place.and_then(|place| self.tasks.get_mut(place)).ok_or(StepError::UnknownTask { task: id })
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
