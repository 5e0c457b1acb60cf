//! Charter: Genesis Mesh for library users: the mesh, its models and agents, and their runs.
//!
//! Owns: `GenesisMesh` (declare and check), `Mesh` (start runs), the agents, and what a run tells.
//! Never: opens a socket; `genesis-mesh-server` serves a mesh, and reaches the lower floors through here alone.
//! Flow: `GenesisMesh::setup` gives a [`Mesh`], [`Mesh::start`] gives a [`Run`], a stream of [`Update`]s.
#![forbid(unsafe_code)]

mod name;
pub mod graph;
mod schema;
mod start;
mod update;
mod parser;
mod input;
mod source;
mod template;
mod pipeline;
mod chat;
mod graph_speech;
mod graph_agent;
mod run;
mod agent;
mod keeping;
mod runner;
mod mesh;
mod setup;
mod check;
pub mod testing;

/// The local inference engine, as far as a program chooses its parts.
pub mod local {
    pub use genesis_mesh_local::{LoadError, LocalModel, LocalOptions, fetch, inspect};
}

pub use agent::{Agent, AgentInfo, GraphPlanError, Models};
pub use chat::RunInput;
pub use check::{CheckError, ThreadsChecked, UnreadableThread};
pub use genesis_mesh_core::items;
pub use genesis_mesh_core::state::{self, Part, State};
pub use genesis_mesh_core::{
    BoxFuture, CancelHandle, FinishReason, GenerateRequest, Grammar, Message, Model, ModelError, ModelEvent,
    ModelInfo, ModelLoad, ModelStream, Prompt, Role, Sampling, TokenLogprob, ToolCall, ToolCallDelta,
    ToolChoice, ToolSpec, Usage, Wait,
};
pub use genesis_mesh_core::{bus, log, run::RunId, store};
pub use genesis_mesh_macros::{Part, State, entrypoint, task};
pub use genesis_mesh_models::{
    ApiKey, OpenAiError, OpenAiModel, OpenAiOptions, OpenAiTimeouts, ScriptError, ScriptedModel,
};
pub use genesis_mesh_store::{
    CarryError, Counts, DiskStore, Found, ItemsOptions, LocalBus, LossyBus, LossyOptions, MemoryItems,
    MemoryStore, NatsBus, PostgresBus, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, carry,
};
pub use input::{
    FunctionForm, FunctionNameForm, JsonSchemaForm, ModelInput, NamedToolForm, ResponseFormat, Stop,
    ToolChoiceForm, ToolChoiceMode, ToolForm,
};
pub use keeping::{BusSource, StoreSource, UnknownSource};
pub use mesh::Mesh;
pub use parser::Parser;
pub use pipeline::Pipeline;
pub use run::Run;
pub use runner::{
    Ask, LogError, RunObserver, RunReader, RunnerOptions, Submission, Submitted, WorksOnce, named_thread,
    thread_label, thread_name,
};
pub use schema::{InputError, InputProblem, Schema};
pub use setup::{GenesisMesh, SetupError, SetupProblem};
pub use source::{LoadFailure, ModelSource};
pub use start::StartError;
pub use update::{RunError, Update};
