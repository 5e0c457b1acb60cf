//! The script as it is written: one struct a table, with the types of its values.
//!
//! Owns: names, types and defaults of the TOML form.
//! Never: checks how values fit together; `Script` does.
//! Source: docs/scripted-model.md, whose examples a test reads.

use super::{Call, RuleFault};
use genesis_mesh_core::{ModelError, Role};
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptForm {
    #[serde(default = "default_name")]
    pub(super) name: String,
    pub(super) context_tokens: Option<u32>,
    #[serde(default = "default_goes_on")]
    pub(super) goes_on: bool,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleForm>>,
}

fn default_name() -> String {
    "scripted".to_owned()
}

fn default_goes_on() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleForm {
    #[serde(default)]
    pub(super) when: WhenForm,
    pub(super) text: Option<String>,
    pub(super) piece_chars: Option<usize>,
    pub(super) pieces: Option<Vec<String>>,
    pub(super) repeat: Option<u32>,
    #[serde(default)]
    pub(super) tool_calls: Vec<CallForm>,
    #[serde(default)]
    pub(super) delay_ms: u64,
    pub(super) error: Option<ErrorForm>,
    pub(super) cut_after: Option<u64>,
    pub(super) usage: Option<UsageForm>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenForm {
    pub(super) contains: Option<String>,
    pub(super) matches: Option<Spanned<String>>,
    pub(super) conversation_contains: Option<String>,
    pub(super) conversation_matches: Option<Spanned<String>>,
    pub(super) role: Option<Role>,
    pub(super) has_tools: Option<bool>,
    pub(super) tool: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallForm {
    name: String,
    arguments: Option<toml::Value>,
    pieces: Option<Vec<String>>,
    id: Option<String>,
}

impl CallForm {
    /// Text stands as it is, so that a script can also play broken JSON; anything else is written as JSON.
    pub(super) fn into_call(self) -> Result<Call, RuleFault> {
        let (arguments, pieces) = match (self.arguments, self.pieces) {
            (Some(_), Some(_)) => return Err(RuleFault::ArgumentsAndPieces),
            (None, Some(pieces)) if pieces.iter().any(String::is_empty) => return Err(RuleFault::EmptyPiece),
            (None, Some(pieces)) => (pieces.concat(), pieces),
            (None, None) => ("{}".to_owned(), Vec::new()),
            (Some(toml::Value::String(text)), None) => (text, Vec::new()),
            (Some(value), None) => (json_of(value).to_string(), Vec::new()),
        };
        Ok(Call { id: self.id, name: self.name, arguments, pieces })
    }
}

fn json_of(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        // JSON has no infinity and no NaN: they become null.
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
    }
}

#[derive(Deserialize)]
#[serde(tag = "code", deny_unknown_fields)]
pub(super) enum ErrorForm {
    #[serde(rename = "invalid_request")]
    InvalidRequest { message: String, param: Option<String> },
    #[serde(rename = "context_length_exceeded")]
    ContextExceeded { prompt_tokens: u64, context_tokens: u64 },
    #[serde(rename = "model_busy")]
    Busy {
        #[serde(default = "default_queued")]
        queued: usize,
    },
    #[serde(rename = "model_truncated")]
    Truncated {},
    #[serde(rename = "model_failed")]
    Failed { message: String },
}

fn default_queued() -> usize {
    1
}

impl ErrorForm {
    pub(super) fn into_error(self) -> ModelError {
        match self {
            Self::InvalidRequest { message, param } => ModelError::InvalidRequest { param, message },
            Self::ContextExceeded { prompt_tokens, context_tokens } => {
                ModelError::ContextExceeded { prompt_tokens, context_tokens }
            }
            Self::Busy { queued } => ModelError::Busy { queued },
            Self::Truncated {} => ModelError::Truncated,
            Self::Failed { message } => ModelError::Failed { message },
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageForm {
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
}
