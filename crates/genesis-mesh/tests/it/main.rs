//! The mesh from outside: setup finds every mistake, runs tell what their model says.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by panicking")]

mod setup;
mod keeping;
mod runs;
mod testing;
mod probe;
mod examples;
mod derive;
mod graph;
mod log;
mod attack;
