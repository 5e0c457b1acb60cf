//! Lark grammars on their way to the library: bounded.
//!
//! Owns: the bound on definitions.
//! Never: reads a grammar; the library does.

use super::error::GrammarError;

/// Grammars of whole programming languages have about 200. The library goes from rule to rule on the
/// stack.
const DEFINITIONS_MAX: usize = 256;

/// Counts the lines that define a rule or a terminal.
pub(super) fn check_definitions(kind: &'static str, text: &str) -> Result<(), GrammarError> {
    let (found, limit) = (text.lines().filter(|line| is_definition(line)).count(), DEFINITIONS_MAX);
    if found > limit { Err(GrammarError::TooMany { kind, found, limit }) } else { Ok(()) }
}

/// Whether `line` starts with a name and has a colon: each definition is on a line of its own.
fn is_definition(line: &str) -> bool {
    let name = line.trim_start().trim_start_matches(['?', '!']);
    name.starts_with(|start: char| start.is_alphabetic() || start == '_') && name.contains(':')
}
