//! The parts of a model's input that are more than a number or a text: `stop` and `response_format`.
//!
//! Owns: their JSON shapes and their translation to the core's words.
//! Never: compiles a grammar; the model does, and says what is wrong with it.
//! Source: the `OpenAI` chat API; `grammar` and `regex` are this project's own.

use genesis_mesh_core::Grammar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One stop string or several; the answer ends before the first that appears.
///
/// At most 16, each of 1 to 256 characters: every new token is compared with all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Stop {
    /// One.
    One(#[schemars(length(min = 1, max = 256))] String),
    /// Several.
    Many(#[schemars(length(max = 16), inner(length(min = 1, max = 256)))] Vec<String>),
}

impl Stop {
    /// All of them as a list.
    pub(super) fn into_texts(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// The form that the answer must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseFormat {
    /// Free text, the default.
    Text {},
    /// Any JSON object.
    JsonObject {},
    /// JSON that validates against a schema.
    JsonSchema {
        /// The schema with its name.
        json_schema: JsonSchemaForm,
    },
    /// Text of a context-free grammar.
    Grammar {
        /// The grammar in Lark syntax; its start rule is `start`.
        lark: String,
    },
    /// Text that a regular expression matches as a whole.
    Regex {
        /// The regular expression.
        regex: String,
    },
}

/// A JSON schema that the answer must validate against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonSchemaForm {
    /// A name for people; has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A description for people; has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Accepted for compatibility; the answer always keeps to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The schema (2020-12).
    pub schema: Map<String, Value>,
}

impl ResponseFormat {
    /// The grammar that holds the model to this form; `None` for free text.
    pub(super) fn into_grammar(self) -> Option<Grammar> {
        match self {
            Self::Text {} => None,
            Self::JsonObject {} => Some(Grammar::JsonObject),
            Self::JsonSchema { json_schema } => Some(Grammar::JsonSchema(Value::Object(json_schema.schema))),
            Self::Grammar { lark } => Some(Grammar::Lark(lark)),
            Self::Regex { regex } => Some(Grammar::Regex(regex)),
        }
    }
}
