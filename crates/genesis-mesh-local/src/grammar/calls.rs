//! The grammar of answers that call tools: rules around the schemas of their arguments.
//!
//! Owns: the bounds on all schemas together, and putting them and a response format into one grammar.
//! Never: knows how a model writes a call; `tools` says it in the rules.

use super::error::{GrammarError, REGEX_BYTES_MAX, SCHEMA_BYTES_MAX, check_size};
use super::numbers::Place;
use super::opening::{JsonPart, Opening};
use super::schema;
use genesis_mesh_core::Grammar;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::Value;
use std::fmt::Write as _;

pub(super) const KIND: &str = "grammar of the tools";

/// The name by which rules refer to the response format.
const ANSWER: &str = "answer";

/// An answer that calls tools, or may.
#[derive(Debug)]
pub(crate) struct CallGrammar<'a> {
    /// Rules in Lark syntax, `start` among them. `arguments_0`, `arguments_1` … are the arguments of each tool,
    /// `@answer` is the response format.
    pub(crate) rules: String,
    /// The schema of each tool's arguments.
    pub(crate) arguments: Vec<Value>,
    pub(crate) answer: Option<&'a Grammar>,
    /// Where the first call begins; `None` if all of the answer is JSON or what stands between calls.
    pub(crate) opening: Option<Opening>,
}

impl CallGrammar<'_> {
    /// The grammar as the library takes it; `answer` is the compiled form of the response format.
    pub(super) fn top(&self, answer: Option<TopLevelGrammar>) -> Result<TopLevelGrammar, GrammarError> {
        let mut lark = self.rules.clone();
        let (mut bytes, mut patterns) = (0, 0);
        for (index, arguments) in self.arguments.iter().enumerate() {
            let schema = schema::checked(arguments)?;
            bytes += arguments.to_string().len();
            patterns += schema::pattern_bytes(arguments);
            // Writing to a text never fails.
            let _ = writeln!(lark, "arguments_{index}: %json {schema}");
        }
        check_size("text of all tools' schemas", bytes, SCHEMA_BYTES_MAX)?;
        check_size("text of all tools' patterns", patterns, REGEX_BYTES_MAX)?;
        let mut top = TopLevelGrammar::from_lark(lark);
        let named = |grammar| GrammarWithLexer { name: Some(ANSWER.to_owned()), ..grammar };
        top.grammars.extend(answer.into_iter().flat_map(|answer| answer.grammars).map(named));
        Ok(top)
    }

    pub(super) fn json_part(&self) -> JsonPart {
        match self.opening {
            Some(opening) => JsonPart::After(opening, Vec::new()),
            None => JsonPart::Open(Place::Outside),
        }
    }
}

/// Checks what of the bounds regards one tool.
pub(crate) fn check_arguments(schema: &Value) -> Result<(), GrammarError> {
    schema::checked(schema).map(drop)
}
