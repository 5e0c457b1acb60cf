//! Charter: implementations of the `Store` contract, and the suite that holds each of them to it.
//!
//! Owns: the store in memory, which is the specification that all others are compared with.
//! Never: folds facts or runs a graph; a store keeps and finds.
//! Flow: a runner appends entries and asks for lineages; `conformance` has one check for each sentence of the contract.
#![forbid(unsafe_code)]

mod weight;
mod memory;
pub mod conformance;

pub use memory::MemoryStore;
