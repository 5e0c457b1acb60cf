//! Tool calls: how a model is told of tools, and how it is held to valid calls of them.
//!
//! Owns: the model's form of calls, what a request's tools must be, and what of an answer may be a call.
//! Never: runs a tool. Never lets a marker out as text, or a call that its tool's schema refuses.
//! Flow: `conversation` before the template, `plan` gives the grammar, `CallReader` reads the answer.

mod form;
mod rules;
mod prompt;
mod id;
mod reader;
#[cfg(test)]
mod tests;

use crate::grammar::{CallGrammar, GrammarError, GrammarFactory, check_arguments};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use form::{CallForm, Family};
use genesis_mesh_core::{GenerateRequest, Grammar, Message, ModelError, Role, ToolChoice, ToolSpec};
pub(crate) use id::CallIds;
pub(crate) use reader::{CallReader, Piece};
use rules::Beside;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashSet;

/// As many as the `OpenAI` API takes.
const TOOLS_MAX: usize = 128;

/// As in the `OpenAI` API.
const NAME_BYTES_MAX: usize = 64;

/// Words that say that the schema is of an object without the keyword `type`.
const OBJECT_BY_OTHER_MEANS: [&str; 5] = ["$ref", "$dynamicRef", "anyOf", "oneOf", "allOf"];

/// One model's way with tools.
#[derive(Debug)]
pub(crate) struct ToolSide {
    form: CallForm,
    /// Whether the template shows a system message.
    has_system: bool,
}

/// What a request's tools make of its answer.
#[derive(Debug)]
pub(crate) struct CallPlan<'a> {
    pub(crate) grammar: CallGrammar<'a>,
    /// For each schema of the grammar its place in the request's tools.
    places: Vec<usize>,
    /// How its answer is read; the ids come later.
    pub(crate) reading: Reading,
}

/// How an answer's calls are found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    form: CallForm,
    /// A marker counts at the very start alone.
    is_call_first: bool,
}

impl Reading {
    pub(crate) fn reader(&self, ids: CallIds) -> CallReader {
        CallReader::new(&self.form, self.is_call_first, ids)
    }
}

impl ToolSide {
    pub(crate) fn new(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        const PROBE: &str = "a system message";
        let probe = [Message::new(Role::System, PROBE), Message::new(Role::User, "hello")];
        let has_system = template.render(&probe, &[]).is_ok_and(|prompt| prompt.contains(PROBE));
        Self { form: CallForm::detect(template, tokenizer), has_system }
    }

    /// The conversation as the model's template takes it, and the tools that the template is to write.
    pub(crate) fn conversation<'a>(
        &self,
        messages: &'a [Message],
        tools: &'a [ToolSpec],
    ) -> (Cow<'a, [Message]>, &'a [ToolSpec]) {
        let speaks_of_tools =
            |message: &Message| message.role == Role::Tool || !message.tool_calls.is_empty();
        if tools.is_empty() && !messages.iter().any(speaks_of_tools) {
            return (Cow::Borrowed(messages), tools);
        }
        match (self.form.is_in_template, self.form.family) {
            (true, Family::Mistral) => (messages.iter().map(with_short_ids).collect(), tools),
            (true, _) => (Cow::Borrowed(messages), tools),
            (false, _) => (prompt::plain(messages, tools, self.has_system).into(), &[]),
        }
    }

    /// What `request` makes of its answer; `None` if it can call nothing.
    ///
    /// # Errors
    /// `InvalidRequest`, which names the field.
    pub(crate) fn plan<'a>(&self, request: &'a GenerateRequest) -> Result<Option<CallPlan<'a>>, ModelError> {
        let (tools, grammar) = (request.tools.as_slice(), request.grammar.as_ref());
        let (places, beside) = match &request.tool_choice {
            ToolChoice::None => return Ok(None),
            ToolChoice::Auto if tools.is_empty() => return Ok(None),
            ToolChoice::Auto => ((0..tools.len()).collect(), self.beside(grammar)?),
            ToolChoice::Required if tools.is_empty() => {
                return Err(invalid("tool_choice", "a call is required, and there are no tools to call"));
            }
            ToolChoice::Required => ((0..tools.len()).collect(), Beside::Nothing),
            ToolChoice::Named(name) => {
                let place = tools.iter().position(|tool| tool.name == *name);
                let unknown = || invalid("tool_choice", &format!("no tool has the name `{}`", shown(name)));
                (vec![place.ok_or_else(unknown)?], Beside::Nothing)
            }
        };
        let schemas = check(tools)?;
        let is_single = request.is_single_tool_call || matches!(request.tool_choice, ToolChoice::Named(_));
        let chosen: Vec<&ToolSpec> = places.iter().filter_map(|place| tools.get(*place)).collect();
        let names: Vec<&str> = chosen.iter().map(|tool| tool.name.as_str()).collect();
        let rules = rules::rules(&self.form, &names, beside, is_single);
        let arguments = places.iter().filter_map(|place| schemas.get(*place)).cloned().collect();
        let (answer, opening) = match beside {
            Beside::Text => (None, Some(self.form.opening)),
            Beside::Answer => (grammar, None),
            Beside::Nothing => (None, None),
        };
        let reading = Reading { form: self.form, is_call_first: beside != Beside::Text };
        let grammar = CallGrammar { rules, arguments, answer, opening };
        Ok(Some(CallPlan { grammar, places, reading }))
    }

    /// What an answer without a call is, if the model decides.
    fn beside(&self, grammar: Option<&Grammar>) -> Result<Beside, ModelError> {
        match grammar {
            None => Ok(Beside::Text),
            Some(Grammar::JsonObject | Grammar::JsonSchema(_)) if !self.form.opening.is_at_start => {
                Ok(Beside::Answer)
            }
            Some(Grammar::JsonObject | Grammar::JsonSchema(_)) => Err(invalid(
                "response_format",
                "this model's calls are JSON too and can't be told from such an answer; give `tool_choice` `none` or `required`, or leave this out",
            )),
            Some(Grammar::Lark(_) | Grammar::Regex(_)) => Err(invalid(
                "response_format",
                "beside tools only `json_object` and `json_schema` are possible; give `tool_choice` `none` or `required`, or leave this out",
            )),
        }
    }
}

impl CallPlan<'_> {
    /// The request's mistake behind `error`, which compiling the grammar gave.
    pub(crate) fn fault(&self, error: &GrammarError, grammars: &GrammarFactory) -> ModelError {
        let fails = |schema: &Value| grammars.compile(&Grammar::JsonSchema(schema.clone())).is_err();
        if let Some(Err(error)) = self.grammar.answer.map(|answer| grammars.compile(answer)) {
            return invalid("response_format", &error.to_string());
        }
        match self.grammar.arguments.iter().position(fails) {
            Some(index) => {
                let place = self.places.get(index).copied().unwrap_or(index);
                invalid(&format!("tools[{place}].function.parameters"), &error.to_string())
            }
            None => invalid("tools", &error.to_string()),
        }
    }
}

/// Checks all of a request's tools, and gives the schemas of their arguments, which are objects.
fn check(tools: &[ToolSpec]) -> Result<Vec<Value>, ModelError> {
    if tools.len() > TOOLS_MAX {
        let message = format!("there are {} tools, and {TOOLS_MAX} are taken", tools.len());
        return Err(invalid("tools", &message));
    }
    let mut names = HashSet::with_capacity(tools.len());
    let mut schemas = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        let at = |field: &str| format!("tools[{index}].function.{field}");
        if !is_name(&tool.name) {
            let name = shown(&tool.name);
            let message =
                format!("a name has 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`, and not `{name}`");
            return Err(invalid(&at("name"), &message));
        }
        if !names.insert(tool.name.as_str()) {
            return Err(invalid(&at("name"), "another tool has this name already"));
        }
        let parameters = at("parameters");
        check_arguments(&tool.parameters).map_err(|error| invalid(&parameters, &error.to_string()))?;
        let no_object =
            || invalid(&parameters, "arguments are an object: the schema's `type` must be `object`");
        schemas.push(object_schema(&tool.parameters).ok_or_else(no_object)?);
    }
    Ok(schemas)
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_part)
}

/// The first characters of what a caller gave.
fn shown(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).collect()
}

/// `schema` for objects alone; `None` if it is for something else.
fn object_schema(schema: &Value) -> Option<Value> {
    let mut fields = match schema {
        Value::Object(fields) => fields.clone(),
        Value::Bool(true) => serde_json::Map::new(),
        _ => return None,
    };
    match fields.get("type") {
        Some(Value::String(kind)) if kind == "object" => {}
        Some(_) => return None,
        None if OBJECT_BY_OTHER_MEANS.iter().any(|word| fields.contains_key(*word)) => {}
        None => {
            fields.insert("type".to_owned(), json!("object"));
        }
    }
    Some(Value::Object(fields))
}

fn with_short_ids(message: &Message) -> Message {
    let mut message = message.clone();
    for call in &mut message.tool_calls {
        call.id = id::short(&call.id);
    }
    message.tool_call_id = message.tool_call_id.map(|call| id::short(&call));
    message
}

fn invalid(param: &str, message: &str) -> ModelError {
    ModelError::InvalidRequest { param: Some(param.to_owned()), message: message.to_owned() }
}
