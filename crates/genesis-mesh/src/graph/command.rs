//! Commands and sends: what a node, or the caller of a run, asks for besides writes.
//!
//! Owns: `Send`, `Goto`, `Command`, and their form on the way to a graph around this one.
//! Never: knows whether a name exists; an unknown one is passed over when the step is planned.

use genesis_mesh_core::run::SendPacket;
use genesis_mesh_core::state::{BoxValue, ChannelValue, State, Update};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A task for the next step with an input of its own.
#[derive(Debug, Clone)]
pub struct Send(pub(crate) SendPacket);

impl Send {
    /// Runs `node` with `input` in the next step. The node takes it as `Sent<T>`, as JSON, or as the graph's state.
    #[must_use]
    pub fn to(node: impl AsRef<str>, input: impl ChannelValue) -> Self {
        Self(SendPacket { node: Arc::from(node.as_ref()), input: Arc::new(input), run_timeout: None })
    }

    /// Bounds the task's attempts in place of its node's own limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.run_timeout = Some(limit);
        self
    }
}

/// Where a command or a branch goes.
#[derive(Debug, Clone)]
pub enum Goto {
    /// To a node; `END` goes nowhere.
    Node(Arc<str>),
    /// To a task with an input of its own.
    Send(Send),
}

impl From<&str> for Goto {
    fn from(node: &str) -> Self {
        Self::Node(Arc::from(node))
    }
}

impl From<String> for Goto {
    fn from(node: String) -> Self {
        Self::Node(Arc::from(node))
    }
}

impl From<Send> for Goto {
    fn from(send: Send) -> Self {
        Self::Send(send)
    }
}

/// What a branch gives: one target, or any number of them.
pub trait IntoGotos {
    /// The targets, in order.
    fn into_gotos(self) -> Vec<Goto>;
}

impl<T: Into<Goto>> IntoGotos for T {
    fn into_gotos(self) -> Vec<Goto> {
        vec![self.into()]
    }
}

impl<T: Into<Goto>> IntoGotos for Vec<T> {
    fn into_gotos(self) -> Vec<Goto> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<Goto>, const N: usize> IntoGotos for [T; N] {
    fn into_gotos(self) -> Vec<Goto> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<Goto>> IntoGotos for Option<T> {
    fn into_gotos(self) -> Vec<Goto> {
        self.into_iter().map(Into::into).collect()
    }
}

/// Writes to the state `S` and says what runs next, beside what the node's edges say.
#[derive(Debug)]
pub struct Command<S> {
    pub(crate) update: Update<S>,
    pub(crate) gotos: Vec<Goto>,
    pub(crate) parent: Option<ParentCommand>,
}

impl<S> Default for Command<S> {
    fn default() -> Self {
        Self { update: Update::new(), gotos: Vec::new(), parent: None }
    }
}

impl<S: State> Command<S> {
    /// Whether it asks for nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.update.is_empty() && self.gotos.is_empty() && self.parent.is_none()
    }

    /// A command that writes `update`.
    #[must_use]
    pub fn update(update: impl Into<Update<S>>) -> Self {
        Self { update: update.into(), ..Self::default() }
    }

    /// A command that goes to these nodes or sends.
    #[must_use]
    pub fn goto(targets: impl IntoGotos) -> Self {
        Self::default().and_goto(targets)
    }

    /// Adds targets.
    #[must_use]
    pub fn and_goto(mut self, targets: impl IntoGotos) -> Self {
        self.gotos.extend(targets.into_gotos());
        self
    }

    /// A command to the graph around this one, whose state is `P`: the subgraph ends at once.
    #[must_use]
    pub fn to_parent<P: State>(command: Command<P>) -> Self {
        let names = P::shape();
        let writes = command.update.into_writes().into_iter().filter_map(|write| {
            let name = names.as_ref()?.channel(write.channel)?.name.clone();
            Some((name, write.value, write.is_overwrite))
        });
        Self {
            parent: Some(ParentCommand { writes: writes.collect(), gotos: command.gotos }),
            ..Self::default()
        }
    }

    /// A command to the graph around this one that is told in JSON.
    #[must_use]
    pub fn to_parent_json(update: Map<String, Value>, gotos: impl IntoGotos) -> Self {
        let writes = update.into_iter().map(|(name, value)| {
            let (value, is_overwrite) = genesis_mesh_core::state::overwrite_of(value);
            (Arc::from(name), Box::new(value) as BoxValue, is_overwrite)
        });
        let parent = ParentCommand { writes: writes.collect(), gotos: gotos.into_gotos() };
        Self { parent: Some(parent), ..Self::default() }
    }
}

/// A command on its way to the graph around the one that sent it.
#[derive(Debug)]
pub(crate) struct ParentCommand {
    /// Channel, value, and whether it is an overwrite.
    pub(crate) writes: Vec<(Arc<str>, BoxValue, bool)>,
    pub(crate) gotos: Vec<Goto>,
}
