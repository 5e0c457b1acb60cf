//! Tools as clients send them: `tools` and `tool_choice`.
//!
//! Owns: their JSON shapes, the rule for a tool's name, and their translation to the core's words.
//! Never: compiles a tool's schema; the model that is held to it does, and says what is wrong with it.
//! Source: the `OpenAI` chat API.

use crate::name;
use crate::schema::InputError;
use genesis_mesh_core::{ToolChoice, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToolForm {
    /// A function of the client's.
    Function {
        /// What the model is told of it.
        function: FunctionForm,
    },
}

/// What a model is told of a function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionForm {
    /// The name by which the model calls it: letters, digits, `_` and `-`, at most 64.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    pub name: String,
    /// What it does, in the words that the model reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema (2020-12) of its arguments; without it, it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// Accepted for compatibility; a model that is computed here always keeps to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

impl ToolForm {
    /// What the model is told of these tools, in their order.
    ///
    /// # Errors
    /// Two tools have one name.
    pub fn into_specs(tools: Vec<Self>) -> Result<Vec<ToolSpec>, InputError> {
        let specs: Vec<ToolSpec> = tools.into_iter().map(Self::into_spec).collect();
        let mut seen = HashSet::with_capacity(specs.len());
        match specs.iter().position(|spec| !seen.insert(spec.name.as_str())) {
            Some(index) => Err(InputError::at(
                format!("tools[{index}].function.name"),
                "another tool has this name already; each needs one of its own",
            )),
            None => Ok(specs),
        }
    }

    fn into_spec(self) -> ToolSpec {
        let Self::Function { function } = self;
        let nothing = || json!({"type": "object", "properties": {}, "additionalProperties": false});
        ToolSpec {
            name: function.name,
            description: function.description.unwrap_or_default(),
            parameters: function.parameters.map_or_else(nothing, Value::Object),
        }
    }
}

/// Whether the model calls a tool: a word, or the tool that it must call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ToolChoiceForm {
    /// One of the words.
    Mode(ToolChoiceMode),
    /// It must call this one.
    Named(NamedToolForm),
}

/// Whether the model calls a tool, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoiceMode {
    /// The model decides.
    Auto,
    /// It must not.
    None,
    /// It must call one of them, or several.
    Required,
}

/// The tool that the model must call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NamedToolForm {
    /// A function of the client's.
    Function {
        /// Which.
        function: FunctionNameForm,
    },
}

/// A function, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionNameForm {
    /// The name of one of `tools`.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    pub name: String,
}

impl ToolChoiceForm {
    /// The choice among `tools`.
    ///
    /// # Errors
    /// It names no tool of `tools`, or demands a call of none.
    pub fn into_choice(self, tools: &[ToolSpec]) -> Result<ToolChoice, InputError> {
        let names = || tools.iter().map(|tool| tool.name.as_str());
        match self {
            Self::Mode(ToolChoiceMode::Auto) => Ok(ToolChoice::Auto),
            Self::Mode(ToolChoiceMode::None) => Ok(ToolChoice::None),
            Self::Mode(ToolChoiceMode::Required) if tools.is_empty() => {
                Err(InputError::at("tool_choice", "a call is required, and `tools` has none to call"))
            }
            Self::Mode(ToolChoiceMode::Required) => Ok(ToolChoice::Required),
            Self::Named(NamedToolForm::Function { function }) => {
                if names().any(|known| known == function.name) {
                    return Ok(ToolChoice::Named(function.name));
                }
                let hint = match name::nearest(&function.name, names()) {
                    Some(near) => format!(", perhaps `{near}` is meant"),
                    None => String::new(),
                };
                Err(InputError::at(
                    "tool_choice.function.name",
                    format!("no tool in `tools` has this name{hint}"),
                ))
            }
        }
    }
}
