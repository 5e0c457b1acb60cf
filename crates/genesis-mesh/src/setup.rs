//! Setup: `GenesisMesh`, where a program declares models and agents, and the check of all of it.
//!
//! Owns: the declarations, loading the models, and finding every mistake before the first run.
//! Never: binds an address or runs an agent.
//! Flow: declare, then `setup`: names, models (all at the same time), agents; then a `Mesh` or all problems.

mod problem;
mod assemble;

pub use problem::{SetupError, SetupProblem};

use crate::agent::Agent;
use crate::keeping::{BusSource, StoreSource};
use crate::mesh::Mesh;
use crate::name;
use crate::runner::RunnerOptions;
use crate::source::ModelSource;
use futures_util::future::join_all;
use genesis_mesh_core::Model;
use genesis_mesh_core::bus::Bus;
use genesis_mesh_core::log::RunStore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The models and agents of one program, declared and then set up.
///
/// Every model is also an agent of the same name.
///
/// ```
/// use genesis_mesh::{GenesisMesh, Pipeline, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let script = "[[rule]]\ntext = \"Hello.\"";
/// let mesh = GenesisMesh::new()
///     .model("small", ScriptedModel::from_toml(script)?)
///     .agent("greeter", Pipeline::new("small").prompt("Greet {{ name }}."))
///     .setup()
///     .await?;
/// assert_eq!(mesh.agents().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a mesh does nothing before it is set up"]
pub struct GenesisMesh {
    models: Vec<(String, ModelSource)>,
    agents: Vec<(String, Agent)>,
    store: StoreSource,
    bus: Option<BusSource>,
    runner: RunnerOptions,
}

impl GenesisMesh {
    /// A mesh without models and agents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model: a [`Model`], an `Arc` of one, or a [`ModelSource`] that setup loads.
    ///
    /// `name` is one part of a path: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub fn model(mut self, name: impl Into<String>, source: impl Into<ModelSource>) -> Self {
        self.models.push((name.into(), source.into()));
        self
    }

    /// Adds an agent: a [`Pipeline`](crate::Pipeline), a [`Graph`](crate::graph::Graph) or any other [`Agent`]. Names are
    /// as for models.
    pub fn agent(mut self, name: impl Into<String>, agent: impl Into<Agent>) -> Self {
        self.agents.push((name.into(), agent.into()));
        self
    }

    /// Keeps runs and threads here: a [`StoreSource`] that setup opens, or an `Arc` of a store; without it in memory, for as
    /// long as the process lives.
    pub fn store(mut self, store: impl Into<StoreSource>) -> Self {
        self.store = store.into();
        self
    }

    /// Tells other processes that share the store by this bus: a [`BusSource`] that setup opens, or an `Arc` of a bus;
    /// without it the one that goes with the store.
    pub fn bus(mut self, bus: impl Into<BusSource>) -> Self {
        self.bus = Some(bus.into());
        self
    }

    /// Drives logged runs with these options.
    pub fn runner(mut self, options: RunnerOptions) -> Self {
        self.runner = options;
        self
    }

    /// Checks all that can be checked without loading a model: names, templates, schemas, parsers, settings.
    /// [`Self::setup`] checks this too.
    #[must_use]
    pub fn check(&self) -> Vec<SetupProblem> {
        let mut problems = self.name_problems();
        let declared = self.models.iter().map(|(name, _)| name.clone()).collect();
        for (name, agent) in &self.agents {
            problems.extend(
                assemble::agent(name, agent, &BTreeMap::new(), &declared).err().into_iter().flatten(),
            );
        }
        problems
    }

    /// Loads the models and checks everything; binds nothing. Needs a tokio runtime.
    ///
    /// # Errors
    /// All mistakes at once.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind but model files that are still being read.
    pub async fn setup(self) -> Result<Mesh, SetupError> {
        let mut problems = self.name_problems();
        let declared: BTreeSet<String> = self.models.iter().map(|(name, _)| name.clone()).collect();
        let keeping = keeping(self.store, self.bus, self.runner, &mut problems).await;
        let models = load(self.models, &mut problems).await;
        let mut agents = BTreeMap::new();
        for (name, model) in &models {
            match assemble::model_agent(name, name, model) {
                Ok(agent) => drop(agents.insert(name.clone(), agent)),
                Err(problem) => problems.push(problem),
            }
        }
        for (name, agent) in self.agents {
            match assemble::agent(&name, &agent, &models, &declared) {
                Ok(Some(agent)) => drop(agents.insert(name, agent)),
                Ok(None) => {} // Its model failed to load, which is said already.
                Err(found) => problems.extend(found),
            }
        }
        match keeping {
            Some((store, bus, runner)) if problems.is_empty() => {
                Ok(Mesh::new(models, agents, store, bus, runner))
            }
            _ => Err(SetupError { problems }),
        }
    }

    /// With stand-ins for the models that would have to be loaded: they answer nobody.
    pub(crate) fn unloaded(mut self) -> Self {
        self.models = self.models.into_iter().map(|(name, source)| (name, source.unloaded())).collect();
        self
    }

    /// Names that are no names, and names that are used twice.
    fn name_problems(&self) -> Vec<SetupProblem> {
        let mut problems = Vec::new();
        if self.models.is_empty() && self.agents.is_empty() {
            problems.push(SetupProblem::NoModel);
        }
        let mut seen = BTreeSet::new();
        let names = self.models.iter().map(|(name, _)| name).chain(self.agents.iter().map(|(name, _)| name));
        for name in names {
            if !name::is_valid(name) {
                problems.push(SetupProblem::InvalidName { name: name.clone() });
            } else if !seen.insert(name) {
                problems.push(SetupProblem::DuplicateName { name: name.clone() });
            }
        }
        problems
    }
}

/// Opens the store and the bus; `None` if one of them can't be, which is a problem then.
async fn keeping(
    store: StoreSource,
    bus: Option<BusSource>,
    mut runner: RunnerOptions,
    problems: &mut Vec<SetupProblem>,
) -> Option<(Arc<dyn RunStore>, Arc<dyn Bus>, RunnerOptions)> {
    let bus = bus.unwrap_or_else(|| BusSource::of(&store));
    runner.is_alone |= store.is_alone();
    let (store_name, bus_name) = (store.to_string(), bus.to_string());
    let opened = store.open_within(runner.store_wait).await;
    let opened = opened.map_err(|source| SetupProblem::StoreNotOpened { store: store_name, source });
    let joined = bus.open().await;
    let joined = joined.map_err(|source| SetupProblem::BusNotOpened { bus: bus_name, source });
    match (opened, joined) {
        (Ok(store), Ok(bus)) => Some((store, bus, runner)),
        (store, bus) => {
            problems.extend(store.err().into_iter().chain(bus.err()));
            None
        }
    }
}

/// Loads all sources at the same time; those that fail become problems.
async fn load(
    sources: Vec<(String, ModelSource)>,
    problems: &mut Vec<SetupProblem>,
) -> BTreeMap<String, Arc<dyn Model>> {
    let loads = sources.into_iter().map(|(name, source)| async move {
        let origin = source.origin().to_owned();
        (name, origin, source.load().await)
    });
    let mut models = BTreeMap::new();
    for (name, origin, loaded) in join_all(loads).await {
        match loaded {
            Ok(model) => drop(models.insert(name, model)),
            Err(source) => problems.push(SetupProblem::ModelNotLoaded { model: name, origin, source }),
        }
    }
    models
}
