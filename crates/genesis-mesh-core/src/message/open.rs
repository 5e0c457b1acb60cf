//! Open calls: tool calls of a conversation that nothing answers, as a stop in the middle leaves them.
//!
//! Owns: the answers that they get, so that a provider takes the conversation.
//! Never: changes a message that is there.

use super::{Message, Role};

/// What an open call is answered with.
const INTERRUPTED: &str = r#"{"error":"interrupted"}"#;

impl Message {
    /// Gives each tool call that no tool message after it answers the answer `{"error":"interrupted"}`, after those of
    /// the same message that are answered. Providers refuse a conversation with an open call.
    pub fn answer_open_calls(messages: &mut Vec<Self>) {
        let mut place = messages.len();
        // From the last to the first, so that what is inserted moves none of those that are still to be seen.
        while let Some(before) = place.checked_sub(1) {
            place = before;
            let after = messages.get(place + 1..).unwrap_or_default();
            let is_open = |id: &str| !after.iter().any(|message| message.answers(id));
            let calls = messages.get(place).map_or(&[][..], |message| message.tool_calls.as_slice());
            let open: Vec<Self> = calls
                .iter()
                .filter(|call| is_open(&call.id))
                .map(|call| Self::interrupted(&call.id))
                .collect();
            if !open.is_empty() {
                let answered = after.iter().take_while(|message| message.role == Role::Tool).count();
                let end = place + 1 + answered;
                messages.splice(end..end, open);
            }
        }
    }

    fn answers(&self, call: &str) -> bool {
        self.role == Role::Tool && self.tool_call_id.as_deref() == Some(call)
    }

    fn interrupted(call: &str) -> Self {
        Self { tool_call_id: Some(call.to_owned()), ..Self::new(Role::Tool, INTERRUPTED) }
    }
}

#[cfg(test)]
mod tests;
