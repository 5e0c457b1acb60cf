//! The shape of `mesh.toml`: structs that are its reader, its JSON schema and its documentation at once.
//!
//! Owns: the keys with their types, ranges, defaults and words.
//! Never: checks what needs more than one key or a file; the modules above do.

mod agent;
mod model;
mod server;

pub(super) use agent::{AgentForm, OutputForm, RoleForm, SchemaForm, TextOutput};
pub(super) use model::{LocalForm, ModelForm, UpstreamForm};
pub(super) use server::{LimitsForm, LogFormatForm, ServerForm, TelemetryForm};

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The configuration of Genesis Mesh: models, agents, who may use them, and how they are served.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "mesh.toml")]
pub(super) struct MeshForm {
    /// Where and how the server listens.
    #[serde(default)]
    pub(super) server: ServerForm,
    /// Models by name; without one the default model is served as `smollm2`.
    #[serde(default)]
    pub(super) models: BTreeMap<String, ModelForm>,
    /// Agents by name; every model is an agent of its own name too.
    #[serde(default)]
    pub(super) agents: BTreeMap<String, AgentForm>,
    /// Keys that open the server; without one everybody who reaches it may do everything.
    #[serde(default)]
    pub(super) keys: Vec<KeyForm>,
    /// Logs and traces.
    #[serde(default)]
    pub(super) telemetry: TelemetryForm,
}

/// A key that opens the server; `genesis-mesh keys new` makes one.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct KeyForm {
    /// The name by which logs and metrics know it.
    #[schemars(length(min = 1))]
    pub(super) name: String,
    /// The SHA-256 of the key: `sha256:` and 64 hexadecimal digits.
    pub(super) sha256: String,
    /// What it may do: `run` (any agent), `agent:NAME` (this one), `observe` (metrics and state); everything
    /// without one.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// From when on it is refused: a date (its first moment in UTC) or a time with its offset, as in RFC 3339;
    /// never without it.
    #[schemars(extend("x-date" = true))]
    pub(super) expires: Option<String>,
    /// Whether it is refused from now on.
    #[schemars(extend("default" = false))]
    pub(super) revoked: Option<bool>,
}
