//! Why a bench can't measure, or is not content with what it measured.
//!
//! Owns: `BenchError`.
//! Never: covers what a user may leave out, such as a program to compare with: such lines are "not measured".

use genesis_mesh_core::ModelError;
use genesis_mesh_core::store::StoreError;
use genesis_mesh_local::LoadError;
use genesis_mesh_local::fetch::FetchError;
use genesis_mesh_local::gguf::GgufError;
use genesis_mesh_local::tokenizer::TokenizerError;
use genesis_mesh_store::testing::ServiceError;
use std::io;
use tokio_tungstenite::tungstenite;

/// Why a bench ends early, or fails at its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("a debug build measures nothing of use; run it with `cargo xtask bench`")]
    DebugBuild,
    #[error("the default model is not cached; `cargo xtask model` fetches it")]
    NoModel,
    #[error(transparent)]
    Cache(#[from] FetchError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the bench can't make its prompts")]
    Prompts(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the model did not answer")]
    Generate(#[from] ModelError),
    #[error("a socket of the server failed")]
    Socket(#[source] Box<tungstenite::Error>),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// PostgreSQL can't be started here.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A program that the bench starts doesn't do what it should.
    #[error("{program} {fault}")]
    Program { program: String, fault: String },
    #[error("can't {doing}")]
    Io { doing: String, source: io::Error },
    #[error("a signal ended the bench")]
    Interrupted,
    #[error("the bench panicked: {0}")]
    Panicked(String),
    #[error("{missed} of {lines} lines missed their bound")]
    Missed { missed: usize, lines: usize },
}

impl BenchError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn program(program: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Program { program: program.into(), fault: fault.into() }
    }
}

impl From<GgufError> for BenchError {
    fn from(error: GgufError) -> Self {
        Self::Prompts(Box::new(error))
    }
}

impl From<TokenizerError> for BenchError {
    fn from(error: TokenizerError) -> Self {
        Self::Prompts(Box::new(error))
    }
}

impl From<tungstenite::Error> for BenchError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}
