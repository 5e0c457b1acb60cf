//! HTTP: accepting connections, reading bodies, and the form of its errors.
//!
//! Owns: the accept loop, the bounds of a body, and the JSON form of errors.
//! Never: knows WebSocket frames; `ws` takes the connection over.

pub(crate) mod credential;
pub(crate) mod answer;
pub(crate) mod error;
pub(crate) mod body;
pub(crate) mod trace;
pub(crate) mod transport;
pub(crate) mod accept;
