//! Events: everything that a run tells, once.
//!
//! Owns: the closed list of events: facts of the run, and deltas of messages and custom output.
//! Never: holds a handle to the state; what an event shows is JSON already.

use crate::answer::{FinishReason, Usage};
use crate::message::{ToolCall, ToolCallDelta};
use crate::run::{CheckpointHead, Interrupt, Namespace, TaskEnd, TaskId, TaskPath, TaskView};
use serde::Serialize;
use serde_json::{Map, Value};

/// Something that a run tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The graph that tells it.
    pub ns: Namespace,
    /// The step in which it happened.
    pub step: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The run stands on a checkpoint, and these are its next tasks.
    CheckpointReached(Box<CheckpointTold>),
    /// The state is now this.
    StateChanged {
        /// An object of all told channels, or what a function returned.
        values: Value,
        /// The questions that a task asks, if that is why the state is told.
        interrupts: Option<Vec<Interrupt>>,
    },
    /// A task begins.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// Its node, or the function that was called.
        name: String,
        /// What it reads.
        input: Value,
        /// The channels that can make it run.
        triggers: Vec<String>,
    },
    /// A task ended.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// Its node, or the function that was called.
        name: String,
        /// Why it ran.
        path: TaskPath,
        /// How it ended.
        end: TaskEnd,
        /// Whether it did not run now: its writes were kept from before.
        is_cached: bool,
    },
    /// The run stops at a breakpoint.
    Paused,
    /// The next piece of a message.
    MessageDelta {
        /// The task that has it made.
        task: TaskId,
        /// Its node.
        name: String,
        /// The message's id.
        message: String,
        /// What is in the stream's metadata: where in the graph it is made.
        metadata: Map<String, Value>,
        /// The piece.
        piece: MessagePiece,
    },
    /// What a node writes to the stream by itself.
    Custom {
        /// The task.
        task: TaskId,
        /// Its node.
        name: String,
        /// What it writes.
        value: Value,
    },
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePiece {
    /// Text.
    Text(String),
    /// A piece of a tool call.
    ToolCallDelta {
        /// The place of the call among those of the message.
        index: usize,
        /// Whether it is the first piece of its call.
        is_first: bool,
        /// The piece.
        delta: ToolCallDelta,
    },
    /// A whole tool call, after its pieces.
    ToolCall(ToolCall),
    /// The end of the message.
    Done {
        /// What it cost.
        usage: Usage,
        /// Why it ended.
        finish_reason: FinishReason,
    },
    /// A whole message that no model streamed.
    Whole(Value),
}

/// A checkpoint as it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointTold {
    /// The checkpoint.
    #[serde(flatten)]
    pub head: CheckpointHead,
    /// The thread.
    pub thread: String,
    /// The checkpoints of the graphs around this one.
    pub parents: Map<String, Value>,
    /// What the run's caller says of it.
    pub metadata: Map<String, Value>,
    /// The state.
    pub values: Value,
    /// The nodes that run next.
    pub next: Vec<String>,
    /// The tasks of the step.
    pub tasks: Vec<TaskView>,
}
