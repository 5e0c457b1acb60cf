//! The script: rules in order, each with its conditions and its answer, checked when it is loaded.
//!
//! Owns: the script's meaning, and every mistake that one can hold, each with its line.
//! Never: answers; `play` does.
//! Flow: TOML text -> `form` (shape) -> `Script` (meaning); the scripted model asks it for the first match.

mod fault;
mod keys;
mod form;
mod when;

pub use fault::{RuleFault, ScriptError};
use form::{RuleForm, ScriptForm};
use genesis_mesh_core::ModelError;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use when::Asked;
use when::When;

/// The most pieces of one answer: far above any real one, and small enough to search for stop strings.
const PIECES_MAX: u64 = 1_000_000;

/// The longest delay before a piece, an hour: a longer one is a mistake of unit.
const DELAY_MS_MAX: u64 = 3_600_000;

/// A script, ready to be played.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) context_tokens: Option<u32>,
    /// Whether the model goes on with an answer that was cut.
    pub(crate) goes_on: bool,
    rules: Vec<(When, Arc<Answer>)>,
}

/// What a rule answers. Its text pieces come first, then its tool calls. Each piece of text is one token, and so are
/// each piece of a call and the whole call after them.
#[derive(Debug)]
pub(crate) struct Answer {
    /// None is empty. Played `repeat` times, one after the other.
    pub(crate) pieces: Vec<String>,
    pub(crate) repeat: u32,
    pub(crate) tool_calls: Vec<Call>,
    /// Waited before each token.
    pub(crate) delay: Duration,
    pub(crate) ending: Ending,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

/// A tool call as the script gives it; without an id it gets one that is unique in its conversation.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    /// JSON text, or whatever text the script gives instead.
    pub(crate) arguments: String,
    /// The arguments in the pieces that are told before the call; none is empty, and there may be none.
    pub(crate) pieces: Vec<String>,
}

impl Call {
    /// Its pieces and itself.
    pub(crate) fn token_count(&self) -> u64 {
        self.pieces.len() as u64 + 1
    }
}

/// How an answer ends if nothing stops it before.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With its usage.
    Done,
    /// With this error after all tokens; instead of an answer if there are none.
    Fails(ModelError),
    /// Cut after this many tokens.
    Cut(u64),
}

impl Script {
    /// Reads a script and checks all of it.
    pub(crate) fn parse(text: &str) -> Result<Self, ScriptError> {
        keys::check(text)?;
        let form: ScriptForm = toml::from_str(text).map_err(|error| ScriptError::Syntax {
            line: error.span().map_or(1, |span| line_at(text, span.start)),
            message: error.message().to_owned(),
        })?;
        let mut rules = Vec::with_capacity(form.rule.len());
        for rule in form.rule {
            let line = line_at(text, rule.span().start);
            let mut rule = rule.into_inner();
            let when = When::compile(std::mem::take(&mut rule.when))
                .map_err(|(offset, source)| ScriptError::Pattern { line: line_at(text, offset), source })?;
            let answer = Answer::from_form(rule).map_err(|fault| ScriptError::Rule { line, fault })?;
            rules.push((when, Arc::new(answer)));
        }
        if rules.is_empty() {
            return Err(ScriptError::NoRule);
        }
        Ok(Self { name: form.name, context_tokens: form.context_tokens, goes_on: form.goes_on, rules })
    }

    /// The answer of the first rule that matches.
    pub(crate) fn answer(&self, asked: &Asked<'_>) -> Option<&Arc<Answer>> {
        self.rules.iter().find(|(when, _)| when.matches(asked)).map(|(_, answer)| answer)
    }
}

impl Answer {
    fn from_form(form: RuleForm) -> Result<Self, RuleFault> {
        let is_silent = form.text.is_none() && form.pieces.is_none() && form.tool_calls.is_empty();
        let pieces = pieces_of(form.text, form.pieces, form.piece_chars)?;
        let repeat = match form.repeat {
            Some(_) if pieces.is_empty() => return Err(RuleFault::NothingToRepeat),
            Some(0) => return Err(RuleFault::RepeatZero),
            repeat => repeat.unwrap_or(1),
        };
        let ending = match (form.error, form.cut_after) {
            (Some(_), Some(_)) => return Err(RuleFault::ErrorAndCut),
            (Some(error), None) => Ending::Fails(error.into_error()),
            (None, Some(after)) => Ending::Cut(after),
            (None, None) if is_silent => return Err(RuleFault::NoAnswer),
            (None, None) => Ending::Done,
        };
        if form.delay_ms > DELAY_MS_MAX {
            return Err(RuleFault::DelayTooLong { delay_ms: form.delay_ms, delay_ms_max: DELAY_MS_MAX });
        }
        let usage = form.usage.unwrap_or_default();
        let answer = Self {
            pieces,
            repeat,
            tool_calls: form
                .tool_calls
                .into_iter()
                .map(form::CallForm::into_call)
                .collect::<Result<_, _>>()?,
            delay: Duration::from_millis(form.delay_ms),
            ending,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
        };
        match answer.ending {
            _ if answer.token_count() > PIECES_MAX => {
                Err(RuleFault::TooLong { pieces: answer.token_count(), pieces_max: PIECES_MAX })
            }
            Ending::Cut(after) if after > answer.token_count() => {
                Err(RuleFault::CutBeyondEnd { cut_after: after, pieces: answer.token_count() })
            }
            _ => Ok(answer),
        }
    }

    /// Pieces of text that it plays in all.
    pub(crate) fn piece_count(&self) -> u64 {
        self.pieces.len() as u64 * u64::from(self.repeat)
    }

    /// Tokens that it plays in all.
    pub(crate) fn token_count(&self) -> u64 {
        self.token_count_with(self.tool_calls.len())
    }

    /// Tokens that it plays with no more than its first `calls` tool calls.
    pub(crate) fn token_count_with(&self, calls: usize) -> u64 {
        self.piece_count() + self.tool_calls.iter().take(calls).map(Call::token_count).sum::<u64>()
    }

    /// The text piece at `index`, counted over all repetitions.
    pub(crate) fn piece(&self, index: u64) -> Option<&str> {
        if index >= self.piece_count() {
            return None;
        }
        let index = usize::try_from(index % self.pieces.len() as u64).ok()?;
        self.pieces.get(index).map(String::as_str)
    }
}

fn pieces_of(
    text: Option<String>,
    pieces: Option<Vec<String>>,
    piece_chars: Option<usize>,
) -> Result<Vec<String>, RuleFault> {
    match (text, pieces, piece_chars) {
        (Some(_), Some(_), _) => Err(RuleFault::TextAndPieces),
        (_, _, Some(0)) => Err(RuleFault::PieceCharsZero),
        (None, _, Some(_)) => Err(RuleFault::NothingToSplit),
        (Some(text), None, Some(count)) => Ok(split_chars(&text, count)),
        (Some(text), None, None) => Ok(split_words(&text)),
        (None, Some(pieces), None) if pieces.iter().any(String::is_empty) => Err(RuleFault::EmptyPiece),
        (None, pieces, None) => Ok(pieces.unwrap_or_default()),
    }
}

/// Words, each with the white space before it, as tokenizers of the GPT-2 family cut a text.
fn split_words(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut start, mut was_space) = (0, true);
    for (offset, char) in text.char_indices() {
        if char.is_whitespace() && !was_space {
            pieces.extend(text.get(start..offset).map(str::to_owned));
            start = offset;
        }
        was_space = char.is_whitespace();
    }
    pieces.extend(text.get(start..).filter(|rest| !rest.is_empty()).map(str::to_owned));
    pieces
}

fn split_chars(text: &str, count: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(count).map(|chunk| chunk.iter().collect()).collect()
}

/// The 1-based line of a byte offset.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests;
