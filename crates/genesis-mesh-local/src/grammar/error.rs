//! Why an answer can't be held to a grammar.
//!
//! Owns: `GrammarError`, and the bounds of a grammar's text.
//! Never: repeats a grammar at length, or shows the library's own state.

use genesis_mesh_core::Grammar;

/// Real schemas have a tenth of this. The time to compile grows up to the square of the size, and is a
/// third of a second here at worst.
const GRAMMAR_BYTES_MAX: usize = 64 * 1024;

/// Why an answer can't be held to a grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// The grammar's text is too long.
    #[error("the {kind} has {found} bytes, more than {limit}")]
    TooLarge {
        /// What it is, for people.
        kind: &'static str,
        /// Its bytes, for a schema those of its shortest JSON.
        found: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// The grammar is nested too deeply.
    #[error("the {kind} is nested more than {limit} levels deep")]
    TooDeep {
        /// What it is, for people.
        kind: &'static str,
        /// The deepest that is taken.
        limit: usize,
    },
    /// The grammar is malformed, allows nothing, or uses what is not supported.
    #[error("the {kind} can't be followed: {message}")]
    Unsupported {
        /// What it is, for people.
        kind: &'static str,
        /// What is at fault, and where.
        message: String,
    },
    /// The model's vocabulary can't be used for grammars.
    #[error("the model's vocabulary can't be used with a grammar: {message}")]
    Vocabulary {
        /// What the library said.
        message: String,
    },
    /// A token was committed that the mask didn't allow.
    #[error("token {token} is not allowed by the grammar here")]
    NotAllowed {
        /// The token.
        token: u32,
    },
    /// The grammar got too complex for one step, or leads nowhere.
    #[error("the grammar can't be followed any further: {message}")]
    TooComplex {
        /// What the library said.
        message: String,
    },
}

impl GrammarError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "grammar_too_large",
            Self::TooDeep { .. } => "grammar_too_deep",
            Self::Unsupported { .. } => "grammar_unsupported",
            Self::Vocabulary { .. } => "grammar_vocabulary",
            Self::NotAllowed { .. } => "grammar_not_allowed",
            Self::TooComplex { .. } => "grammar_too_complex",
        }
    }

    /// Whether the same call may succeed later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// What a grammar is called in messages.
pub(super) fn kind_of(grammar: &Grammar) -> &'static str {
    match grammar {
        Grammar::JsonObject | Grammar::JsonSchema(_) => "JSON schema",
        Grammar::Lark(_) => "Lark grammar",
        Grammar::Regex(_) => "regular expression",
    }
}

pub(super) fn check_size(kind: &'static str, found: usize) -> Result<(), GrammarError> {
    let limit = GRAMMAR_BYTES_MAX;
    if found > limit { Err(GrammarError::TooLarge { kind, found, limit }) } else { Ok(()) }
}

/// What the library says, without its state and backtraces, in at most 500 characters.
pub(super) fn reason(message: &str) -> String {
    let end =
        ["\n<backtrace>", "\n<state>", "\n<non-verbose/>"].iter().filter_map(|mark| message.find(mark)).min();
    let message = end.and_then(|end| message.get(..end)).unwrap_or(message);
    message.trim().chars().take(500).collect()
}
