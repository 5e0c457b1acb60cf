//! The buses: hints in one process, over PostgreSQL, over NATS, and one that loses what it can.
//!
//! Owns: the implementations of the contract `Bus`.
//! Never: keeps a hint for whoever comes later; the store is what is kept.
//! Flow: a hint reaches `hub.rs` of each process, which puts it into the mailboxes of those who subscribed.

mod mailbox;
mod hub;
mod outbox;
mod local;
mod lossy;
mod postgres;
mod nats;
#[cfg(test)]
mod tests;

pub use local::LocalBus;
pub use lossy::{LossyBus, LossyOptions};
pub use nats::NatsBus;
pub use postgres::PostgresBus;

use genesis_mesh_core::bus::BusError;
use std::fmt;
use std::time::Duration;

/// A subscription waits so long for a server that can't be reached; then its caller goes on without it.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

fn unavailable(what: impl fmt::Display) -> BusError {
    BusError::Unavailable { message: what.to_string() }
}

/// Whether a name can be a part of a channel or a subject without quotes.
fn check_name(name: &str) -> Result<(), BusError> {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(unavailable(format!("{name:?} is no name of a bus: use letters, digits and _, in lower case")))
}
