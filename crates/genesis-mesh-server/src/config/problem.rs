//! What can be wrong with a configuration, and where it stands.
//!
//! Owns: places (a line of the file, a variable, a flag), problems, and the error that lists all of them.
//! Never: looks for mistakes, or repeats a value that may be a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a setting was given. The order is that in which problems are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the file, both from 1; columns count characters.
    File { line: usize, column: usize },
    /// By this environment variable.
    Variable(String),
    /// By this flag.
    Flag(String),
    /// By nobody: a default.
    Default,
}

/// One mistake at its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration has mistakes.
    #[error("{}", Lines(problems))]
    Invalid {
        /// 1 or more: those of the file first, by line, then those of variables and flags.
        problems: Vec<ConfigProblem>,
    },
}

impl ConfigError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config_unreadable",
            Self::Invalid { .. } => "config_invalid",
        }
    }

    /// Never: the file, a variable or a flag must change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `mesh.toml:12:1` (line and column from 1), `GENESIS_MESH_PORT`, `--port`; empty if nobody gave it.
    pub place: String,
    /// Line and column in the file, from 1; `None` if it was given elsewhere.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.message),
            place => write!(f, "{place}: {}", self.message),
        }
    }
}

/// Problems, one a line.
struct Lines<'a>(&'a [ConfigProblem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// All `problems` in one error; `file` is the name under which the file's lines are told.
pub(super) fn error(mut problems: Vec<Problem>, file: &str) -> ConfigError {
    problems.sort();
    problems.dedup();
    let told = |problem: Problem| {
        let (place, position) = match problem.place {
            Place::File { line, column } => (format!("{file}:{line}:{column}"), Some((line, column))),
            Place::Variable(name) | Place::Flag(name) => (name, None),
            Place::Default => (String::new(), None),
        };
        ConfigProblem { place, position, message: problem.message }
    };
    ConfigError::Invalid { problems: problems.into_iter().map(told).collect() }
}
