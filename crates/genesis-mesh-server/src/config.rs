//! Configuration: `mesh.toml`, the environment and flags, read into a mesh and the options to serve it.
//!
//! Owns: the one way from settings to models, agents, keys and options, with all mistakes at once.
//! Never: loads weights, binds, or shows a secret.
//! Flow: file -> tree, variables and flags on top -> held to the schema -> forms -> `Config`.

mod problem;
mod tree;
mod form;
mod schema;
mod check;
mod source;
mod overlay;
mod reader;
mod server;
mod key;
mod model;
mod agent;

pub use model::ModelPlan;
pub use problem::{ConfigError, ConfigProblem};
pub use source::{CONFIG_FILE, CONFIG_VARIABLE, Sources};

use crate::options::{ServeOptions, TelemetryOptions};
use form::MeshForm;
use genesis_mesh::local::fetch::Progress;
use genesis_mesh::{Agent, BusSource, GenesisMesh, SetupProblem, StoreSource};
use problem::{Place, Problem};
use reader::Reader;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tree::Node;

/// Everything that a server is told before it starts.
///
/// A program with agents of its own can use the same file as `genesis-mesh`:
///
/// ```
/// use genesis_mesh::Pipeline;
/// use genesis_mesh_server::config::{Config, Sources};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("hello.toml"), "[[rule]]\ntext = \"Hello.\"")?;
/// # let file = folder.path().join("mesh.toml");
/// # std::fs::write(&file, "[models.small]\nscript = \"hello.toml\"\n[server]\nport = 9000\nstore = \"memory\"")?;
/// let config = Config::load(&Sources::from_env().file(file))?;
/// let greeter = Pipeline::new("small").prompt("Greet {{ name }}.");
/// let mesh = config.mesh().agent("greeter", greeter).setup().await?;
/// assert_eq!(config.port(), 9000);
/// assert!(mesh.agent("greeter").is_some());
/// // `mesh.serve_on(listener, config.serve_options(), stop)` serves it.
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    file: Option<PathBuf>,
    host: String,
    port: u16,
    is_insecure: bool,
    options: ServeOptions,
    store: StoreSource,
    bus: BusSource,
    models: Vec<(String, ModelPlan)>,
    agents: Vec<(String, Agent)>,
}

impl Config {
    /// Reads and checks everything but the weights of models: files are there, scripts, templates and schemas
    /// compile, references to secrets lead to some.
    ///
    /// # Errors
    /// The file can't be read, or all mistakes at once, each with its line, variable or flag.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let name = sources.config_file().map(|path| path.display().to_string()).unwrap_or_default();
        let (mut root, problems) = match (&sources.text, sources.config_file()) {
            (Some(text), _) => tree::parse(text),
            (None, Some(path)) => tree::parse(&read(path)?),
            (None, None) => (Node::empty(), Vec::new()),
        };
        // What a broken syntax leaves is no ground for more words.
        if !problems.is_empty() {
            return Err(problem::error(problems, &name));
        }
        let schema = schema::schema();
        let mut problems = overlay::apply(&mut root, sources, &schema);
        let (clean, found) = check::check(&schema, &root);
        problems.extend(found);
        let mut reader = Reader { root: &root, sources, problems };
        let config = match MeshForm::deserialize(clean) {
            Ok(form) => Some(Self::from_form(&form, &mut reader)),
            Err(error) => {
                reader.say(&[], error.to_string());
                None
            }
        };
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(problem::error(reader.problems, &name)),
        }
    }

    fn from_form(form: &MeshForm, reader: &mut Reader<'_>) -> Self {
        let mut options = server::options(&form.server, reader);
        let (store, bus) = server::keeping(&form.server, reader);
        let names = names(reader);
        options.telemetry = server::telemetry(&form.telemetry, reader);
        options.keys = key::keys(&form.keys, &names, reader);
        let plans = form
            .models
            .iter()
            .filter_map(|(name, form)| model::plan(name, form, reader).map(|plan| (name.clone(), plan)));
        let models = plans.collect();
        let agents = form
            .agents
            .iter()
            .filter_map(|(name, form)| agent::agent(name, form, reader).map(|agent| (name.clone(), agent)));
        let agents = agents.collect();
        let config = Self {
            file: reader.sources.config_file().map(Path::to_owned),
            host: form.server.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: form.server.port.unwrap_or(8080),
            is_insecure: form.server.insecure.unwrap_or(false),
            options,
            store,
            bus,
            models,
            agents,
        };
        config.check(form, reader);
        config
    }

    /// The checks that need all tables.
    fn check(&self, form: &MeshForm, reader: &mut Reader<'_>) {
        if server::is_open(&self.host) && form.keys.is_empty() && !self.is_insecure {
            reader.say(&["server", "host"], open_without_keys(&self.host));
        }
        for problem in self.mesh().check() {
            let path = agent::path_of(&problem, reader.root);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match &problem {
                // Some models are missing here because of mistakes that are told already: the file counts.
                SetupProblem::UnknownModel { model, .. } => {
                    if let Some(message) = unknown_model(reader.root, model) {
                        reader.say(&path, message);
                    }
                }
                SetupProblem::NoModel => {}
                _ => reader.say(&path, problem.to_string()),
            }
        }
    }

    /// The JSON schema of the file, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schema::schema()
    }

    /// The environment variables that count, each with the key that it sets: `GENESIS_MESH_PORT`, `server.port`.
    #[must_use]
    pub fn variables() -> Vec<(String, String)> {
        overlay::variables(&schema::schema())
    }

    /// The file that was read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The address or name to listen on.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to listen on; 0 lets the system choose.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this server may listen on `address`: one that other machines reach needs keys, or `insecure`.
    ///
    /// # Errors
    /// What to do about it.
    pub fn may_listen_on(&self, address: std::net::IpAddr) -> Result<(), ConfigError> {
        if address.to_canonical().is_loopback() || !self.options.keys.is_empty() || self.is_insecure {
            return Ok(());
        }
        let message = open_without_keys(&self.host);
        Err(problem::error(vec![Problem { place: Place::Default, message }], ""))
    }

    /// The models by name, sorted.
    pub fn models(&self) -> impl Iterator<Item = (&str, &ModelPlan)> {
        self.models.iter().map(|(name, plan)| (name.as_str(), plan))
    }

    /// The declared models and agents, to which a program may add its own.
    pub fn mesh(&self) -> GenesisMesh {
        self.mesh_watched(|_, _| ControlFlow::Continue(()))
    }

    /// As [`Self::mesh`]; `watch` is told which model's fetch is how far, at least ten times a second,
    /// and may end it.
    pub fn mesh_watched(
        &self,
        watch: impl Fn(&ModelPlan, Progress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> GenesisMesh {
        let watch: model::Watch = Arc::new(watch);
        let sources = model::sources(self.models.iter().map(|(_, plan)| plan), &watch);
        let names = self.models.iter().map(|(name, _)| name.clone());
        let mesh = GenesisMesh::new().store(self.store.clone()).bus(self.bus.clone());
        let mesh = names.zip(sources).fold(mesh, |mesh, (name, source)| mesh.model(name, source));
        self.agents.iter().fold(mesh, |mesh, (name, agent)| mesh.agent(name.clone(), agent.clone()))
    }

    /// Where runs and threads are kept; the mesh opens it in setup.
    #[must_use]
    pub fn store(&self) -> &StoreSource {
        &self.store
    }

    /// What tells servers of each other's runs.
    #[must_use]
    pub fn bus(&self) -> &BusSource {
        &self.bus
    }

    /// How the mesh is served.
    #[must_use]
    pub fn serve_options(&self) -> ServeOptions {
        self.options.clone()
    }

    /// Logs and traces.
    #[must_use]
    pub fn telemetry(&self) -> &TelemetryOptions {
        &self.options.telemetry
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The names of all agents: models, agents, and those that the program will add.
fn names(reader: &Reader<'_>) -> BTreeSet<String> {
    let tables = ["models", "agents"].into_iter().filter_map(|table| reader.root.get(table));
    let declared = tables.flat_map(|table| table.node.entries()).map(|entry| entry.name.clone());
    declared.chain(reader.sources.agents.iter().cloned()).collect()
}

/// What to say of an agent whose model the file does not declare; `None` if it does.
fn unknown_model(root: &Node, model: &str) -> Option<String> {
    let declared = root.get("models").map(|models| models.node.entries()).unwrap_or_default();
    let nearest = declared.iter().min_by_key(|entry| strsim::damerau_levenshtein(&entry.name, model))?;
    let message = format!("no model is named `{model}`; the nearest known name is `{}`", nearest.name);
    (nearest.name != model).then_some(message)
}

fn open_without_keys(host: &str) -> String {
    format!(
        "{host} is reached by other machines, and no keys are asked for: make one with `genesis-mesh keys new \
         --name NAME --append`, or say `--insecure` (`insecure = true`) to let everybody in"
    )
}

#[cfg(test)]
mod tests;
