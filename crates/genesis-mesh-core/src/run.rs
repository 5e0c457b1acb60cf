//! Runs: the machine that says what a graph does next, and is told what has happened.
//!
//! Owns: tasks, facts, checkpoints, and the pure machine over them: `next_step` decides, `apply` takes a fact.
//! Never: runs a node, waits, reads a clock or draws a number; ids and times come in with the facts.
//! Flow: a runner asks [`Machine::next_step`], does it, and applies what came of it; a store keeps the same facts as
//! records, and applying them again gives the same state.

mod path;
mod id;
mod fault;
mod write;
mod task;
mod trigger;
mod fact;
mod live;
mod machine;
mod commit;
mod plan;
mod apply;
mod record;
mod view;
mod snapshot;

pub use fact::{Answer, Fact, Input, Source};
pub use fault::{Failure, StepError};
pub use id::{CheckpointId, InterruptId, InvalidId, Namespace, RunId, TaskId};
pub use machine::{Breakpoints, CheckpointHead, Decision, Machine};
pub use path::TaskPath;
pub use record::{CallRecord, FactRecord, RecordError, TaskEnd, UpdateRecord, WriteRecord};
pub use snapshot::MachineSnapshot;
pub use task::{Interrupt, Task, TaskInput, TaskStatus};
pub use view::{StateView, TaskView};
pub use write::{SendPacket, TaskWrite};
