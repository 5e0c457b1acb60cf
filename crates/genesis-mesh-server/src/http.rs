//! HTTP: accepting connections, and the form of its errors.
//!
//! Owns: the accept loop and the JSON form of errors.
//! Never: knows WebSocket frames; `ws` takes the connection over.

pub(crate) mod answer;
pub(crate) mod error;
pub(crate) mod transport;
pub(crate) mod accept;
