//! The forms in which model families write tool calls.
//!
//! Owns: which form a model has, and the texts that a call is made of.
//! Never: reads an answer or writes a prompt.
//! Source: the chat templates of Hermes 2 Pro and Qwen 2.5, Llama 3.1, and Mistral 7B v0.3.

use crate::grammar::{Marker, Opening};
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// How a model writes its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`, one after the other. Also what models without a form
    /// of their own are taught in the prompt.
    Hermes,
    /// `{"name": …, "parameters": …}` as the whole answer: one call an answer.
    Llama,
    /// `[TOOL_CALLS] [{"name": …, "arguments": …}, …]`.
    Mistral,
}

/// One model's way to write calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallForm {
    pub(super) family: Family,
    /// What is before the first call; text is before it only if it counts everywhere.
    pub(super) opening: Opening,
    /// What is after a call of the Hermes form.
    pub(super) close: Marker,
    /// Whether the model's own template writes tools, calls and results.
    pub(super) is_in_template: bool,
}

impl CallForm {
    /// The form that the model was trained on, if its template shows a known one; else that of Hermes.
    pub(super) fn detect(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        let source = template.source();
        let has = |part: &str| source.contains(part);
        let family = match has("tools") {
            true if has("<tool_call>") => Some(Family::Hermes),
            // Newer templates write `[TOOL_CALLS]name[ARGS]{…}`, which is another form.
            true if has("[TOOL_CALLS]") && !has("[ARGS]") => Some(Family::Mistral),
            true if has("\"parameters\": ") && has("ipython") => Some(Family::Llama),
            _ => None,
        };
        let marker = |text: &'static str| match tokenizer.control(text) {
            Some(token) => Marker::Token(token),
            None => Marker::Text(text),
        };
        let (marker_of, is_at_start) = match family.unwrap_or(Family::Hermes) {
            Family::Hermes => (marker("<tool_call>"), false),
            Family::Mistral => (marker("[TOOL_CALLS]"), false),
            Family::Llama => (Marker::Text("{"), true),
        };
        Self {
            family: family.unwrap_or(Family::Hermes),
            opening: Opening { marker: marker_of, is_at_start },
            close: marker("</tool_call>"),
            is_in_template: family.is_some(),
        }
    }

    /// The key of the arguments.
    pub(super) fn arguments_key(&self) -> &'static str {
        match self.family {
            Family::Hermes | Family::Mistral => "arguments",
            Family::Llama => "parameters",
        }
    }
}
