//! The `Model` contract: anything that turns a request into a stream of events.
//!
//! Owns: the trait, its stream, its error, and what a model says of itself.
//! Never: knows an implementation. Three stand behind it: the local engine, the scripted model, other servers.
//! Flow: an agent calls `generate`; dropping the stream cancels, `cancel_handle` cancels and keeps the end.

use crate::answer::ModelEvent;
use crate::generate::GenerateRequest;
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Anything that turns a request into a stream of text and tool calls.
pub trait Model: Send + Sync + fmt::Debug {
    /// What this model is and can do; constant over its life.
    fn info(&self) -> &ModelInfo;

    /// Starts an answer.
    ///
    /// # Errors
    /// `InvalidRequest` and `ContextExceeded` are the caller's; `Busy` may be retried after a while.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream frees what the request holds, at the model's next step.
    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>>;

    /// What it does at this moment; `None` if it is computed elsewhere or does not count.
    fn current_load(&self) -> Option<ModelLoad> {
        None
    }

    /// Whether it can go on with an answer that was cut: it tells its tokens, and takes them as `made`.
    fn goes_on(&self) -> bool {
        false
    }
}

impl<M: Model + ?Sized> Model for Arc<M> {
    fn info(&self) -> &ModelInfo {
        M::info(self)
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        M::generate(self, request)
    }

    fn current_load(&self) -> Option<ModelLoad> {
        M::current_load(self)
    }

    fn goes_on(&self) -> bool {
        M::goes_on(self)
    }
}

/// What a model that is computed here does at the moment; each number may be a step old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelLoad {
    /// Answers being computed.
    pub running: usize,
    /// The most answers that are computed at a time.
    pub running_max: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// The most requests that may wait; one more is refused with `Busy`.
    pub waiting_max: usize,
    /// Memory of keys and values in use by answers, in bytes.
    pub kv_bytes: usize,
    /// Memory that keys and values may take, in bytes.
    pub kv_bytes_max: usize,
}

/// What a model says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The model's own name, for example that in a GGUF file's metadata.
    pub name: String,
    /// The most tokens of prompt and answer together; `None` if unknown.
    pub context_tokens: Option<u32>,
    /// What computes it, in a few words for people: architecture, weights, kernel, threads.
    pub description: String,
}

/// A model's answer: a stream of events that ends with `Done` or with one error.
pub struct ModelStream {
    events: Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send>>,
    cancel: CancelHandle,
}

impl ModelStream {
    /// Joins `events` with the handle that ends them early.
    ///
    /// After `cancel` is called `events` must end with `Done` and the usage so far.
    pub fn new(
        events: impl Stream<Item = Result<ModelEvent, ModelError>> + Send + 'static,
        cancel: CancelHandle,
    ) -> Self {
        Self { events: Box::pin(events), cancel }
    }

    /// A handle that ends the answer with `FinishReason::Cancelled` and its usage.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }
}

impl fmt::Debug for ModelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelStream").finish_non_exhaustive()
    }
}

impl Stream for ModelStream {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

/// Ends an answer early; may be cloned, called from any thread, and called again without effect.
#[derive(Clone)]
pub struct CancelHandle(Arc<dyn Fn() + Send + Sync>);

impl CancelHandle {
    /// A handle that calls `cancel`, which must be quick and must not block.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(cancel))
    }

    /// Asks the answer to end; returns at once.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelHandle")
    }
}

/// What is waited for in an answer that comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The connection, with its handshake.
    Connection,
    /// The first piece of the answer.
    FirstPiece,
    /// The next piece.
    NextPiece,
    /// The end of the answer.
    End,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::FirstPiece => "first piece",
            Self::NextPiece => "next piece",
            Self::End => "end",
        })
    }
}

/// Why a model did not answer, or did not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A part of the request is not acceptable to this model.
    #[error("{message}")]
    InvalidRequest {
        /// The field at fault, as a path (`response_format.schema`), if there is one.
        param: Option<String>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// Prompt and answer don't fit into the context.
    #[error("the prompt has at least {prompt_tokens} tokens, and the model's context holds {context_tokens}")]
    ContextExceeded {
        /// Tokens of the prompt, or the least that they can be.
        prompt_tokens: u64,
        /// Tokens that prompt and answer may have together.
        context_tokens: u64,
    },
    /// The queue is full.
    #[error("the model has {queued} requests waiting, its limit; try again later")]
    Busy {
        /// Requests that wait already.
        queued: usize,
    },
    /// The provider asks to wait.
    #[error("the model's provider allows no more requests now: {message}")]
    RateLimited {
        /// When to try again, if the provider says so.
        retry_after: Option<Duration>,
        /// The provider's words.
        message: String,
    },
    /// The model's server can't be reached.
    #[error("the model's server can't be reached: {message}")]
    Unreachable {
        /// What happened.
        message: String,
    },
    /// The model's server took too long.
    #[error("the model gave no {wait} within {} ms, its limit", limit.as_millis())]
    Timeout {
        /// What was waited for.
        wait: Wait,
        /// How long.
        limit: Duration,
    },
    /// The model's server refuses this program: a wrong key, an unknown model, no rights.
    #[error("the model's server refuses this program: {message}")]
    Refused {
        /// The server's words.
        message: String,
    },
    /// The stream was cut before its end; what came is only a part.
    #[error("the answer was cut before its end")]
    Truncated,
    /// The model failed, or is stopped.
    #[error("the model failed: {message}")]
    Failed {
        /// What happened, for the log and the operator.
        message: String,
    },
}

impl ModelError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::ContextExceeded { .. } => "context_length_exceeded",
            Self::Busy { .. } => "model_busy",
            Self::RateLimited { .. } => "model_rate_limited",
            Self::Unreachable { .. } => "model_unreachable",
            Self::Timeout { .. } => "model_timeout",
            Self::Refused { .. } => "model_refused",
            Self::Truncated => "model_truncated",
            Self::Failed { .. } => "model_failed",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        Self::is_retryable_code(self.code())
    }

    /// As [`ModelError::is_retryable`], of an error of which the code alone is known.
    #[must_use]
    pub fn is_retryable_code(code: &str) -> bool {
        matches!(
            code,
            "model_busy" | "model_rate_limited" | "model_unreachable" | "model_timeout" | "model_truncated"
        )
    }

    /// When the same request may succeed, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
