//! The log of runs from outside: what is kept, told and gone on with, whatever happens to the process or the store.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects by panicking")]

#[expect(dead_code, reason = "the simulation uses more of it")]
pub(crate) mod faulty;
mod faults;
pub(crate) mod world;
mod read;
mod answers;
mod crash;
mod ahead;
mod resume;
mod stop;
mod queue;
mod shared;
mod outage;
