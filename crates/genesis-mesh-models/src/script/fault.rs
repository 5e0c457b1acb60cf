//! What can be wrong with a script.
//!
//! Owns: `ScriptError` with its lines, and `RuleFault`, what a single rule can get wrong.
//! Never: knows how a script is read.

use std::path::PathBuf;

/// Why a text is not a script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file can't be read.
    #[error("can't read the script {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was read, and is no script.
    #[error("the script {path} is wrong")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ScriptError>,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// No such key exists there.
    #[error("line {line}: unknown key `{key}`; the nearest known key is `{nearest}`")]
    UnknownKey {
        /// The line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The known key of that table that is most like it.
        nearest: &'static str,
    },
    /// A regular expression does not compile.
    #[error("line {line}: not a regular expression")]
    Pattern {
        /// The line, from 1.
        line: usize,
        /// Why.
        source: Box<regex::Error>,
    },
    /// A rule contradicts itself.
    #[error("line {line}: {fault}")]
    Rule {
        /// The line where the rule starts, from 1.
        line: usize,
        /// What is wrong with it.
        fault: RuleFault,
    },
    /// A script without a rule answers nothing.
    #[error("the script has no [[rule]]")]
    NoRule,
}

impl ScriptError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "script_unreadable",
            Self::InFile { source, .. } => source.code(),
            Self::Syntax { .. } => "script_syntax",
            Self::UnknownKey { .. } => "script_unknown_key",
            Self::Pattern { .. } => "script_pattern",
            Self::Rule { .. } => "script_rule",
            Self::NoRule => "script_no_rule",
        }
    }

    /// Whether loading the same script may succeed later: a file may come, a mistake stays.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// What is wrong with a rule whose keys and types are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFault {
    /// None of `text`, `pieces`, `tool_calls`, `error`, `cut_after`.
    #[error("the rule answers nothing: give it text, pieces, tool_calls, error or cut_after")]
    NoAnswer,
    /// Both are given.
    #[error("the rule has both text and pieces")]
    TextAndPieces,
    /// A model never sends an empty piece.
    #[error("a piece is empty")]
    EmptyPiece,
    /// `piece_chars` without `text`.
    #[error("piece_chars splits text, and the rule has none")]
    NothingToSplit,
    /// `piece_chars = 0`.
    #[error("piece_chars must be 1 or more")]
    PieceCharsZero,
    /// `repeat` without `text` or `pieces`.
    #[error("repeat plays text or pieces again, and the rule has none")]
    NothingToRepeat,
    /// `repeat = 0`.
    #[error("repeat must be 1 or more")]
    RepeatZero,
    /// The pieces of a call are its arguments.
    #[error("a tool call has both arguments and pieces")]
    ArgumentsAndPieces,
    /// An answer ends in one way.
    #[error("the rule has both error and cut_after")]
    ErrorAndCut,
    /// The cut would never come.
    #[error("cut_after is {cut_after}, beyond the answer's length of {pieces}")]
    CutBeyondEnd {
        /// As given.
        cut_after: u64,
        /// Pieces and tool calls of the answer.
        pieces: u64,
    },
    /// Longer than any real answer.
    #[error("the answer has {pieces} pieces, and {pieces_max} is the limit")]
    TooLong {
        /// Pieces and tool calls of the answer.
        pieces: u64,
        /// The most that are allowed.
        pieces_max: u64,
    },
    /// Longer than anyone waits.
    #[error("delay_ms is {delay_ms}, and {delay_ms_max} is the limit")]
    DelayTooLong {
        /// As given.
        delay_ms: u64,
        /// The most that is allowed.
        delay_ms_max: u64,
    },
}
