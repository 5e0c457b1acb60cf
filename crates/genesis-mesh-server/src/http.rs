//! HTTP: accepting connections, and the answers that are not about agents.
//!
//! Owns: the accept loop, the JSON form of errors, and `/health`.
//! Never: knows WebSocket frames; `ws` takes the connection over.

pub(crate) mod error;
pub(crate) mod accept;
pub(crate) mod health;
