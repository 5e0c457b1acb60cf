//! The loop of a run: decide, act, apply, tell, until there is nothing left to do.
//!
//! Owns: `drive`, the order of a run's life.
//! Never: decides what is next; the machine does. Never decides how a node is tried; `attempt.rs` does.
//! Flow: `begin.rs` makes a `Live`; `drive` asks its machine; `step.rs` runs tasks; `record.rs` applies and keeps facts.

mod tell;
mod record;
pub(super) mod exits;
pub(super) mod attempt;
mod step;
pub(super) mod begin;

use super::command::ParentCommand;
use super::error::GraphRunError;
use super::live::Live;
use genesis_mesh_core::run::{Decision, Interrupt, Task, TaskStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How a run stopped.
#[derive(Debug)]
pub(super) enum End {
    /// Nothing is left to do.
    Done,
    /// At a breakpoint, or because it was drained.
    Stopped,
    /// Tasks wait for answers.
    Interrupted(Vec<Interrupt>),
    /// A node sent a command to the graph around this one.
    Parent(ParentCommand),
}

/// Runs a graph to its end, its next question, its next breakpoint or its failure.
pub(super) async fn drive(live: &Arc<Live>) -> Result<End, GraphRunError> {
    let mut is_first = true;
    loop {
        let (decision, is_planned_now) = live.decide();
        let is_first = std::mem::take(&mut is_first);
        if is_planned_now || is_first {
            let is_told = is_first && live.is_told.load(Ordering::Relaxed);
            if live.tells_checkpoints() && !is_told {
                Box::pin(live.tell_checkpoint()).await?;
            }
        }
        match decision {
            Decision::Execute if live.env.is_draining() => return Ok(End::Stopped),
            Decision::Execute => {
                if let Some(command) = step::execute(live).await? {
                    return Ok(End::Parent(command));
                }
            }
            Decision::Commit => {
                if is_first {
                    Box::pin(step::tell_step(live)).await?;
                }
                live.commit().await?;
            }
            Decision::Pause => {
                Box::pin(live.tell_paused()).await;
                return Ok(End::Stopped);
            }
            Decision::Interrupted => return Box::pin(live.interrupted()).await.map(End::Interrupted),
            Decision::Failed(task) => return Err(live.failure(task)),
            Decision::OutOfSteps => {
                return Err(GraphRunError::RecursionLimit { limit: live.env.recursion_limit });
            }
            Decision::Done => return Ok(End::Done),
        }
    }
}

impl Live {
    /// What is next, and whether the step was planned by asking.
    fn decide(&self) -> (Decision, bool) {
        let mut machine = self.machine();
        let was_planned = machine.is_planned();
        (machine.next_step(), !was_planned)
    }

    /// The open questions; what finished tasks of the step have written is told first.
    async fn interrupted(&self) -> Result<Vec<Interrupt>, GraphRunError> {
        if self.ns.is_root() {
            // An answer would not help: the step could never be committed.
            self.machine().check_ended()?;
            self.tell_partial_values().await?;
        }
        let open: Vec<Interrupt> = {
            let machine = self.machine();
            let waiting =
                |task: &&Task| matches!(task.status, TaskStatus::Interrupted) && !task.path.is_call();
            machine.tasks().iter().filter(waiting).flat_map(|task| task.interrupts.iter().cloned()).collect()
        };
        if open.is_empty() {
            self.tell_paused().await;
        }
        Ok(open)
    }
}
