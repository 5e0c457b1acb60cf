//! The run machine from outside: properties of random graphs with random scripts, garbage, and the forms of graphs.
//!
//! Owns: what must hold for every graph, whatever its nodes do.
//! Never: waits or reads a clock; nodes are functions of a hash.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod shape;
mod graphs;
mod executor;
mod driver;
mod replays;
mod order;
mod replay;
mod stops;
mod garbage;
mod paths;
mod problems;
mod pictures;
