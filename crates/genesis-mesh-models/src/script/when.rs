//! The conditions of a rule.
//!
//! Owns: what a rule may ask of a request, and whether it holds.
//! Never: knows the answer that follows.

use super::form::WhenForm;
use genesis_mesh_core::{GenerateRequest, Prompt, Role, ToolChoice, ToolSpec};
use regex::Regex;
use std::cell::OnceCell;
use toml::Spanned;

/// All conditions that are given must hold; none given always holds.
#[derive(Debug)]
pub(super) struct When {
    contains: Option<String>,
    matches: Option<Regex>,
    conversation_contains: Option<String>,
    conversation_matches: Option<Regex>,
    role: Option<Role>,
    has_tools: Option<bool>,
    tool: Option<String>,
}

impl When {
    /// Compiles the expressions; the error has the byte offset of the one at fault.
    pub(super) fn compile(form: WhenForm) -> Result<Self, (usize, Box<regex::Error>)> {
        let compile = |pattern: Option<Spanned<String>>| {
            pattern
                .map(|text| Regex::new(text.get_ref()).map_err(|error| (text.span().start, Box::new(error))))
                .transpose()
        };
        Ok(Self {
            contains: form.contains,
            matches: compile(form.matches)?,
            conversation_contains: form.conversation_contains,
            conversation_matches: compile(form.conversation_matches)?,
            role: form.role,
            has_tools: form.has_tools,
            tool: form.tool,
        })
    }

    pub(super) fn matches(&self, asked: &Asked<'_>) -> bool {
        self.role.is_none_or(|role| asked.last_role == Some(role))
            && self.has_tools.is_none_or(|wanted| asked.tools.is_empty() != wanted)
            && is_met(&self.tool, |name| asked.tools.iter().any(|tool| tool.name == *name))
            && is_met(&self.contains, |part| asked.last_text.contains(part.as_str()))
            && is_met(&self.matches, |pattern| pattern.is_match(asked.last_text))
            && is_met(&self.conversation_contains, |part| asked.conversation().contains(part.as_str()))
            && is_met(&self.conversation_matches, |pattern| pattern.is_match(asked.conversation()))
    }
}

fn is_met<T>(condition: &Option<T>, holds: impl Fn(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(holds)
}

/// A request as conditions see it. A raw text counts as one message of the user.
pub(crate) struct Asked<'a> {
    prompt: &'a Prompt,
    last_text: &'a str,
    last_role: Option<Role>,
    /// The tools that the model may call: none if the request forbids it.
    tools: &'a [ToolSpec],
    conversation: OnceCell<String>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a GenerateRequest) -> Self {
        let (last_text, last_role) = match &request.prompt {
            Prompt::Text(text) => (text.as_str(), Some(Role::User)),
            Prompt::Messages(messages) => {
                messages.last().map_or(("", None), |message| (message.content.as_str(), Some(message.role)))
            }
        };
        let tools = if request.tool_choice == ToolChoice::None { &[] } else { request.tools.as_slice() };
        Self { prompt: &request.prompt, last_text, last_role, tools, conversation: OnceCell::new() }
    }

    /// All messages, a line end between two.
    fn conversation(&self) -> &str {
        self.conversation.get_or_init(|| match self.prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Messages(messages) => {
                messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
            }
        })
    }

    /// The prompt's words, which stand for its tokens.
    pub(crate) fn word_count(&self) -> u64 {
        let count = |text: &str| text.split_whitespace().count() as u64;
        match self.prompt {
            Prompt::Text(text) => count(text),
            Prompt::Messages(messages) => messages.iter().map(|message| count(&message.content)).sum(),
        }
    }

    /// Tool calls that the conversation holds already.
    pub(crate) fn call_count(&self) -> usize {
        match self.prompt {
            Prompt::Text(_) => 0,
            Prompt::Messages(messages) => messages.iter().map(|message| message.tool_calls.len()).sum(),
        }
    }
}
