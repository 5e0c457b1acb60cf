//! Exits: what a task's output becomes as writes, by its node's edges, joins and branches.
//!
//! Owns: the order of a task's writes, and the evaluation of branches on the state with the task's own writes in.
//! Never: knows how the task ran.

use crate::graph::command::Goto;
use crate::graph::error::NodeError;
use crate::graph::live::GraphCore;
use crate::graph::live::Live;
use crate::graph::output::Output;
use genesis_mesh_core::graph::{END, Exit, NodeId, START};
use genesis_mesh_core::run::{TaskId, TaskWrite};
use genesis_mesh_core::state::StateCell;

impl Live {
    /// The writes of a task of `node`: its own, its command's targets, then its edges and branches.
    pub(super) fn writes_of(
        &self,
        node: NodeId,
        task: TaskId,
        output: Output,
    ) -> Result<Vec<TaskWrite>, NodeError> {
        let state = || self.machine().readable_state();
        writes(&self.core, node, task, output, &state)
    }
}

/// As [`Live::writes_of`], for a state that is not that of a run: `update_state` writes as a node would.
pub(in crate::graph) fn writes(
    core: &GraphCore,
    node: NodeId,
    task: TaskId,
    mut output: Output,
    state: &dyn Fn() -> StateCell,
) -> Result<Vec<TaskWrite>, NodeError> {
    let shape = core.topology.shape();
    let mut ids = 0..;
    let mut next_id = || task.derive(ids.next().unwrap_or_default());
    let mut writes = Vec::with_capacity(output.writes.len() + output.gotos.len() + 1);
    for mut write in output.writes.drain(..) {
        if let Some(channel) = shape.channel(write.channel) {
            channel.ops.assign_ids(&mut write.value, &mut next_id);
        }
        writes.push(TaskWrite::State(write));
    }
    if let Some((value, saved)) = output.returned {
        writes.extend([TaskWrite::Return(value), TaskWrite::Save(saved)]);
    }
    for goto in output.gotos {
        push(core, goto, &mut writes)?;
    }
    let exits = core.topology.node(node).map_or(&[][..], |node| &node.exits);
    for exit in exits {
        match exit {
            Exit::Edge(to) => writes.push(TaskWrite::Goto(*to)),
            Exit::End => {}
            Exit::Join(join) => writes.push(TaskWrite::Join { join: *join, from: node }),
            Exit::Router { router, .. } => {
                let Some(router) = core.routers.get(*router as usize) else { continue };
                let fresh = fresh(core, state(), &writes)?;
                for goto in (router.route)(&fresh)? {
                    let goto = match (goto, &router.labels) {
                        (Goto::Node(label), Some(labels)) => {
                            Goto::Node(labels.get(&label).cloned().ok_or_else(|| {
                                NodeError::new(
                                    "InvalidRoute",
                                    format!("the branch has no path for `{label}`"),
                                )
                            })?)
                        }
                        (goto, _) => goto,
                    };
                    push(core, goto, &mut writes)?;
                }
            }
        }
    }
    Ok(writes)
}

/// The writes of the caller of a run, which no edges follow.
pub(in crate::graph) fn caller_writes(
    core: &GraphCore,
    task: TaskId,
    output: Output,
) -> Result<Vec<TaskWrite>, NodeError> {
    if output.parent.is_some() {
        return Err(NodeError::new("ParentCommand", "there is no graph around this one to take the command"));
    }
    let shape = core.topology.shape();
    let mut ids = 0..;
    let mut writes = Vec::new();
    for mut write in output.writes {
        if let Some(channel) = shape.channel(write.channel) {
            channel.ops.assign_ids(&mut write.value, &mut || task.derive(ids.next().unwrap_or_default()));
        }
        writes.push(TaskWrite::State(write));
    }
    for goto in output.gotos {
        push(core, goto, &mut writes)?;
    }
    Ok(writes)
}

fn push(core: &GraphCore, goto: Goto, writes: &mut Vec<TaskWrite>) -> Result<(), NodeError> {
    match goto {
        Goto::Node(name) if &*name == END => {}
        Goto::Node(name) if &*name == START => {
            return Err(NodeError::new(
                "InvalidRoute",
                "a branch can't lead to START, where only runs begin",
            ));
        }
        Goto::Node(name) => match core.topology.id(&name) {
            Some(node) => writes.push(TaskWrite::Goto(node)),
            None => {
                tracing::warn!(graph = %core.topology.name(), node = %name, "a branch or command goes to a node that does not exist; it is passed over");
            }
        },
        Goto::Send(send) if &*send.0.node == END => {
            return Err(NodeError::new("InvalidUpdate", "a Send can't go to END, which takes no input"));
        }
        Goto::Send(send) => {
            if core.topology.id(&send.0.node).is_none() {
                tracing::warn!(graph = %core.topology.name(), node = %send.0.node, "a Send goes to a node that does not exist; it is passed over");
            }
            writes.push(TaskWrite::Send(send.0));
        }
    }
    Ok(())
}

/// The state with a task's own writes in, and without what would live one step only and was not written.
fn fresh(core: &GraphCore, mut state: StateCell, writes: &[TaskWrite]) -> Result<StateCell, NodeError> {
    let shape = core.topology.shape();
    let written =
        |id: u32| writes.iter().any(|write| matches!(write, TaskWrite::State(write) if write.channel == id));
    for (channel, id) in shape.channels().iter().zip(0..) {
        if channel.kind.lives_one_step() && state.has(id) && !written(id) {
            shape.clear(&mut state, id);
        }
    }
    for write in writes {
        if let TaskWrite::State(write) = write {
            shape.fold(&mut state, write.channel, write.value.clone_value(), write.is_overwrite)?;
        }
    }
    Ok(state)
}
