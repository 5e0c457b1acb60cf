//! Agents: anything that a client can run by name. Now a bare model or a pipeline; graphs come.
//!
//! Owns: the declared agent, the ready one, and the way from a checked input to a request.
//! Never: calls a model; the mesh starts runs.
//! Flow: `Mesh::start` checks the input against the schema, asks for the request, starts the model.

use crate::chat::{self, RunInput};
use crate::input::ModelInput;
use crate::parser::ReadyParser;
use crate::pipeline::Pipeline;
use crate::schema::{InputError, Schema};
use crate::template::Templates;
use genesis_mesh_core::{GenerateRequest, Model, Prompt, Sampling, ToolChoice};
use serde_json::Value;
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
}

impl Agent {
    /// The model that the mesh knows as `model`, as it is, under this agent's name too.
    #[must_use]
    pub fn model(model: impl Into<String>) -> Self {
        Self { plan: Plan::Model(model.into()) }
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
    /// The name of its model in the mesh.
    pub model: String,
    /// The JSON schema of its input.
    pub input_schema: Value,
}

/// An agent that is checked and can run.
#[derive(Debug)]
pub(crate) struct ReadyAgent {
    pub(crate) info: AgentInfo,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) schema: Schema,
    pub(crate) recipe: Recipe,
}

/// How an agent turns its input into a request.
#[derive(Debug)]
pub(crate) enum Recipe {
    Model,
    Pipeline(Box<PipelineRecipe>),
}

/// The compiled parts of a pipeline.
#[derive(Debug)]
pub(crate) struct PipelineRecipe {
    pub(crate) templates: Templates,
    pub(crate) parser: Arc<ReadyParser>,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
}

impl ReadyAgent {
    /// What the model is asked.
    ///
    /// # Errors
    /// What is wrong with the input.
    pub(crate) fn request(&self, input: RunInput) -> Result<GenerateRequest, InputError> {
        match (input, &self.recipe) {
            (RunInput::Value(value), _) => self.read(value),
            (RunInput::Chat(request), Recipe::Model) => Ok(*request),
            (RunInput::Chat(request), Recipe::Pipeline(_)) => {
                self.read(chat::pipeline_input(&request.prompt, self.schema.json())?)
            }
        }
    }

    /// Checks `input` and says what the model is asked.
    fn read(&self, input: Value) -> Result<GenerateRequest, InputError> {
        self.schema.check(&input)?;
        match &self.recipe {
            Recipe::Model => ModelInput::read(input)?.into_request(),
            Recipe::Pipeline(recipe) => Ok(GenerateRequest {
                prompt: Prompt::Messages(recipe.templates.render(&input)?),
                max_tokens: recipe.max_tokens,
                sampling: recipe.sampling,
                stop: recipe.stop.clone(),
                grammar: recipe.parser.grammar(),
                tools: Vec::new(),
                tool_choice: ToolChoice::default(),
                is_single_tool_call: false,
                logprobs: None,
            }),
        }
    }

    /// What reads the answer at the end of a run.
    pub(crate) fn parser(&self) -> Option<Arc<ReadyParser>> {
        match &self.recipe {
            Recipe::Model => None,
            Recipe::Pipeline(recipe) => Some(Arc::clone(&recipe.parser)),
        }
    }
}
