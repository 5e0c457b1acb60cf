//! The mesh: ready agents over loaded models. Its methods are the waist that every surface calls.
//!
//! Owns: the agents and models, and `start`, the first of the waist's functions.
//! Never: listens, decodes bytes or knows a protocol.
//! Flow: a surface decodes a command and calls `start`; the run that comes back is its stream of updates.

use crate::agent::{AgentInfo, ReadyAgent};
use crate::chat::RunInput;
use crate::run::Run;
use crate::start::StartError;
use genesis_mesh_core::Model;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Models and agents that are checked and ready to run; cheap to clone, shared by all clones.
///
/// ```
/// # use genesis_mesh::{GenesisMesh, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let script = "[[rule]]\ntext = \"Paris.\"";
/// let mesh = GenesisMesh::new().model("geo", ScriptedModel::from_toml(script)?).setup().await?;
/// let run = mesh.start("geo", serde_json::json!({"prompt": "The capital of France?"})).await?;
/// assert_eq!(run.text().await?, "Paris.");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Mesh {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    models: BTreeMap<String, Arc<dyn Model>>,
    agents: BTreeMap<String, ReadyAgent>,
}

impl Mesh {
    pub(crate) fn new(
        models: BTreeMap<String, Arc<dyn Model>>,
        agents: BTreeMap<String, ReadyAgent>,
    ) -> Self {
        Self { inner: Arc::new(Inner { models, agents }) }
    }

    /// Starts a run of `agent` with `input`: a JSON value that fits the agent's schema, or a chat request.
    ///
    /// # Errors
    /// `UnknownAgent` and `InvalidInput` are the caller's; `Model` says whether a retry may help.
    ///
    /// # Cancel safety
    /// Dropping the future stops what was begun.
    pub async fn start(&self, agent: &str, input: impl Into<RunInput>) -> Result<Run, StartError> {
        let Some(ready) = self.inner.agents.get(agent) else {
            let known = self.inner.agents.keys().cloned().collect();
            return Err(StartError::UnknownAgent { agent: agent.to_owned(), known });
        };
        ready.start(input.into()).await
    }

    /// What the agent of this name says of itself.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<&AgentInfo> {
        self.inner.agents.get(name).map(|agent| &agent.info)
    }

    /// All agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &AgentInfo> {
        self.inner.agents.values().map(|agent| &agent.info)
    }

    /// All models, by name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Arc<dyn Model>)> {
        self.inner.models.iter().map(|(name, model)| (name.as_str(), model))
    }
}
