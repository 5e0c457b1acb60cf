//! Writes of tasks: to the state, to triggers, to the next step's sends, and to whoever called.
//!
//! Owns: the closed list of what a finished task leaves behind.
//! Never: names channels by text; that form is `record.rs`.

use crate::graph::{JoinId, NodeId};
use crate::state::{ChannelValue, Write};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One thing that a task leaves behind.
#[derive(Debug, Clone)]
pub enum TaskWrite {
    /// A value for a channel of the state.
    State(Write),
    /// A node runs in the next step.
    Goto(NodeId),
    /// The node `from` has run; the join waits for the others.
    Join {
        /// The join.
        join: JoinId,
        /// Which of its sources.
        from: NodeId,
    },
    /// A task with an input of its own runs in the next step.
    Send(SendPacket),
    /// What a call or a function returns.
    Return(Arc<dyn ChannelValue>),
    /// What a function keeps for its next run on this thread.
    Save(Arc<dyn ChannelValue>),
}

/// A task for the next step, with an input of its own.
#[derive(Clone)]
pub struct SendPacket {
    /// The node that runs; a name, because it may be unknown, and is then passed over.
    pub node: Arc<str>,
    /// Its input.
    pub input: Arc<dyn ChannelValue>,
    /// How long it may run, in place of the node's own limit.
    pub run_timeout: Option<Duration>,
}

impl fmt::Debug for SendPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendPacket")
            .field("node", &self.node)
            .field("input", &&*self.input)
            .finish_non_exhaustive()
    }
}
