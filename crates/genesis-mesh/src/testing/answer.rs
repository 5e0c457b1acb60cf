//! Answers: a run that was read to its end, with its parts at hand.
//!
//! Owns: asking an agent and waiting for all of its answer.
//! Never: repairs an answer: a run that fails is an error, whatever it said before.

use crate::chat::RunInput;
use crate::mesh::Mesh;
use crate::run::Run;
use crate::start::StartError;
use crate::update::{RunError, Update};
use genesis_mesh_core::{FinishReason, ModelError, ToolCall, Usage};
use serde_json::Value;

/// All that a run told, whole and in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text of all deltas, joined.
    pub text: String,
    /// What the pipeline's parser made; `None` for a bare model, and for a run that was cancelled.
    pub output: Option<Value>,
    /// The tools that the model called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What the run cost.
    pub usage: Usage,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Each update as it came; the last one is `Update::Done`.
    pub updates: Vec<Update>,
}

impl Answer {
    /// Reads `run` to its end.
    ///
    /// # Errors
    /// The run's error, if it ends with one.
    pub async fn of(mut run: Run) -> Result<Self, RunError> {
        let (mut text, mut output, mut tool_calls, mut end) = (String::new(), None, Vec::new(), None);
        let mut updates = Vec::new();
        while let Some(update) = run.next().await {
            let update = update?;
            match &update {
                Update::Delta { text: piece, .. } => text.push_str(piece),
                // The whole call follows; what nodes write stands in `updates`.
                Update::Run { .. }
                | Update::Reset { .. }
                | Update::ToolCallDelta(_)
                | Update::Written { .. }
                | Update::Custom { .. }
                | Update::Interrupt { .. } => {}
                Update::ToolCall(call) => tool_calls.push(call.clone()),
                Update::Output { value } => output = Some(value.clone()),
                Update::Done { usage, finish_reason } => end = Some((*usage, *finish_reason)),
            }
            updates.push(update);
        }
        let (usage, finish_reason) = end.ok_or(ModelError::Truncated)?;
        Ok(Self { text, output, tool_calls, usage, finish_reason, updates })
    }

    /// The pieces of the text, as they were sent.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.updates.iter().filter_map(|update| match update {
            Update::Delta { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Runs `agent` of `mesh` on `input` and waits for the whole answer.
///
/// ```
/// use genesis_mesh::GenesisMesh;
/// use genesis_mesh::testing::{RecordedModel, ask};
/// use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let script = "[[rule]]\nwhen = { contains = \"capital\" }\ntext = \"It is Paris.\"";
/// let mesh = GenesisMesh::new().model("geo", RecordedModel::script(script)?).setup().await?;
///
/// let answer = ask(&mesh, "geo", json!({"prompt": "The capital of France?"})).await?;
/// assert_eq!(answer.pieces().collect::<Vec<_>>(), ["It", " is", " Paris."]);
///
/// let mistake = ask(&mesh, "geo", json!({"prompt": 7})).await.err();
/// assert_eq!(mistake.as_ref().map(|error| error.code()), Some("invalid_input"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Start` if the agent does not take the input, `Run` if its run fails.
///
/// # Cancel safety
/// Dropping the future stops the run.
pub async fn ask(mesh: &Mesh, agent: &str, input: impl Into<RunInput>) -> Result<Answer, AskError> {
    Ok(Answer::of(mesh.start(agent, input).await?).await?)
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The run did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The run started and failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl AskError {
    /// A stable name for programs: that of the error inside.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Start(error) => error.code(),
            Self::Run(error) => error.code(),
        }
    }

    /// Whether asking again may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Start(error) => error.is_retryable(),
            Self::Run(error) => error.is_retryable(),
        }
    }

    /// The input field at fault, if there is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Start(error) => error.param(),
            Self::Run(error) => error.param(),
        }
    }
}
