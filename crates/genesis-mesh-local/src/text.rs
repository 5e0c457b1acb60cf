//! The text side of a model: requests become tokens and grammars.
//!
//! Owns: rendering, tokenizing and compiling, and who may do how much of it at a time.
//! Never: holds up an I/O thread with a long text, or works on for a caller who has gone.
//! Flow: `LocalModel::generate` calls `prepare`; what comes of it is queued for the engine.

use crate::grammar::{GrammarError, GrammarFactory, GrammarState};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use crate::tools::{CallPlan, Reading, ToolSide};
use genesis_mesh_core::{GenerateRequest, ModelError, Prompt, ToolChoice, ToolSpec};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Texts up to this many bytes are tokenized in the caller's task: about 200 µs.
const INLINE_TEXT_BYTES: usize = 4096;
/// Messages up to this many are rendered there.
const INLINE_MESSAGES: usize = 64;
/// Long texts that are tokenized at the same time: each thread keeps memory of its own between two of them.
const LONG_TEXTS_MAX: usize = 2;
/// Grammars that are compiled at the same time: a costly one delays other grammars, and no text.
const GRAMMARS_MAX: usize = 1;

/// What turns requests into tokens.
pub(crate) struct TextSide {
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    tools: ToolSide,
    grammars: GrammarFactory,
    end_tokens: Arc<[u32]>,
    context_tokens: usize,
    /// The most bytes that the context can hold, if every token were the longest one.
    text_bytes_max: usize,
    long_texts: Arc<Semaphore>,
    compilations: Arc<Semaphore>,
    /// Requests that wait for one of these or hold it.
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// A request's tokens and grammar.
pub(crate) struct Prepared {
    pub(crate) tokens: Vec<u32>,
    pub(crate) grammar: Option<GrammarState>,
    /// How to find the answer's calls, if it can have any.
    pub(crate) reading: Option<Reading>,
}

impl TextSide {
    /// The text side of a model with this context, at which `waiting_max` long requests may wait.
    pub(crate) fn new(
        tokenizer: Arc<Tokenizer>,
        template: ChatTemplate,
        context_tokens: usize,
        waiting_max: usize,
    ) -> Self {
        let ids = 0..u32::try_from(tokenizer.vocab_len()).unwrap_or(u32::MAX);
        let longest = ids.map(|id| tokenizer.token_bytes(id).len()).max().unwrap_or(1).max(1);
        Self {
            grammars: GrammarFactory::new(Arc::clone(&tokenizer)),
            tools: ToolSide::new(&template, &tokenizer),
            end_tokens: tokenizer.end_tokens().into(),
            template,
            context_tokens,
            text_bytes_max: context_tokens.saturating_mul(longest),
            long_texts: Arc::new(Semaphore::new(LONG_TEXTS_MAX)),
            compilations: Arc::new(Semaphore::new(GRAMMARS_MAX)),
            waiting: AtomicUsize::new(0),
            waiting_max: waiting_max.max(1),
            tokenizer,
        }
    }

    pub(crate) fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }
    pub(crate) fn end_tokens(&self) -> Arc<[u32]> {
        Arc::clone(&self.end_tokens)
    }
    pub(crate) fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// Tokens and grammar of `request`; what takes long is done on a thread that may block.
    ///
    /// # Cancel safety
    /// Dropping the future gives up: work that has not begun is not done.
    pub(crate) async fn prepare(
        text: &Arc<Self>,
        request: GenerateRequest,
    ) -> Result<(Prepared, GenerateRequest), ModelError> {
        let (bytes, messages) = size(&request);
        let has_grammar = request.grammar.is_some() || !offered(&request).is_empty();
        if !has_grammar && bytes <= INLINE_TEXT_BYTES && messages <= INLINE_MESSAGES {
            return Ok((text.work(&request)?, request));
        }
        let _place = Place::take(text)?;
        let permits = if has_grammar { &text.compilations } else { &text.long_texts };
        let failed = |message: String| ModelError::Failed { message };
        let permit = Arc::clone(permits).acquire_owned().await.map_err(|error| failed(error.to_string()))?;
        let (gone, text) = (Gone(Arc::default()), Arc::clone(text));
        let has_gone = Arc::clone(&gone.0);
        let work = tokio::task::spawn_blocking(move || {
            // The permit goes with the work, not with the caller: one who leaves makes room for nobody else.
            let _permit = permit;
            if has_gone.load(Ordering::Relaxed) {
                return Err(ModelError::Failed { message: "the caller has gone".to_owned() });
            }
            Ok((text.work(&request)?, request))
        });
        let done = work.await.map_err(|error| failed(error.to_string()))?;
        drop(gone);
        done
    }

    /// Milliseconds for long texts and for grammars.
    fn work(&self, request: &GenerateRequest) -> Result<Prepared, ModelError> {
        // What can't fit is refused before it costs memory.
        let (bytes, _) = size(request);
        if bytes > self.text_bytes_max {
            let longest = self.text_bytes_max / self.context_tokens.max(1);
            let prompt_tokens = bytes.div_ceil(longest.max(1)) as u64;
            return Err(ModelError::ContextExceeded {
                prompt_tokens,
                context_tokens: self.context_tokens as u64,
            });
        }
        // So is what is no tool.
        let plan = self.tools.plan(request)?;
        let tokens = self.tokens(request)?;
        let grammar = match (&plan, &request.grammar) {
            (Some(plan), _) => Some(self.grammars.compile_calls(&plan.grammar)),
            (None, Some(grammar)) => Some(self.grammars.compile(grammar)),
            (None, None) => None,
        };
        let fault = |error| self.fault(&error, plan.as_ref());
        let mut grammar = grammar.transpose().map_err(fault)?;
        self.pass(&request.made, grammar.as_mut()).map_err(|error| match error {
            NotMade::Refused(error) => error,
            NotMade::Grammar(error) => fault(error),
        })?;
        Ok(Prepared { tokens, grammar, reading: plan.map(|plan| plan.reading) })
    }

    /// Leads `grammar` over the tokens that an earlier run made.
    fn pass(&self, made: &[u32], mut grammar: Option<&mut GrammarState>) -> Result<(), NotMade> {
        if made.len() > self.context_tokens {
            return Err(NotMade::new("there are more of these than the context holds"));
        }
        let mut is_over = false;
        for &token in made {
            if usize::try_from(token).map_or(true, |token| token >= self.tokenizer.vocab_len()) {
                return Err(NotMade::new(&format!("{token} is not in the vocabulary")));
            }
            if is_over {
                return Err(NotMade::new(&format!("{token} stands after the end of the answer")));
            }
            if let Some(grammar) = grammar.as_deref_mut() {
                grammar.commit(token).map_err(|error| match error {
                    GrammarError::NotAllowed { .. } => NotMade::new(&error.to_string()),
                    error => NotMade::Grammar(error),
                })?;
                is_over = grammar.is_finished();
            }
            is_over |= self.end_tokens.contains(&token);
        }
        Ok(())
    }

    fn fault(&self, error: &GrammarError, plan: Option<&CallPlan<'_>>) -> ModelError {
        match (error, plan) {
            (GrammarError::NoThread { .. }, _) => ModelError::Failed { message: error.to_string() },
            (_, Some(plan)) => plan.fault(error, &self.grammars),
            (_, None) => invalid("response_format", &error.to_string()),
        }
    }

    fn tokens(&self, request: &GenerateRequest) -> Result<Vec<u32>, ModelError> {
        match &request.prompt {
            Prompt::Text(text) => {
                let tokens = self.tokenizer.encode(text, true);
                let tokens = tokens.map_err(|error| ModelError::Failed { message: error.to_string() })?;
                let bos = self.tokenizer.bos().filter(|bos| tokens.first() != Some(bos));
                Ok(bos.into_iter().chain(tokens).collect())
            }
            Prompt::Messages(messages) => {
                let (messages, tools) = self.tools.conversation(messages, offered(request));
                self.template
                    .tokens(&self.tokenizer, &messages, tools)
                    .map_err(|error| invalid("messages", &error.to_string()))
            }
        }
    }
}

/// Why tokens can't have been made by an earlier run.
enum NotMade {
    Refused(ModelError),
    /// The grammar itself fails on the way.
    Grammar(GrammarError),
}

impl NotMade {
    fn new(message: &str) -> Self {
        Self::Refused(invalid("made", message))
    }
}

/// A place among those who wait for long work.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(text: &'a TextSide) -> Result<Self, ModelError> {
        let queued = text.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(&text.waiting);
        if queued < text.waiting_max { Ok(place) } else { Err(ModelError::Busy { queued }) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells work that has not begun that its caller has gone.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn invalid(param: &str, message: &str) -> ModelError {
    ModelError::InvalidRequest { param: Some(param.to_owned()), message: message.to_owned() }
}

/// The tools that the model reads of.
fn offered(request: &GenerateRequest) -> &[ToolSpec] {
    if request.tool_choice == ToolChoice::None { &[] } else { &request.tools }
}

/// Bytes of all texts in a prompt and its tools, and its messages.
fn size(request: &GenerateRequest) -> (usize, usize) {
    let tools = offered(request).iter();
    let tools =
        tools.map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len());
    let (bytes, messages) = prompt_size(&request.prompt);
    (bytes + tools.sum::<usize>(), messages)
}

fn prompt_size(prompt: &Prompt) -> (usize, usize) {
    match prompt {
        Prompt::Text(text) => (text.len(), 1),
        Prompt::Messages(messages) => {
            let bytes = messages.iter().map(|message| {
                let calls = message
                    .tool_calls
                    .iter()
                    .map(|call| call.id.len() + call.name.len() + call.arguments.len());
                message.content.len() + message.name.as_ref().map_or(0, String::len) + calls.sum::<usize>()
            });
            (bytes.sum(), messages.len())
        }
    }
}

#[cfg(test)]
mod tests;
