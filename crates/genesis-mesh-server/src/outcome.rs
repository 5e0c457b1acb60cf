//! Outcomes: what a command comes to.
//!
//! Owns: the one type of all commands.
//! Never: prints; `main` does.

use std::error::Error;
use std::process::ExitCode;

/// The exit status, or what `main` says before it fails.
pub(crate) type Outcome = Result<ExitCode, Box<dyn Error + Send + Sync>>;
