//! Graphs from outside: what a program that builds and runs them can rely on.

pub(crate) mod ground;
mod state;
mod routes;
mod policies;
mod failures;
mod questions;
mod threads;
mod subgraphs;
mod functions;
mod streams;
mod build;
