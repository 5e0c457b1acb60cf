//! The buses: hints in one process, over PostgreSQL, over NATS, and one that loses what it can.
//!
//! Owns: the implementations of the contract `Bus`.
//! Never: keeps a hint for whoever comes later; the store is what is kept.
//! Flow: a hint reaches `hub.rs` of each process, which puts it into the mailboxes of those who subscribed.

mod mailbox;
mod hub;
mod local;
mod lossy;
#[cfg(test)]
mod tests;

pub use local::LocalBus;
pub use lossy::{LossyBus, LossyOptions};
