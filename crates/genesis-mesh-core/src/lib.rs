//! Charter: the vocabulary and the contracts that every other crate speaks; pure data and traits.
//!
//! Owns: messages, what a model is asked, what it answers, and the `Model` contract.
//! Never: performs I/O, reads a clock, spawns a task or knows a wire protocol.
//! Flow: surfaces build a [`GenerateRequest`], a [`Model`] turns it into a [`ModelStream`] of [`ModelEvent`]s.
#![forbid(unsafe_code)]

mod message;
mod generate;
mod answer;
mod model;
pub mod state;
pub mod graph;
pub mod run;
pub mod stream;
pub mod store;
pub mod log;
pub mod bus;
pub mod items;

pub use answer::{FinishReason, ModelEvent, TokenLogprob, Usage};
pub use generate::{GenerateRequest, Grammar, Prompt, Sampling, ToolChoice, ToolSpec};
pub use message::{Message, MessageChange, RemoveTag, Role, ToolCall, ToolCallDelta};
pub use model::{BoxFuture, CancelHandle, Model, ModelError, ModelInfo, ModelLoad, ModelStream, Wait};
