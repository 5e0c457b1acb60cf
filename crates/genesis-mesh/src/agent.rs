//! Agents: anything that a client can run by name: a bare model, a pipeline, a graph.
//!
//! Owns: the declared agent, the ready one, and the way from a checked input to a run.
//! Never: decides who may run it.
//! Flow: `Mesh::start` gives an input; it is checked against the schema, and the model or the graph is started.

use crate::chat::{self, RunInput};
use crate::graph::Graph;
use crate::graph_agent::{Begin, GraphAgent};
use crate::input::ModelInput;
use crate::name;
use crate::parser::ReadyParser;
use crate::pipeline::Pipeline;
use crate::run::Run;
use crate::schema::{InputError, Schema};
use crate::start::StartError;
use crate::template::Templates;
use genesis_mesh_core::state::State;
use genesis_mesh_core::{GenerateRequest, Model, Prompt, Sampling};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An agent as the program declares it: a [`Pipeline`], or a model under another name.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub(crate) plan: Plan,
}

/// What an agent is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// The model of this name as it is.
    Model(String),
    /// A template, a model and a parser.
    Pipeline(Box<Pipeline>),
    /// A graph, which may be built only when the models are there.
    Graph(GraphPlan),
}

/// A declared graph.
#[derive(Clone)]
pub(crate) struct GraphPlan {
    pub(crate) description: String,
    pub(crate) build: GraphBuild,
}

type GraphBuild = Arc<dyn Fn(&Models<'_>) -> Result<Arc<dyn GraphAgent>, GraphPlanError> + Send + Sync>;

/// Why a graph could not be built when the models were there.
pub type GraphPlanError = Box<dyn Error + Send + Sync>;

impl PartialEq for GraphPlan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.build, &other.build)
    }
}

impl fmt::Debug for GraphPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphPlan").field("description", &self.description).finish_non_exhaustive()
    }
}

/// The loaded models of a mesh, for graphs that call them.
#[derive(Debug)]
pub struct Models<'a>(pub(crate) &'a BTreeMap<String, Arc<dyn Model>>);

impl Models<'_> {
    /// The model of this name.
    ///
    /// # Errors
    /// The mesh has no such model.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Model>, GraphPlanError> {
        let known = || name::list(self.0.keys().map(String::as_str));
        let model = self.0.get(name).cloned();
        model.ok_or_else(|| format!("it needs the model `{name}`; known models: {}", known()).into())
    }
}

impl Agent {
    /// A graph.
    #[must_use]
    pub fn graph<S: State>(graph: Graph<S>) -> Self {
        Self::graph_of(move |_| Ok(graph.clone()))
    }

    /// A graph that is built when the mesh is set up, from its loaded models.
    #[must_use]
    pub fn graph_of<S: State>(
        build: impl Fn(&Models<'_>) -> Result<Graph<S>, GraphPlanError> + Send + Sync + 'static,
    ) -> Self {
        let build: GraphBuild = Arc::new(move |models| Ok(Arc::new(build(models)?)));
        Self { plan: Plan::Graph(GraphPlan { description: String::new(), build }) }
    }

    /// Says what a graph does, for people who list agents; models and pipelines have words of their own.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        if let Plan::Graph(plan) = &mut self.plan {
            plan.description = text.into();
        }
        self
    }

    /// The model that the mesh knows as `model`, as it is, under this agent's name too.
    #[must_use]
    pub fn model(model: impl Into<String>) -> Self {
        Self { plan: Plan::Model(model.into()) }
    }
}

impl<S: State> From<Graph<S>> for Agent {
    fn from(graph: Graph<S>) -> Self {
        Self::graph(graph)
    }
}

impl From<Pipeline> for Agent {
    fn from(pipeline: Pipeline) -> Self {
        Self { plan: Plan::Pipeline(Box::new(pipeline)) }
    }
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentInfo {
    /// The name by which clients run it.
    pub name: String,
    /// What it does or is, in a few words for people; may be empty.
    pub description: String,
    /// The name of its model in the mesh; empty for a graph, which may call any.
    pub model: String,
    /// The JSON schema of its input.
    pub input_schema: Value,
}

/// An agent that is checked and can run.
#[derive(Debug)]
pub(crate) struct ReadyAgent {
    pub(crate) info: AgentInfo,
    pub(crate) schema: Schema,
    pub(crate) recipe: Recipe,
}

/// How an agent turns its input into a run.
#[derive(Debug)]
pub(crate) enum Recipe {
    Model(Arc<dyn Model>),
    Pipeline(Box<PipelineRecipe>),
    Graph(Arc<dyn GraphAgent>),
}

/// The compiled parts of a pipeline.
#[derive(Debug)]
pub(crate) struct PipelineRecipe {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) templates: Templates,
    pub(crate) parser: Arc<ReadyParser>,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
}

/// What a checked input asks for.
#[derive(Debug)]
pub(crate) enum Task {
    Answer(Box<ModelCall>),
    Graph(Arc<dyn GraphAgent>, Begin),
}

/// A model, what it is asked, and what reads its answer.
#[derive(Debug)]
pub(crate) struct ModelCall {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) request: GenerateRequest,
    pub(crate) parser: Option<Arc<ReadyParser>>,
}

impl ReadyAgent {
    /// Starts a run that nobody logs.
    ///
    /// # Errors
    /// What is wrong with the input, or why the model does not take the request.
    pub(crate) async fn start(&self, input: RunInput) -> Result<Run, StartError> {
        let is_chat = matches!(input, RunInput::Chat(_));
        match self.task(input)? {
            Task::Answer(call) => {
                let ModelCall { model, request, parser } = *call;
                Ok(Run::new(model.generate(request).await?, parser))
            }
            Task::Graph(graph, Begin::Input(input)) => Ok(Run::of_graph(graph.start(input, is_chat))),
            Task::Graph(..) => Err(self.cannot_go_on("a run that is not logged begins with an input")),
        }
    }

    /// What `input` asks for, once it is checked.
    ///
    /// # Errors
    /// What is wrong with the input.
    pub(crate) fn task(&self, input: RunInput) -> Result<Task, StartError> {
        let call = |model: &Arc<dyn Model>, request, parser| {
            Task::Answer(Box::new(ModelCall { model: Arc::clone(model), request, parser }))
        };
        match &self.recipe {
            Recipe::Model(model) => {
                let request = match input {
                    RunInput::Chat(request) => *request,
                    RunInput::Value(value) => {
                        self.schema.check(&value)?;
                        ModelInput::read(value)?.into_request()?
                    }
                };
                Ok(call(model, request, None))
            }
            Recipe::Pipeline(recipe) => {
                let input = match input {
                    RunInput::Chat(request) => chat::pipeline_input(&request.prompt, self.schema.json())?,
                    RunInput::Value(value) => value,
                };
                self.schema.check(&input)?;
                Ok(call(&recipe.model, recipe.request(&input)?, Some(Arc::clone(&recipe.parser))))
            }
            Recipe::Graph(graph) => {
                let input = match input {
                    RunInput::Chat(request) => graph.chat_input(&request)?,
                    RunInput::Value(value) => value,
                };
                self.schema.check(&input)?;
                Ok(Task::Graph(Arc::clone(graph), Begin::Input(input)))
            }
        }
    }

    /// What it is to go on where a thread stands.
    ///
    /// # Errors
    /// The agent is no graph: it asks nothing and has no steps to go on with.
    pub(crate) fn go_on(&self, begin: Begin) -> Result<Task, StartError> {
        match &self.recipe {
            Recipe::Graph(graph) => Ok(Task::Graph(Arc::clone(graph), begin)),
            Recipe::Model(_) | Recipe::Pipeline(_) => {
                Err(self.cannot_go_on("it is no graph, and asks nothing that could be answered"))
            }
        }
    }

    /// Its graph, if it is one.
    pub(crate) fn graph(&self) -> Option<&Arc<dyn GraphAgent>> {
        match &self.recipe {
            Recipe::Graph(graph) => Some(graph),
            Recipe::Model(_) | Recipe::Pipeline(_) => None,
        }
    }

    fn cannot_go_on(&self, reason: &'static str) -> StartError {
        StartError::CannotGoOn { agent: self.info.name.clone(), reason }
    }
}

impl PipelineRecipe {
    /// What the model is asked.
    fn request(&self, input: &Value) -> Result<GenerateRequest, InputError> {
        Ok(GenerateRequest {
            prompt: Prompt::Messages(self.templates.render(input)?),
            max_tokens: self.max_tokens,
            sampling: self.sampling,
            stop: self.stop.clone(),
            grammar: self.parser.grammar(),
            ..GenerateRequest::default()
        })
    }
}
