//! Charter: models behind the `Model` contract whose answers are not computed in this workspace.
//!
//! Owns: the scripted model, which plays a TOML script; the model behind an OpenAI-compatible server.
//! Never: loads weights, knows an agent, a run or a wire protocol of ours.
//! Flow: `ScriptedModel` plays the first rule that matches; `OpenAiModel` asks its server and reads the answer.
#![forbid(unsafe_code)]

mod cancel;
mod script;
mod play;
mod scripted;
mod openai;

pub use openai::{ApiKey, OpenAiError, OpenAiModel, OpenAiOptions, OpenAiTimeouts};
pub use script::{RuleFault, ScriptError};
pub use scripted::ScriptedModel;
