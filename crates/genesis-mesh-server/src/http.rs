//! HTTP: accepting connections, reading bodies, and the form of its errors.
//!
//! Owns: the accept loop, TLS, what bounds a connection, the bounds of a body, and the JSON form of errors.
//! Never: knows WebSocket frames; `ws` takes the connection over.

pub(crate) mod credential;
pub(crate) mod answer;
pub(crate) mod error;
pub(crate) mod body;
pub(crate) mod trace;
mod refusal;
mod turn;
mod visits;
mod tls;
pub(crate) mod transport;
pub(crate) mod guard;
pub(crate) mod accept;

pub use self::tls::TlsError;
