//! Parsers: the last part of a pipeline, which turns the answer's text into a value.
//!
//! Owns: the four forms (text, JSON, lines, regex), and the grammar that makes a model keep to a form.
//! Never: sees a stream; it reads the whole answer once.
//! Flow: `Pipeline::parse` declares one, setup compiles it, the run applies it before `Done`.

use crate::schema::Schema;
use crate::update::RunError;
use genesis_mesh_core::Grammar;
use regex::Regex;
use schemars::JsonSchema;
use serde_json::Value;

/// What a pipeline makes of the model's answer.
///
/// ```
/// use genesis_mesh::Parser;
/// let score = Parser::regex(r"Score: (\d+)");
/// let list = Parser::lines();
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parser {
    form: Form,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Form {
    #[default]
    Text,
    Json(Option<Value>),
    Lines,
    Regex(String),
}

impl Parser {
    /// The answer as it is: a string.
    #[must_use]
    pub fn text() -> Self {
        Self { form: Form::Text }
    }

    /// A JSON object; the model is held to one where it can be.
    #[must_use]
    pub fn json() -> Self {
        Self { form: Form::Json(None) }
    }

    /// JSON that validates against `schema`; the model is held to it where it can be.
    #[must_use]
    pub fn json_schema(schema: Value) -> Self {
        Self { form: Form::Json(Some(schema)) }
    }

    /// JSON of the type `T`, by the schema that its derive made.
    #[must_use]
    pub fn json_of<T: JsonSchema>() -> Self {
        Self::json_schema(schemars::schema_for!(T).to_value())
    }

    /// A list of strings: the answer's lines without empty ones, list markers and outer space.
    #[must_use]
    pub fn lines() -> Self {
        Self { form: Form::Lines }
    }

    /// The first match of `pattern` (syntax of the crate `regex`): an object if groups are named, else the
    /// one group, else a list of the groups, else the match. A group that took no part is `null`.
    #[must_use]
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self { form: Form::Regex(pattern.into()) }
    }

    /// Checks the schema or the pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn compile(&self) -> Result<ReadyParser, String> {
        Ok(match &self.form {
            Form::Text => ReadyParser::Text,
            Form::Json(None) => ReadyParser::Json(None),
            Form::Json(Some(schema)) => ReadyParser::Json(Some(Schema::compile(schema.clone())?)),
            Form::Lines => ReadyParser::Lines,
            Form::Regex(pattern) => {
                ReadyParser::Regex(Regex::new(pattern).map_err(|error| error.to_string())?)
            }
        })
    }
}

/// A parser whose schema or pattern is compiled.
#[derive(Debug)]
pub(crate) enum ReadyParser {
    Text,
    Json(Option<Schema>),
    Lines,
    Regex(Regex),
}

impl ReadyParser {
    /// The form to which the model is held.
    pub(crate) fn grammar(&self) -> Option<Grammar> {
        match self {
            Self::Json(None) => Some(Grammar::JsonObject),
            Self::Json(Some(schema)) => Some(Grammar::JsonSchema(schema.json().clone())),
            Self::Text | Self::Lines | Self::Regex(_) => None,
        }
    }

    /// The value of `answer`.
    ///
    /// # Errors
    /// `OutputInvalid` if the answer is not in this form.
    pub(crate) fn parse(&self, answer: &str) -> Result<Value, RunError> {
        match self {
            Self::Text => Ok(Value::from(answer)),
            Self::Json(schema) => parse_json(answer, schema.as_ref()),
            Self::Lines => Ok(answer.lines().map(without_marker).filter(|line| !line.is_empty()).collect()),
            Self::Regex(pattern) => parse_match(answer, pattern),
        }
    }
}

fn parse_json(answer: &str, schema: Option<&Schema>) -> Result<Value, RunError> {
    let invalid = |reason: String| RunError::OutputInvalid { form: "JSON", reason };
    let value = serde_json::from_str(without_fence(answer)).map_err(|error| invalid(error.to_string()))?;
    if let Some(schema) = schema {
        schema.check(&value).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(value)
}

/// Models like to wrap JSON in a Markdown code fence; the fence is not part of the value.
fn without_fence(answer: &str) -> &str {
    let answer = answer.trim();
    let Some(inner) = answer.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else {
        return answer;
    };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

/// A line without the marker of a list: `-`, `*`, `•`, `1.` or `1)`, each before a space.
fn without_marker(line: &str) -> &str {
    let line = line.trim();
    let Some((marker, rest)) = line.split_once(' ') else { return line };
    let number = marker.strip_suffix(['.', ')']);
    let is_number =
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    if is_number || matches!(marker, "-" | "*" | "•") { rest.trim_start() } else { line }
}

fn parse_match(answer: &str, pattern: &Regex) -> Result<Value, RunError> {
    let found = pattern.captures(answer).ok_or_else(|| RunError::OutputInvalid {
        form: "match",
        reason: format!("nothing matches `{pattern}`"),
    })?;
    let value =
        |group: Option<regex::Match<'_>>| group.map_or(Value::Null, |group| Value::from(group.as_str()));
    let names: Vec<&str> = pattern.capture_names().flatten().collect();
    if !names.is_empty() {
        return Ok(names.into_iter().map(|name| (name.to_owned(), value(found.name(name)))).collect());
    }
    let mut groups: Vec<Value> = found.iter().skip(1).map(value).collect();
    Ok(match groups.len() {
        0 => value(found.get(0)),
        1 => groups.remove(0),
        _ => Value::Array(groups),
    })
}

#[cfg(test)]
mod tests;
