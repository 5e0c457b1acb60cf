//! Telling: events for those who watch, and nothing for a run that nobody watches.
//!
//! Owns: which event is made when, and its JSON.
//! Never: makes JSON that no watched mode shows.

use crate::graph::error::GraphRunError;
use crate::graph::live::Live;
use genesis_mesh_core::run::{
    FactRecord, Interrupt, Namespace, Task, TaskEnd, TaskInput, TaskPath, TaskStatus, TaskWrite, WriteRecord,
};
use genesis_mesh_core::stream::{CheckpointTold, Event, EventKind, MessagePiece, StreamMode};
use serde_json::{Map, Value, json};

/// The modes that show tasks as they begin.
pub(super) const STARTS: [StreamMode; 3] = [StreamMode::Tasks, StreamMode::Debug, StreamMode::Events];
/// The modes that show tasks as they end.
pub(super) const ENDS: [StreamMode; 6] = [
    StreamMode::Updates,
    StreamMode::Tasks,
    StreamMode::Debug,
    StreamMode::Events,
    StreamMode::Values,
    StreamMode::Messages,
];

impl Live {
    /// Whether anybody wants what one of these modes shows of this graph.
    pub(in crate::graph) fn is_watched(&self, modes: &[StreamMode]) -> bool {
        self.env.is_watched(self.ns.is_root(), modes)
    }

    /// Tells an event; waits while the reader is slow. A reader that is gone is no error: the run goes on.
    pub(in crate::graph) async fn tell(&self, step: i64, kind: EventKind) {
        self.tell_in(self.ns.clone(), step, kind).await;
    }

    /// As [`Live::tell`], from what runs in `ns` within this graph.
    pub(in crate::graph) async fn tell_in(&self, ns: Namespace, step: i64, kind: EventKind) {
        let Some(watch) = &self.env.watch else { return };
        if self.ns.is_root() || watch.has_subgraphs {
            let event = Event { ns, step, at_ms: self.env.ambient.now_ms(), kind };
            watch.events.tell(event).await;
        }
    }

    /// Tells that the run stops at a breakpoint; the outermost graph does.
    pub(super) async fn tell_paused(&self) {
        if self.ns.is_root() {
            let step = self.machine().step();
            self.tell(step, EventKind::Paused).await;
        }
    }

    /// Whether somebody wants to know of checkpoints, and there are any.
    pub(super) fn tells_checkpoints(&self) -> bool {
        self.keeper.is_some()
            && self.is_watched(&[StreamMode::Checkpoints, StreamMode::Debug, StreamMode::Events])
    }

    /// Tells the checkpoint that the run stands on, with its next tasks.
    pub(super) async fn tell_checkpoint(&self) -> Result<(), GraphRunError> {
        let (step, view) = {
            let machine = self.machine();
            (machine.step(), machine.view(false)?)
        };
        let Some(mut head) = view.head else { return Ok(()) };
        if let Some(keeper) = &self.keeper {
            head.parent = keeper.parent_of(head);
        }
        let thread = self.env.thread.as_ref().map(|thread| thread.id.clone()).unwrap_or_default();
        let parents = self.parents.iter().map(|(ns, id)| (ns.to_string(), json!(id))).collect();
        let told = CheckpointTold {
            head,
            thread,
            parents,
            metadata: self.env.metadata.clone(),
            values: view.values,
            next: view.next.iter().map(ToString::to_string).collect(),
            tasks: view.tasks,
        };
        self.tell(step - 1, EventKind::CheckpointReached(Box::new(told))).await;
        Ok(())
    }

    /// Tells the whole state.
    pub(super) async fn tell_values(&self, interrupts: Option<Vec<Interrupt>>) -> Result<(), GraphRunError> {
        if self.is_watched(&[StreamMode::Values, StreamMode::Events]) {
            let (step, values) = {
                let machine = self.machine();
                (machine.step(), machine.values()?)
            };
            self.tell(step, EventKind::StateChanged { values, interrupts }).await;
        }
        Ok(())
    }

    /// Tells the state with the writes of tasks that ended beside one that asks.
    pub(super) async fn tell_partial_values(&self) -> Result<(), GraphRunError> {
        if !self.is_watched(&[StreamMode::Values, StreamMode::Events]) {
            return Ok(());
        }
        let (step, values) = {
            let machine = self.machine();
            let has_news = machine.tasks().iter().any(|task| match &task.status {
                TaskStatus::Finished(writes) => {
                    writes.iter().any(|write| matches!(write, TaskWrite::State(_)))
                }
                _ => false,
            });
            (machine.step(), if has_news { Some(machine.view(true)?.values) } else { None })
        };
        if let Some(values) = values {
            self.tell(step, EventKind::StateChanged { values, interrupts: None }).await;
        }
        Ok(())
    }

    /// Tells that a task begins.
    pub(in crate::graph) async fn tell_started(
        &self,
        task: &Task,
        input: &TaskInput,
    ) -> Result<(), GraphRunError> {
        let topology = &self.core.topology;
        if topology.is_hidden(task.node) && !task.path.is_call() || !self.is_watched(&STARTS) {
            return Ok(());
        }
        let input = match input {
            TaskInput::State(cell) => Value::Object(topology.shape().json(cell)?),
            TaskInput::Value(value) => value.to_json()?,
        };
        let triggers = match (&task.path, topology.node(task.node)) {
            (TaskPath::Pull(_), Some(node)) => {
                let mut names: Vec<String> =
                    node.triggers.iter().map(|trigger| topology.trigger_name(*trigger)).collect();
                names.sort();
                names
            }
            _ => vec!["__pregel_push".to_owned()],
        };
        let step = self.machine().step();
        self.tell(
            step,
            EventKind::TaskStarted { task: task.id, name: task.name.to_string(), input, triggers },
        )
        .await;
        Ok(())
    }

    /// Tells the messages that a task wrote and that nobody has seen: neither in pieces, nor in the state that it read.
    async fn tell_messages(&self, task: &Task, writes: &[WriteRecord]) -> Result<(), GraphRunError> {
        if !self.is_watched(&[StreamMode::Messages, StreamMode::Events]) {
            return Ok(());
        }
        let shape = self.core.topology.shape();
        for write in writes {
            let (WriteRecord::Set(name, value) | WriteRecord::Overwrite(name, value)) = write else {
                continue;
            };
            let Some((id, channel)) = shape.id(name).and_then(|id| Some((id, shape.channel(id)?))) else {
                continue;
            };
            if !channel.ops.is_conversation() {
                continue;
            }
            let state = self.machine().state().clone();
            let known = if state.has(id) { channel.ops.json(state.any())? } else { Value::Null };
            for message in value.as_array().into_iter().flatten().filter(|message| !is_removal(message)) {
                let Some(id) = message.get("id").and_then(Value::as_str) else { continue };
                let is_of_id = |other: &Value| other.get("id").and_then(Value::as_str) == Some(id);
                if !known.as_array().into_iter().flatten().any(is_of_id) && self.env.is_new_message(id) {
                    let piece = MessagePiece::Whole(message.clone());
                    self.tell_new_piece(task, id.to_owned(), piece).await;
                }
            }
        }
        Ok(())
    }

    /// Tells how a task ended.
    pub(super) async fn tell_ended(
        &self,
        task: &Task,
        record: FactRecord,
        is_cached: bool,
    ) -> Result<(), GraphRunError> {
        let FactRecord::TaskEnded { name, path, end, .. } = record else { return Ok(()) };
        if self.core.topology.is_hidden(task.node) && !path.is_call() {
            return Ok(());
        }
        if let (TaskEnd::Finished(writes), false) = (&end, is_cached) {
            self.tell_messages(task, writes).await?;
        }
        let interrupts = match &end {
            TaskEnd::Interrupted(interrupts) if !path.is_call() => {
                // The graph around this one has nothing to show for a breakpoint within.
                if interrupts.is_empty() {
                    return Ok(());
                }
                Some(interrupts.clone())
            }
            _ => None,
        };
        let step = self.machine().step();
        // Updates, then the state with its questions, then the task: one event each, in the order that clients expect.
        let ended = |end: TaskEnd| EventKind::TaskEnded { task: task.id, name, path, end, is_cached };
        match interrupts {
            Some(interrupts) => {
                self.tell(step, ended(TaskEnd::Interrupted(interrupts.clone()))).await;
                self.tell_values(Some(interrupts)).await
            }
            None => {
                self.tell(step, ended(end)).await;
                Ok(())
            }
        }
    }

    /// Where in the graph a message is made.
    pub(in crate::graph) fn message_metadata(&self, task: &Task) -> Map<String, Value> {
        let topology = &self.core.topology;
        let node = topology.node(task.node);
        let triggers =
            node.map(|node| node.triggers.iter().map(|id| topology.trigger_name(*id)).collect::<Vec<_>>());
        let Value::Object(metadata) = json!({
            "langgraph_step": self.machine().step(),
            "langgraph_node": &*task.name,
            "langgraph_triggers": triggers,
            "langgraph_path": task.path,
            "langgraph_checkpoint_ns": self.ns.child(&task.name, task.id),
        }) else {
            return Map::new();
        };
        metadata.into_iter().chain(self.env.metadata.clone()).collect()
    }

    /// Tells a piece of a message that a task has made.
    pub(in crate::graph) async fn tell_piece(&self, task: &Task, message: String, piece: MessagePiece) {
        if self.is_watched(&[StreamMode::Messages, StreamMode::Events]) {
            self.env.is_new_message(&message);
            self.tell_new_piece(task, message, piece).await;
        }
    }

    async fn tell_new_piece(&self, task: &Task, message: String, piece: MessagePiece) {
        let metadata = self.message_metadata(task);
        let step = self.machine().step();
        let name = task.name.to_string();
        self.tell(step, EventKind::MessageDelta { task: task.id, name, message, metadata, piece }).await;
    }
}

fn is_removal(message: &Value) -> bool {
    message.get("type").and_then(Value::as_str) == Some("remove")
}
