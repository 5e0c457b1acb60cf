//! Tools in the prompts of models whose template has no place for them.
//!
//! Owns: the words that teach a model the Hermes form, and how calls and results stand in a conversation.
//! Never: renders; what it makes are plain messages for the template.
//! Source: the words of Qwen 2.5's chat template.

use crate::template::{call_text, tool_text};
use genesis_mesh_core::{Message, Role, ToolSpec};

/// The conversation in messages that any template takes: tools in the system message, calls in the assistant's
/// text, results in the user's.
///
/// If `has_system` is false the template takes no system message, and the first of the user's has the tools.
pub(super) fn plain(messages: &[Message], tools: &[ToolSpec], has_system: bool) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    let mut is_result = false;
    for message in messages {
        let was_result = std::mem::replace(&mut is_result, message.role == Role::Tool);
        match plain.last_mut().filter(|_| was_result && is_result) {
            Some(last) => {
                last.content.push('\n');
                last.content.push_str(&result(&message.content));
            }
            None => plain.push(plain_message(message)),
        }
    }
    if !tools.is_empty() {
        tell(&mut plain, &instruction(tools), has_system);
    }
    plain
}

fn plain_message(message: &Message) -> Message {
    match message.role {
        Role::Tool => Message::new(Role::User, result(&message.content)),
        Role::Assistant if !message.tool_calls.is_empty() => {
            let calls = message
                .tool_calls
                .iter()
                .map(|call| format!("<tool_call>\n{}\n</tool_call>", call_text(call)));
            let said = Some(message.content.clone()).filter(|said| !said.is_empty());
            let content = said.into_iter().chain(calls).collect::<Vec<_>>().join("\n");
            Message { tool_calls: Vec::new(), content, ..message.clone() }
        }
        _ => message.clone(),
    }
}

fn result(content: &str) -> String {
    format!("<tool_response>\n{content}\n</tool_response>")
}

fn tell(messages: &mut Vec<Message>, instruction: &str, has_system: bool) {
    let role = if has_system { Role::System } else { Role::User };
    let place = match role {
        Role::System => messages.first_mut().filter(|first| first.role == Role::System),
        _ => messages.iter_mut().find(|message| message.role == Role::User),
    };
    match place {
        Some(message) if has_system => message.content = format!("{}\n\n{instruction}", message.content),
        Some(message) => message.content = format!("{instruction}\n\n{}", message.content),
        None => messages.insert(0, Message::new(role, instruction)),
    }
}

fn instruction(tools: &[ToolSpec]) -> String {
    let tools: Vec<String> = tools.iter().map(tool_text).collect();
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
        You are provided with function signatures within <tools></tools> XML tags:\n\
        <tools>\n{}\n</tools>\n\n\
        For each function call, return a json object with function name and arguments within \
        <tool_call></tool_call> XML tags:\n\
        <tool_call>\n{{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n</tool_call>",
        tools.join("\n")
    )
}
