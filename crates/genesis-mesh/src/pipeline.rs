//! Pipelines: agents that are a prompt template, a model and a parser, one after the other.
//!
//! Owns: the declaration, as the program writes it.
//! Never: checks itself; `GenesisMesh::setup` does, and reports all mistakes at once.

use crate::parser::Parser;
use genesis_mesh_core::{Role, Sampling};
use schemars::JsonSchema;
use serde_json::Value;

/// An agent that renders its input into messages, asks a model, and parses the answer.
///
/// The input is a JSON object; its fields are the variables of the templates, unless a schema is given.
///
/// ```
/// use genesis_mesh::{Parser, Pipeline};
/// let headlines = Pipeline::new("smollm2")
///     .system("You write for {{ magazine }}.")
///     .prompt("Write three headlines about {{ topic }}, one a line.")
///     .parse(Parser::lines());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    pub(crate) model: String,
    pub(crate) description: String,
    pub(crate) messages: Vec<(Role, String)>,
    pub(crate) input_schema: Option<Value>,
    pub(crate) parser: Parser,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
}

impl Pipeline {
    /// A pipeline over the model that the mesh knows as `model`; it still needs a prompt.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            description: String::new(),
            messages: Vec::new(),
            input_schema: None,
            parser: Parser::text(),
            max_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
        }
    }

    /// Says what this agent does, for people who list agents.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Adds a system message; `template` is Jinja.
    #[must_use]
    pub fn system(self, template: impl Into<String>) -> Self {
        self.message(Role::System, template)
    }

    /// Adds a user message; `template` is Jinja.
    #[must_use]
    pub fn prompt(self, template: impl Into<String>) -> Self {
        self.message(Role::User, template)
    }

    /// Adds a message of any role, for example an answer that serves as a pattern; `template` is Jinja.
    #[must_use]
    pub fn message(mut self, role: Role, template: impl Into<String>) -> Self {
        self.messages.push((role, template.into()));
        self
    }

    /// Gives the JSON schema of the input; without it each variable is required and may be anything.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = Some(schema);
        self
    }

    /// Takes the input's schema from the type `T`.
    #[must_use]
    pub fn input<T: JsonSchema>(self) -> Self {
        self.input_schema(schemars::schema_for!(T).to_value())
    }

    /// Says what is made of the answer; without it the answer stays text.
    #[must_use]
    pub fn parse(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// Bounds the answer, in tokens, 1 or more; without it the model's context is the limit.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// Says how tokens are picked; without it always the most likely one.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Adds a text that ends the answer and is not part of it.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }
}
