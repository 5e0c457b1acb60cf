//! Charter: implementations of the contracts `RunStore` and `Items`, and the suites that hold each of them to its contract.
//!
//! Owns: the stores in memory, which are the specification that all others are compared with, the stores on SQLite and
//! PostgreSQL, and the buses that carry hints.
//! Never: folds facts or runs a graph; a store keeps and finds.
//! Flow: a runner claims runs, commits their events and entries, and asks for lineages; `conformance` has one check
//! for each sentence of the contract.
#![forbid(unsafe_code)]

mod clock;
mod weight;
mod task;
mod parts;
mod rows;
mod memory;
mod sqlite;
mod postgres;
mod carry;
mod items;
mod bus;
pub mod conformance;
#[cfg(unix)]
pub mod testing;

pub use bus::{LocalBus, LossyBus, LossyOptions, NatsBus, PostgresBus};
pub use carry::{DiskStore, Found, carry};
pub use clock::Clock;
pub use items::{Embed, ItemsIndex, ItemsOptions, MemoryItems};
pub use memory::MemoryStore;
pub use parts::{CarryError, Counts};
pub use postgres::{PostgresOptions, PostgresStore};
pub use sqlite::{SqliteOptions, SqliteStore};
