//! The mesh: ready agents over loaded models. Its methods are the waist that every surface calls.
//!
//! Owns: the agents and models, and the waist: `start`, `submit`, `follow`, `cancel`, `get`.
//! Never: listens, decodes bytes or knows a protocol.
//! Flow: a surface decodes a command and calls `start`; the run that comes back is its stream of updates.

use crate::agent::{AgentInfo, ReadyAgent};
use crate::chat::RunInput;
use crate::graph_agent::GraphAgent;
use crate::run::Run;
use crate::runner::{
    self, Hub, LogError, RunObserver, RunReader, RunnerOptions, Submission, Submitted, WorksOnce,
};
use crate::start::StartError;
use crate::update::RunError;
use genesis_mesh_core::Model;
use genesis_mesh_core::bus::Bus;
use genesis_mesh_core::log::{self, CancelKind, CancelOutcome, RunQuery, RunStore, Seq};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::{HistoryQuery, Store};
use serde_json::Value;
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
    agents: Arc<BTreeMap<String, ReadyAgent>>,
    hub: Arc<Hub>,
}

impl Mesh {
    pub(crate) fn new(
        models: BTreeMap<String, Arc<dyn Model>>,
        agents: BTreeMap<String, ReadyAgent>,
        store: Arc<dyn RunStore>,
        bus: Arc<dyn Bus>,
        options: RunnerOptions,
    ) -> Self {
        let agents = Arc::new(agents);
        let hub = Arc::new(Hub::new(Arc::clone(&agents), store, bus, options));
        Self { inner: Arc::new(Inner { models, agents, hub }) }
    }

    /// Starts a run that nobody logs: it is driven by its reader, and gone with it. `input` is a JSON value that
    /// fits the agent's schema, or a chat request.
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

    /// Has a run accepted: when this returns it is in the store, and will come to an end that its log tells, whatever
    /// happens to this process. It is driven by whoever works on the store: [`Mesh::work`].
    ///
    /// # Errors
    /// `UnknownAgent` and `InvalidInput` are the caller's, as is a busy thread or an idempotency key of another request;
    /// else the store can't be written.
    ///
    /// # Cancel safety
    /// If the future is dropped the run may have been accepted; with an idempotency key the same call gives it back.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, StartError> {
        runner::submit(&self.inner.hub, submission).await
    }

    /// Reads the log of a run from the event after `after` on (0: all of it), and follows it to its last event.
    ///
    /// # Errors
    /// There is no such run, the cursor is after its last event, or the store can't be read.
    pub async fn follow(&self, run: RunId, after: Seq) -> Result<RunReader, LogError> {
        runner::open(&self.inner.hub, run, after).await
    }

    /// As [`Mesh::follow`], of a run whose row is at hand.
    ///
    /// # Errors
    /// The cursor is after the last event.
    pub fn follow_run(&self, run: &log::Run, after: Seq) -> Result<RunReader, LogError> {
        runner::read(&self.inner.hub, run, after)
    }

    /// Asks a run to stop, wherever it is driven.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn cancel(&self, run: RunId, kind: CancelKind) -> Result<CancelOutcome, LogError> {
        runner::cancel(&self.inner.hub, run, kind).await
    }

    /// A run as it is kept; `None` if there is none of this id.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn get(&self, run: RunId) -> Result<Option<log::Run>, LogError> {
        Ok(self.inner.hub.store().run(run).await?)
    }

    /// Runs as they are kept, newest first.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn runs(&self, query: RunQuery) -> Result<Vec<log::Run>, LogError> {
        Ok(self.inner.hub.store().runs(query).await?)
    }

    /// Deletes a run with its log, whatever it does; returns whether it was there.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn delete_run(&self, run: RunId) -> Result<bool, LogError> {
        Ok(self.inner.hub.store().delete_run(run).await?)
    }

    /// Deletes a thread with its checkpoints and runs, whatever they do; returns whether it was there.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn delete_thread(&self, thread: &str) -> Result<bool, LogError> {
        Ok(self.inner.hub.store().delete_thread(thread).await?)
    }

    /// Where a thread of a graph stands: `values`, `next`, `interrupts`, `checkpoint_id`; null if the agent is no graph.
    ///
    /// # Errors
    /// There is no such agent, the store can't be read, or what it holds does not fit the graph any more.
    pub async fn thread_state(&self, agent: &str, thread: &str) -> Result<Value, RunError> {
        match self.graph(agent)? {
            Some(graph) => graph.state(self.threads(), thread.to_owned()).await,
            None => Ok(Value::Null),
        }
    }

    /// The checkpoints of a thread of a graph, newest first, each as [`Mesh::thread_state`] shows it.
    ///
    /// # Errors
    /// As [`Mesh::thread_state`].
    pub async fn thread_history(
        &self,
        agent: &str,
        thread: &str,
        query: HistoryQuery,
    ) -> Result<Vec<Value>, RunError> {
        match self.graph(agent)? {
            Some(graph) => graph.states(self.threads(), thread.to_owned(), query).await,
            None => Ok(Vec::new()),
        }
    }

    fn graph(&self, agent: &str) -> Result<Option<&Arc<dyn GraphAgent>>, RunError> {
        let unknown = || StartError::UnknownAgent {
            agent: agent.to_owned(),
            known: self.inner.agents.keys().cloned().collect(),
        };
        let agent = self.inner.agents.get(agent).ok_or_else(|| RunError::of_start(&unknown()))?;
        Ok(agent.graph())
    }

    fn threads(&self) -> Arc<dyn Store> {
        Arc::clone(self.inner.hub.store()) as Arc<dyn Store>
    }

    /// Whether the store can be written now.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_store(&self) -> Result<(), LogError> {
        Ok(self.inner.hub.store().check().await?)
    }

    /// Drives runs until `stop` resolves. Then no more are begun, those that go on may end until `drained` resolves, and
    /// what is left is given back to the store, for whoever works on it next.
    ///
    /// # Errors
    /// The mesh works already, or has worked. Two workers of one mesh would be in each other's way, and what one gives back
    /// at its end the other would drop; so each needs a mesh of its own.
    ///
    /// # Cancel safety
    /// Dropping the future stops every run where it is, as the end of the process would.
    pub async fn work(
        &self,
        stop: impl Future<Output = ()> + Send,
        drained: impl Future<Output = ()> + Send,
    ) -> Result<(), WorksOnce> {
        runner::work(Arc::clone(&self.inner.hub), stop, drained).await
    }

    /// Has the runs that are submitted as observed told to `begin` when they begin, or go on, in this process; what it gives
    /// is told their events. For whoever measures runs that nobody reads. The first call is the one that counts.
    pub fn observe(&self, begin: impl Fn(&log::Run) -> RunObserver + Send + Sync + 'static) {
        self.inner.hub.observe(begin);
    }

    /// What keeps runs and threads.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn RunStore> {
        self.inner.hub.store()
    }

    /// How many readers the log of a run has in this process.
    #[must_use]
    pub fn readers(&self, run: RunId) -> usize {
        self.inner.hub.readers(run)
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
