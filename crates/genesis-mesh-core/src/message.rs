//! Messages: one turn of a conversation, in the field names of the chat protocols.
//!
//! Owns: roles, messages, tool calls and their JSON form.
//! Never: knows how a model renders them; that is the model's chat template.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instruction that frames the conversation.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The name used on the wire and in chat templates.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Names the message within its conversation, so that it can be replaced or removed; given by graphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said; may be empty for an assistant message that only calls tools.
    #[serde(default)]
    pub content: String,
    /// The speaker's name, where a template shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The calls that an assistant message makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message of `role` that says `content` and nothing else.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            id: None,
            role,
            content: content.into(),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

/// One change to a conversation: what the reducer `messages` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MessageChange {
    /// Takes the message of this id out.
    Remove {
        /// Always `remove`.
        r#type: RemoveTag,
        /// The id of the message, or `__remove_all__` for all before this change.
        id: String,
    },
    /// Puts a message at the end, or in the place of the one with its id.
    Put(Message),
}

/// The word `remove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemoveTag {
    /// The word.
    Remove,
}

impl MessageChange {
    /// The id that stands for all messages.
    pub const ALL: &str = "__remove_all__";

    /// Takes the message of this id out.
    #[must_use]
    pub fn remove(id: impl Into<String>) -> Self {
        Self::Remove { r#type: RemoveTag::Remove, id: id.into() }
    }

    /// Takes all messages out that came before this change.
    #[must_use]
    pub fn remove_all() -> Self {
        Self::remove(Self::ALL)
    }

    /// Applies `changes` to `messages`, in order.
    ///
    /// # Errors
    /// The id of a removal that no message has; `messages` is then as it was.
    pub fn apply_all(messages: &mut Vec<Message>, mut changes: Vec<Self>) -> Result<(), String> {
        if let Some(last) =
            changes.iter().rposition(|change| matches!(change, Self::Remove { id, .. } if id == Self::ALL))
        {
            changes.drain(..=last);
            messages.clear();
        }
        if changes.iter().all(|change| matches!(change, Self::Put(message) if message.id.is_none())) {
            messages.extend(changes.into_iter().filter_map(Self::into_put));
            return Ok(());
        }
        let mut places: HashMap<String, usize> = messages
            .iter()
            .enumerate()
            .filter_map(|(place, message)| Some((message.id.clone()?, place)))
            .collect();
        if let Some(unknown) = Self::unknown_removal(&places, &changes) {
            return Err(unknown);
        }
        let mut removed = BTreeSet::new();
        for change in changes {
            match change {
                Self::Remove { id, .. } => removed.extend(places.get(&id).copied()),
                Self::Put(message) => match message.id.as_ref().and_then(|id| places.get(id).copied()) {
                    Some(place) => {
                        removed.remove(&place);
                        if let Some(old) = messages.get_mut(place) {
                            *old = message;
                        }
                    }
                    None => {
                        places.extend(message.id.clone().map(|id| (id, messages.len())));
                        messages.push(message);
                    }
                },
            }
        }
        let mut place = 0;
        messages.retain(|_| {
            place += 1;
            !removed.contains(&(place - 1))
        });
        Ok(())
    }

    /// The id of the first removal of a message that is not there when its turn comes.
    fn unknown_removal(places: &HashMap<String, usize>, changes: &[Self]) -> Option<String> {
        let mut added = BTreeSet::new();
        for change in changes {
            match change {
                Self::Put(message) => added.extend(message.id.as_deref()),
                Self::Remove { id, .. } if !places.contains_key(id) && !added.contains(id.as_str()) => {
                    return Some(id.clone());
                }
                Self::Remove { .. } => {}
            }
        }
        None
    }

    fn into_put(self) -> Option<Message> {
        match self {
            Self::Put(message) => Some(message),
            Self::Remove { .. } => None,
        }
    }
}

impl From<Message> for MessageChange {
    fn from(message: Message) -> Self {
        Self::Put(message)
    }
}

/// The next piece of a tool call's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallDelta {
    /// The id of the call that is being made.
    pub id: String,
    /// The tool's name, whole in every piece.
    pub name: String,
    /// The next piece of the arguments' JSON text; may be empty in the first piece.
    pub arguments: String,
}

/// A model's request to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Unique within the conversation; the tool message names it in `tool_call_id`.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, as the model wrote them.
    pub arguments: String,
}
