//! Why an answer can't be held to a grammar.
//!
//! Owns: `GrammarError`, and the bounds of a grammar's text.
//! Never: repeats a grammar at length, or shows the library's own state.

use genesis_mesh_core::Grammar;

/// Real schemas have a tenth of this.
pub(super) const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Real ones have a hundredth of this. It bounds the patterns of a schema as well, all of them together: the
/// time to compile one grows with the square of its size.
pub(super) const REGEX_BYTES_MAX: usize = 8 * 1024;

/// Room for the grammar of a programming language.
pub(super) const LARK_BYTES_MAX: usize = 16 * 1024;

/// Why an answer can't be held to a grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// The grammar's text is too long: 64 KiB are taken of a schema, with 8 KiB in all its patterns, 16 KiB
    /// of a Lark grammar and 8 KiB of a regular expression.
    #[error("the {kind} has {found} bytes, more than {limit}")]
    TooLarge {
        /// What it is, for people.
        kind: &'static str,
        /// Its bytes, for a schema those of its shortest JSON.
        found: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// The schema is nested too deeply: 128 levels are taken, references followed.
    #[error("the {kind} is nested more than {limit} levels deep")]
    TooDeep {
        /// What it is, for people.
        kind: &'static str,
        /// The deepest that is taken.
        limit: usize,
    },
    /// The Lark grammar has too many rules and terminals: 256 are taken.
    #[error("the {kind} has {found} definitions, more than {limit}")]
    TooMany {
        /// What it is, for people.
        kind: &'static str,
        /// Its definitions.
        found: usize,
        /// The most that are taken.
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
    /// The system has no thread to compile the grammar on.
    #[error("no thread for a grammar: {message}")]
    NoThread {
        /// What the system said.
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
            Self::TooMany { .. } => "grammar_too_many",
            Self::Unsupported { .. } => "grammar_unsupported",
            Self::Vocabulary { .. } => "grammar_vocabulary",
            Self::NoThread { .. } => "grammar_no_thread",
            Self::NotAllowed { .. } => "grammar_not_allowed",
            Self::TooComplex { .. } => "grammar_too_complex",
        }
    }

    /// Whether the same call may succeed later: only if it was the system that lacked something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoThread { .. })
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

pub(super) fn check_size(kind: &'static str, found: usize, limit: usize) -> Result<(), GrammarError> {
    if found > limit { Err(GrammarError::TooLarge { kind, found, limit }) } else { Ok(()) }
}

/// What the library says, without its state and backtraces, in at most 500 characters.
pub(super) fn reason(message: &str) -> String {
    let end =
        ["\n<backtrace>", "\n<state>", "\n<non-verbose/>"].iter().filter_map(|mark| message.find(mark)).min();
    let message = end.and_then(|end| message.get(..end)).unwrap_or(message);
    message.trim().chars().take(500).collect()
}
