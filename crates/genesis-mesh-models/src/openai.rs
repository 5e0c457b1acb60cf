//! The OpenAI-compatible upstream: the model behind another server's `POST {base_url}/chat/completions`.
//!
//! Owns: `OpenAiModel`, the third implementation of the `Model` contract.
//! Never: spawns a task, keeps a text of an answer, or tells a clean end of an answer that was cut.
//! Flow: `generate` writes the body (`request.rs`) and gives an `Answer`, which sends it when it is polled.
//! Source: docs/upstream.md says what is sent, what each failure becomes, and what happens to connections.

mod secret;
mod options;
mod deadline;
mod request;
mod sse;
mod chunk;
mod calls;
mod decode;
mod failure;
mod client;
mod opening;
mod answer;

use crate::cancel::Cancel;
use answer::{Answer, Asked};
use client::Upstream;
use genesis_mesh_core::{
    BoxFuture, CancelHandle, GenerateRequest, Model, ModelError, ModelInfo, ModelStream, Prompt,
};
pub use options::{OpenAiError, OpenAiOptions, OpenAiTimeouts};
pub use secret::ApiKey;
use std::fmt;
use std::sync::Arc;

/// A model behind an OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, another mesh, …
///
/// `generate` answers at once: the request is sent when the stream is polled, so an error of the server is the
/// stream's first item, and its `CancelHandle` works from the start on. Streams need a tokio runtime with I/O and
/// time where they are polled. The answer's text is told as it comes; whole tool calls are told at the end, when
/// none can be missing.
///
/// # Cancel safety
/// Dropping the stream closes its socket at once: while connecting, waiting or reading. After
/// [`CancelHandle::cancel`] the next poll, which it wakes, closes it and ends the stream with the usage so far.
///
/// # Example
/// ```
/// use genesis_mesh_models::{ApiKey, OpenAiModel, OpenAiOptions};
///
/// let mut options = OpenAiOptions::new("http://127.0.0.1:8000/v1", "qwen3");
/// options.api_key = Some(ApiKey::new("sk-local"));
/// let model = OpenAiModel::new(options)?;
/// # Ok::<(), genesis_mesh_models::OpenAiError>(())
/// ```
pub struct OpenAiModel {
    info: ModelInfo,
    upstream: Arc<Upstream>,
}

impl OpenAiModel {
    /// A model that is reached as `options` say. Connects to nothing yet.
    ///
    /// # Errors
    /// A wrong option, or a system without usable certificates for an `https` address.
    pub fn new(options: OpenAiOptions) -> Result<Self, OpenAiError> {
        let upstream = Upstream::new(options)?;
        let info = ModelInfo {
            name: upstream.options.model.clone(),
            context_tokens: upstream.options.context_tokens,
            description: format!("OpenAI-compatible server at {}", upstream.origin()),
        };
        Ok(Self { info, upstream: Arc::new(upstream) })
    }

    fn start(&self, request: &GenerateRequest) -> Result<ModelStream, ModelError> {
        let body = request::body(request, &self.upstream.options.model)?;
        let permit = self.upstream.permit()?;
        let asked = Asked { body, calls_before: calls_in(&request.prompt) };
        let cancel = Arc::new(Cancel::default());
        let answer = Answer::new(Arc::clone(&self.upstream), Arc::clone(&cancel), permit, asked);
        Ok(ModelStream::new(answer, CancelHandle::new(move || cancel.ask())))
    }
}

/// The tool calls of a conversation.
fn calls_in(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Text(_) => 0,
        Prompt::Messages(messages) => messages.iter().map(|message| message.tool_calls.len()).sum(),
    }
}

impl Model for OpenAiModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(std::future::ready(self.start(&request)))
    }
}

impl fmt::Debug for OpenAiModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiModel").field("options", &self.upstream.options).finish_non_exhaustive()
    }
}
