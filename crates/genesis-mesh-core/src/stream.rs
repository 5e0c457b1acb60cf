//! Streams: what a run tells while it works, as events, and the views of them that clients ask for.
//!
//! Owns: the closed list of events, and the stream modes, which are projections of it.
//! Never: makes an event; the runner does, and only those that somebody asked for.
//! Flow: the runner emits an [`Event`]; [`Event::parts`] gives the parts of the streams that show it.
//! Source: names and payloads of the modes are those of LangGraph's clients.

mod event;
mod mode;
mod project;

pub use event::{CheckpointTold, Event, EventKind, MessagePiece};
pub use mode::{StreamMode, StreamModes};
pub use project::StreamPart;
