//! What setup finds wrong: one problem a mistake, all of them in one error.
//!
//! Owns: the kinds of mistakes and how they read.
//! Never: looks for mistakes; `setup` and `assemble` do.

use crate::agent::GraphPlanError;
use crate::name;
use crate::source::LoadFailure;
use genesis_mesh_core::bus::BusError;
use genesis_mesh_core::store::StoreError;
use std::error::Error;
use std::fmt;

/// Everything that is wrong with a mesh.
#[derive(Debug)]
pub struct SetupError {
    /// 1 or more problems: names first, then models, then agents in the order of their declaration.
    pub problems: Vec<SetupProblem>,
}

impl SetupError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "setup_failed"
    }

    /// Never: the program or its files must change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for SetupError {
    /// One problem stands on one line; several stand in a list, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => write!(f, "{problem}"),
            problems => {
                write!(f, "{} problems", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
            }
        }
    }
}

impl Error for SetupError {}

/// An error with its causes, but for causes that its own words include.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !told.contains(&words) {
            told.push_str(": ");
            told.push_str(&words);
        }
        cause = error.source();
    }
    told
}

/// One mistake in a mesh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupProblem {
    /// The mesh has neither model nor agent, so nothing can run.
    #[error("the mesh has no model; add one with `.model(name, …)`")]
    NoModel,
    /// The store could not be opened.
    #[error("the store {store} could not be opened ({}): {source}", .source.code())]
    StoreNotOpened {
        /// Where it is, without a password.
        store: String,
        /// What happened, and what to do.
        source: StoreError,
    },
    /// The bus could not be opened.
    #[error("the bus {bus} could not be opened: {source}")]
    BusNotOpened {
        /// Where it is, without a password.
        bus: String,
        /// What happened.
        source: BusError,
    },
    /// A name can't be a part of a path.
    #[error(
        "the name {name:?} is not usable in a path; allowed are 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// A name stands for two models, two agents, or a model and an agent.
    #[error("the name `{name}` is used more than once; models and agents share their names")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A model could not be loaded.
    #[error("model `{model}` could not be loaded from {origin}: {}", chain(source.as_ref()))]
    ModelNotLoaded {
        /// The model's name.
        model: String,
        /// Where it should come from.
        origin: String,
        /// What the loader says.
        source: LoadFailure,
    },
    /// An agent needs a model that the mesh does not have.
    #[error("agent `{agent}` needs the model `{model}`; known models: {}", name::list(known.iter().map(String::as_str)))]
    UnknownModel {
        /// The agent.
        agent: String,
        /// The model that it names.
        model: String,
        /// The models of the mesh, sorted.
        known: Vec<String>,
    },
    /// A pipeline has no message to send.
    #[error("agent `{agent}` has no prompt; add one with `.prompt(template)`")]
    NoPrompt {
        /// The agent.
        agent: String,
    },
    /// A prompt template does not compile.
    #[error("agent `{agent}`: the {role} template is wrong: {message}")]
    InvalidTemplate {
        /// The agent.
        agent: String,
        /// The role of the message: `system`, `user`.
        role: &'static str,
        /// What is wrong, with its line.
        message: String,
    },
    /// A template reads a variable that the input schema does not declare.
    #[error("agent `{agent}`: a template reads `{variable}`, which the input schema does not declare")]
    UndeclaredVariable {
        /// The agent.
        agent: String,
        /// The variable.
        variable: String,
    },
    /// The input schema is no JSON schema.
    #[error("agent `{agent}`: the input schema is wrong: {message}")]
    InvalidInputSchema {
        /// The agent.
        agent: String,
        /// What is wrong, and where.
        message: String,
    },
    /// The parser's schema or pattern is wrong.
    #[error("agent `{agent}`: the parser is wrong: {message}")]
    InvalidParser {
        /// The agent.
        agent: String,
        /// What is wrong, and where.
        message: String,
    },
    /// A graph could not be built.
    #[error("agent `{agent}`: {}", chain(source.as_ref()))]
    InvalidGraph {
        /// The agent.
        agent: String,
        /// Every mistake in the graph, or what it needs.
        source: GraphPlanError,
    },
    /// A setting is out of its range.
    #[error("agent `{agent}`: {setting} is out of range: {message}")]
    InvalidSetting {
        /// The agent.
        agent: String,
        /// The setting: `max_tokens`, `sampling.top_p`, `stop`.
        setting: &'static str,
        /// What is allowed.
        message: &'static str,
    },
}
