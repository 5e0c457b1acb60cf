//! The rules of answers that call tools, in Lark syntax.
//!
//! Owns: where text may stand, and what stands around the arguments of a call.
//! Never: has a rule for the arguments themselves: their schemas come to `arguments_0`, `arguments_1` ….

use super::form::{CallForm, Family};
use crate::grammar::Marker;
use std::fmt::Write as _;

/// Calls of one answer: more than an agent makes in a turn, and the end of a small model that repeats itself.
const CALLS_MAX: usize = 32;

/// What stands beside the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: the answer is calls.
    Nothing,
    /// Text, before the calls or instead of them.
    Text,
    /// An answer of the response format, instead of the calls.
    Answer,
}

/// The rules for calls of tools with these names; at most one call if `is_single`.
pub(super) fn rules(form: &CallForm, names: &[&str], beside: Beside, is_single: bool) -> String {
    let open = marker(form.opening.marker);
    // The marker of a call that is the whole answer is its own first character.
    let opened = if form.family == Family::Llama { "calls".to_owned() } else { format!("{open} calls") };
    let mut rules = match (beside, form.opening.marker) {
        (Beside::Nothing, _) => format!("start: {opened}\n"),
        (Beside::Answer, _) => format!("start: @answer | {opened}\n"),
        (Beside::Text, Marker::Text(first)) if form.opening.is_at_start => {
            format!("start: TEXT | {opened}\nTEXT: /([^{first}](.|\\n)*)?/\n")
        }
        // Lazy: the first marker ends the text, whatever else could follow.
        (Beside::Text, Marker::Text(_)) => {
            format!("start: TEXT | head calls\nhead[lazy]: TEXT {open}\nTEXT: /(.|\\n)*/\n")
        }
        (Beside::Text, Marker::Token(_)) => format!("start: TEXT | TEXT {open} calls\nTEXT: /(.|\\n)*/\n"),
    };
    let tools: Vec<String> = (0..names.len()).map(|index| format!("tool_{index}")).collect();
    // Writing to a text never fails.
    let _ = writeln!(rules, "calls: {}", calls(form, &open, is_single));
    let _ = writeln!(rules, "call: \"{{\\\"name\\\": \\\"\" ({}) \"}}\"", tools.join(" | "));
    for (index, name) in names.iter().enumerate() {
        let key = form.arguments_key();
        let _ = writeln!(rules, "tool_{index}: \"{name}\\\", \\\"{key}\\\": \" arguments_{index}");
    }
    rules
}

/// What follows the first marker.
fn calls(form: &CallForm, open: &str, is_single: bool) -> String {
    let more = |one: &str| match is_single {
        true => String::new(),
        false => format!("({one}){{0,{}}}", CALLS_MAX - 1),
    };
    match form.family {
        Family::Hermes => {
            let one = format!("\"\\n\" call \"\\n\" {}", marker(form.close));
            let others = more(&format!("\"\\n\" {open} {one}"));
            format!("{one} {others}")
        }
        Family::Mistral => format!("\" \"? \"[\" call {} \"]\"", more("\", \" call")),
        Family::Llama => "call".to_owned(),
    }
}

fn marker(marker: Marker) -> String {
    match marker {
        Marker::Text(text) => format!("\"{text}\""),
        Marker::Token(id) => format!("<[{id}]>"),
    }
}
