//! Charter: models behind the `Model` contract whose answers are not computed in this workspace.
//!
//! Owns: the scripted model, which plays a TOML script; remote providers stand here later.
//! Never: loads weights, knows an agent, a run or a wire protocol of ours.
//! Flow: `ScriptedModel::generate` finds the first rule that matches and plays its answer as a stream.
#![forbid(unsafe_code)]

mod script;
mod play;
mod scripted;

pub use script::{RuleFault, ScriptError};
pub use scripted::ScriptedModel;
