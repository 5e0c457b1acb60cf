//! Schemas: a JSON schema compiled once, and what is wrong with a value, said as a person would.
//!
//! Owns: the compiled validator and `InputError`, the list of problems of one value.
//! Never: knows agents or the wire; the same schemas check inputs and parsed outputs.
//! Flow: setup compiles; each run validates; `describe` turns the validator's errors into sentences.

mod describe;
mod size;

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// The most problems that one error lists: more would bury the first.
const PROBLEMS_MAX: usize = 5;

/// A JSON schema (2020-12 unless it names another draft), ready to check values.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: jsonschema::Validator,
}

impl Schema {
    /// Compiles `json`; nothing is fetched, so a reference outside of the schema is an error.
    ///
    /// # Errors
    /// What is wrong with the schema, in words.
    pub fn compile(json: Value) -> Result<Self, String> {
        if !json.is_object() {
            return Err("a schema must be a JSON object".to_owned());
        }
        let validator = jsonschema::validator_for(&json)
            .map_err(|error| format!("{}: {}", describe::path(error.schema_path()), error.masked()))?;
        Ok(Self { json, validator })
    }

    /// The schema as it was given.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// The first problems, in the order of the schema; of a very large value, only where it is large.
    pub fn check(&self, value: &Value) -> Result<(), InputError> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if let Some(problem) = size::problem(value) {
            return Err(InputError { problems: vec![problem] });
        }
        let mut problems: Vec<InputProblem> = Vec::new();
        for error in self.validator.iter_errors(value) {
            for problem in describe::problems(&self.json, value, &error) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
                if problems.len() >= PROBLEMS_MAX {
                    return Err(InputError { problems });
                }
            }
        }
        Err(InputError { problems })
    }

    /// Checks `value` and reads it as a `T`, whose schema this is.
    ///
    /// # Errors
    /// What [`Schema::check`] finds, or what `T` cannot hold although the schema allows it.
    pub fn read<T: DeserializeOwned>(&self, value: Value) -> Result<T, InputError> {
        self.check(&value)?;
        read_checked(value)
    }
}

/// Reads `value`, which the schema of `T` has accepted already.
///
/// # Errors
/// What `T` cannot hold although its schema allows it.
pub(crate) fn read_checked<T: DeserializeOwned>(mut value: Value) -> Result<T, InputError> {
    for field in value.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        whole_float_to_integer(field);
    }
    serde_json::from_value(value).map_err(|error| InputError::at("", error.to_string()))
}

/// JSON Schema counts 5.0 as an integer, serde does not.
fn whole_float_to_integer(value: &mut Value) {
    /// Every whole f64 up to this one is exact (2^53).
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let Value::Number(number) = value else { return };
    if let Some(float) = number.as_f64().filter(|_| number.is_f64())
        && float.fract() == 0.0
        && float.abs() <= EXACT_MAX
    {
        *value = Value::from(float as i64);
    }
}

/// An input that its agent does not accept: one or more problems, the first ones first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// 1 to 5 problems.
    pub problems: Vec<InputProblem>,
}

impl InputError {
    /// One problem at `path` (empty for the input as a whole).
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { problems: vec![InputProblem { path: path.into(), message: message.into() }] }
    }

    /// The path of the first problem, for example `messages[0].role`; `None` if it is the whole input.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.problems.first().map(|problem| problem.path.as_str()).filter(|path| !path.is_empty())
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// One thing that is wrong with a value: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputProblem {
    /// Where: `messages[0].role`; empty for the value as a whole.
    pub path: String,
    /// What is wrong, what is expected and what was given.
    pub message: String,
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

#[cfg(test)]
mod tests;
