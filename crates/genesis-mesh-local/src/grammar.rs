//! Grammars: which token may come next so that an answer has the form that was asked for.
//!
//! Owns: the shared token trie, compiling of grammars within bounds, and the state of one answer.
//! Never: picks a token; the sampler does, under the mask. Never blocks on another answer's state.
//! Flow: `GrammarFactory::compile` once a request; then `mask`, sample, `commit`, until `is_finished`.
//! Source: the library llguidance, an Earley parser over derivatives of regular expressions.

mod environment;
mod error;
mod lark;
mod limits;
mod numbers;
mod opening;
mod schema;
mod calls;
#[cfg(test)]
mod tests;

use crate::tokenizer::Tokenizer;
pub(crate) use calls::{CallGrammar, check_arguments};
use environment::TokenEnvironment;
pub use error::GrammarError;
use error::{LARK_BYTES_MAX, REGEX_BYTES_MAX, check_size, reason};
use genesis_mesh_core::Grammar;
use llguidance::api::{GrammarInit, StopReason, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokEnv};
use llguidance::{Logger, Matcher, ParserFactory, panic_utils};
use opening::JsonPart;
pub(crate) use opening::{Marker, Opening};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

/// Reserved, not used: the deepest grammars within the bounds take some megabytes.
const COMPILE_STACK_BYTES: usize = 256 << 20;

/// Compiles grammars for one model; `Send + Sync`, cheap to make.
///
/// The first grammar builds the trie of all tokens, which takes a moment and is shared from then on.
pub struct GrammarFactory {
    tokenizer: Arc<Tokenizer>,
    parsers: OnceLock<Result<ParserFactory, String>>,
}

impl std::fmt::Debug for GrammarFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrammarFactory").finish_non_exhaustive()
    }
}

impl GrammarFactory {
    /// A factory for answers in the tokens of `tokenizer`.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, parsers: OnceLock::new() }
    }

    /// Compiles `grammar` for one answer, and takes milliseconds: not for a thread that must not wait.
    ///
    /// JSON is written without whitespace but for one optional space after each comma and colon, and
    /// numbers have at most 20 digits, 20 decimals and an exponent of 2 digits unless the schema needs
    /// more: nothing but strings and arrays can go on without end.
    ///
    /// A thread of its own compiles, as the library goes down a grammar on the stack: no text within the
    /// bounds takes more than a part of what that thread has.
    ///
    /// # Errors
    /// `TooLarge`, `TooDeep`, `TooMany`, `NoThread`, or `Unsupported`, which names the keyword or place at fault.
    pub fn compile(&self, grammar: &Grammar) -> Result<GrammarState, GrammarError> {
        let (kind, json) = (error::kind_of(grammar), JsonPart::of(grammar));
        let is_text = matches!(grammar, Grammar::Lark(_) | Grammar::Regex(_));
        self.build(kind, Self::top(grammar)?, is_text, json)
    }

    /// Compiles the grammar of an answer that calls tools, or may.
    ///
    /// # Errors
    /// As [`GrammarFactory::compile`].
    pub(crate) fn compile_calls(&self, calls: &CallGrammar<'_>) -> Result<GrammarState, GrammarError> {
        let answer = calls.answer.map(Self::top).transpose()?;
        let state = self.build(calls::KIND, calls.top(answer)?, false, calls.json_part())?;
        Ok(GrammarState { is_of_calls: true, ..state })
    }

    fn top(grammar: &Grammar) -> Result<TopLevelGrammar, GrammarError> {
        let kind = error::kind_of(grammar);
        Ok(match grammar {
            Grammar::JsonObject => schema::any_object(),
            Grammar::JsonSchema(schema) => schema::compact(schema)?,
            Grammar::Lark(text) => {
                check_size(kind, text.len(), LARK_BYTES_MAX)?;
                lark::check_definitions(kind, text)?;
                TopLevelGrammar::from_lark(text.clone())
            }
            Grammar::Regex(text) => {
                check_size(kind, text.len(), REGEX_BYTES_MAX)?;
                TopLevelGrammar::from_regex(text)
            }
        })
    }

    fn build(
        &self,
        kind: &'static str,
        top: TopLevelGrammar,
        is_text: bool,
        json: JsonPart,
    ) -> Result<GrammarState, GrammarError> {
        let parsers = self.parsers.get_or_init(|| build_parsers(&self.tokenizer));
        let parsers =
            parsers.as_ref().map_err(|message| GrammarError::Vocabulary { message: message.clone() })?;
        on_a_large_stack(|| {
            let create = || {
                let (init, no_splices) = (GrammarInit::Serialized(top), InferenceCapabilities::default());
                parsers.create_parser_from_init_ext(init, Logger::new(0, 0), no_splices, limits::of(is_text))
            };
            // The library asserts some of what it expects of a grammar.
            let parser = panic_utils::catch_unwind(AssertUnwindSafe(create))
                .map_err(|error| GrammarError::Unsupported { kind, message: reason(&error.to_string()) })?;
            let mut state = GrammarState {
                matcher: Matcher::new(Ok(parser)),
                mask: SimpleVob::new(),
                tokenizer: Arc::clone(&self.tokenizer),
                json,
                is_of_calls: false,
            };
            // A grammar that allows nothing, or is too complex from the start, is the caller's mistake.
            match state.mask() {
                Err(GrammarError::TooComplex { message }) => Err(GrammarError::Unsupported { kind, message }),
                _ => Ok(state),
            }
        })
    }
}

/// Runs `compile` on a thread whose stack no grammar within the bounds fills.
fn on_a_large_stack(
    compile: impl FnOnce() -> Result<GrammarState, GrammarError> + Send,
) -> Result<GrammarState, GrammarError> {
    let no_thread = |message: String| GrammarError::NoThread { message };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("grammar".to_owned()).stack_size(COMPILE_STACK_BYTES);
        let thread = builder.spawn_scoped(scope, compile).map_err(|error| no_thread(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(no_thread("it panicked".to_owned())))
    })
}

fn build_parsers(tokenizer: &Arc<Tokenizer>) -> Result<ParserFactory, String> {
    let build = || {
        let environment: TokEnv = Arc::new(TokenEnvironment::new(Arc::clone(tokenizer)));
        let no_splices = InferenceCapabilities::default();
        ParserFactory::new(&environment, no_splices, &SlicedBiasComputer::general_slices())
    };
    panic_utils::catch_unwind(AssertUnwindSafe(build)).map_err(|error| reason(&error.to_string()))
}

/// The state of one answer under a grammar; `Send`.
pub struct GrammarState {
    matcher: Matcher,
    mask: SimpleVob,
    tokenizer: Arc<Tokenizer>,
    /// Where the answer stands in what of it is JSON.
    json: JsonPart,
    is_of_calls: bool,
}

impl std::fmt::Debug for GrammarState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrammarState").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

impl GrammarState {
    /// The tokens that may come next.
    ///
    /// End tokens are among them exactly where the answer may end; once the state is finished they are
    /// the only ones.
    ///
    /// # Shape
    /// Bit `i % 32` of word `i / 32` stands for token `i`; one bit for each token of the vocabulary,
    /// rounded up to whole words. At least one bit is set.
    ///
    /// # Errors
    /// `TooComplex` if the grammar needs more work here than a step may take, or leads nowhere.
    pub fn mask(&mut self) -> Result<&[u32], GrammarError> {
        self.mask = self.matcher.compute_mask_or_eos().map_err(|error| too_complex(&error))?;
        self.bound_numbers();
        let words = self.mask.as_slice();
        Ok(words.get(..self.tokenizer.vocab_len().div_ceil(32)).unwrap_or(words))
    }

    /// Goes on by `token`, which must be one that [`GrammarState::mask`] allows now.
    ///
    /// # Errors
    /// `NotAllowed` if it isn't, and `TooComplex` as above; the state can't be used after that.
    pub fn commit(&mut self, token: u32) -> Result<(), GrammarError> {
        if self.is_finished() && self.tokenizer.is_end(token) {
            return Ok(());
        }
        match self.matcher.try_consume_tokens(&[token]) {
            Ok(1) => {
                self.json.push(token, self.tokenizer.token_bytes(token));
                Ok(())
            }
            Ok(_) => Err(GrammarError::NotAllowed { token }),
            Err(error) => Err(too_complex(&error)),
        }
    }

    /// Takes tokens that make a number too long out of the mask, unless nothing else is in it.
    fn bound_numbers(&mut self) {
        let Some(place) = self.json.place().filter(|place| place.is_in_number()) else { return };
        let mut bounded = self.mask.clone();
        for token in self.mask.iter() {
            if place.is_too_long_after(self.tokenizer.token_bytes(token)) {
                bounded.disallow_token(token);
            }
        }
        if !bounded.is_zero() {
            self.mask = bounded;
        }
    }

    /// Whether the grammar is that of tool calls, and not that of a response format.
    pub(crate) fn is_of_calls(&self) -> bool {
        self.is_of_calls
    }

    /// Whether the answer is complete: nothing but an end token can follow, or one did.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        use StopReason::{EndOfSentence, NoExtension, NoExtensionBias};
        matches!(self.matcher.stop_reason(), EndOfSentence | NoExtension | NoExtensionBias)
    }
}

fn too_complex(error: &impl ToString) -> GrammarError {
    GrammarError::TooComplex { message: reason(&error.to_string()) }
}
