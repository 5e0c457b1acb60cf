//! Planning: which tasks a step has, and what the run does next.
//!
//! Owns: `next_step`, the order of tasks, and their ids.
//! Never: changes the state; facts do.
//! Flow: the runner asks `next_step` after each fact that ends a step; the tasks that it plans end as facts.

use super::fact::call_path;
use super::id::{self, CheckpointId, TaskId};
use super::machine::{Decision, Machine};
use super::path::TaskPath;
use super::task::{Task, TaskStatus};
use crate::graph::{NodeId, NodeSet, TriggerId};
use std::sync::Arc;

impl Machine {
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

    /// Makes the tasks of the step: sends by index, then nodes by name. What is known of a task is kept.
    pub(super) fn plan(&mut self) {
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
    pub(super) fn keep(&mut self, known: Vec<Task>) {
        for task in known {
            match self.tasks.iter_mut().find(|planned| planned.id == task.id) {
                Some(planned) => *planned = task,
                None if task.path.is_call() || task.path.is_handler() => self.tasks.push(task),
                None => {}
            }
        }
    }

    pub(super) fn new_task(&self, node: NodeId, path: TaskPath, name: Option<Arc<str>>) -> Task {
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
            is_begun: false,
            status: TaskStatus::Ready,
        }
    }

    /// The id that a call from within a task has.
    #[must_use]
    pub fn call_id(&self, caller: TaskId, index: u32, name: &str) -> Option<TaskId> {
        let caller = self.task(caller)?;
        Some(id::task_id(self.checkpoint(), &self.ns, name, &call_path(&caller.path, index)))
    }

    pub(super) fn checkpoint(&self) -> CheckpointId {
        self.head.map(|head| head.id).unwrap_or_default()
    }
}
