//! Conversations as JSON: messages are objects with `type`, `content` and `id`.
//!
//! Owns: the forms that count as a message, and what a change is among them.
//! Never: knows what is in a message besides its type, content, id and tool calls; the rest is kept as it is.
//! Source: the forms are those of LangGraph's `add_messages`.

use crate::message::change::Change;
use serde_json::{Map, Value, json};

/// The words for who speaks, and the one that stays of each.
const TYPES: [(&str, &str); 9] = [
    ("human", "human"),
    ("user", "human"),
    ("ai", "ai"),
    ("assistant", "ai"),
    ("system", "system"),
    ("developer", "system"),
    ("tool", "tool"),
    ("function", "function"),
    ("remove", REMOVE),
];

/// The type of an object that takes a message out.
const REMOVE: &str = "remove";

/// One message, or a list of them, as a list of messages in their one form.
pub(super) fn coerce_all(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(list) => {
            let numbered = list.into_iter().enumerate();
            numbered
                .map(|(index, message)| coerce(message).map_err(|e| format!("message {index}: {e}")))
                .collect()
        }
        single => Ok(vec![coerce(single)?]),
    }
}

/// A text, a pair of role and content, an object with `role` or `type`, or a serialised object of `LangChain`.
fn coerce(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(json!({"type": "human", "content": text})),
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(role), content]) => coerce_object(
                [("role".to_owned(), Value::String(role)), ("content".to_owned(), content)]
                    .into_iter()
                    .collect(),
            ),
            _ => Err("a list is a message only as a pair of role and content".to_owned()),
        },
        Value::Object(object) if is_in_form(&object) => Ok(Value::Object(object)),
        Value::Object(object) => coerce_object(unpack(object)),
        _ => Err("a message is a text, a pair of role and content, or an object".to_owned()),
    }
}

/// Whether nothing has to be changed.
fn is_in_form(object: &Map<String, Value>) -> bool {
    let word = object.get("type").and_then(Value::as_str);
    let is_our_type = word.is_some_and(|word| TYPES.iter().any(|(_, ours)| *ours == word));
    let is_whole = match word {
        Some(REMOVE) => object.get("id").is_some_and(Value::is_string),
        _ => object.get("content").is_some_and(|content| !content.is_null()),
    };
    let calls = object.get("tool_calls").and_then(Value::as_array);
    let is_foreign_call = |call: &Value| call.get("function").is_some();
    is_our_type
        && is_whole
        && !object.contains_key("role")
        && !calls.is_some_and(|calls| calls.iter().any(is_foreign_call))
}

/// The fields of a message that `LangChain` serialised as a call of its constructor.
fn unpack(mut object: Map<String, Value>) -> Map<String, Value> {
    let is_call = object.get("lc") == Some(&json!(1)) && object.get("type") == Some(&json!("constructor"));
    let class = object.get("id").and_then(Value::as_array).and_then(|path| path.last()?.as_str());
    let word = class.filter(|_| is_call).and_then(|class| match class.trim_end_matches("Chunk") {
        "HumanMessage" => Some("human"),
        "AIMessage" => Some("ai"),
        "SystemMessage" => Some("system"),
        "ToolMessage" => Some("tool"),
        "FunctionMessage" => Some("function"),
        "RemoveMessage" => Some(REMOVE),
        _ => None,
    });
    match (word, object.get_mut("kwargs").map(Value::take)) {
        (Some(word), Some(Value::Object(mut fields))) => {
            fields.insert("type".to_owned(), word.into());
            fields
        }
        (_, Some(kwargs)) => {
            object.insert("kwargs".to_owned(), kwargs);
            object
        }
        (_, None) => object,
    }
}

fn coerce_object(mut object: Map<String, Value>) -> Result<Value, String> {
    let (role, kind) = (object.shift_remove("role"), object.shift_remove("type"));
    let word = role.or(kind).ok_or("a message needs a `role` or a `type`")?;
    let ours = TYPES.iter().find(|(word_known, _)| word.as_str() == Some(word_known));
    let (word, ours) = *ours.ok_or_else(|| {
        let known: Vec<_> = TYPES.iter().map(|(word, _)| *word).collect();
        format!("{word} is no type of message; there are {}", known.join(", "))
    })?;
    if ours == REMOVE {
        let id = object.get("id").and_then(Value::as_str).ok_or("a removal needs the `id` of a message")?;
        return Ok(json!({"type": REMOVE, "id": id}));
    }
    let content = object.shift_remove("content").ok_or("a message needs a `content`")?;
    object.insert("type".to_owned(), ours.into());
    object.insert("content".to_owned(), if content.is_null() { "".into() } else { content });
    if word == "developer" {
        let kwargs = object.entry("additional_kwargs").or_insert_with(|| json!({}));
        if let Value::Object(kwargs) = kwargs {
            kwargs.insert("__openai_role__".to_owned(), word.into());
        }
    }
    if let Some(Value::Array(calls)) = object.get_mut("tool_calls") {
        for call in calls {
            coerce_call(call)?;
        }
    }
    Ok(Value::Object(object))
}

/// A tool call in the form of `OpenAI` (`function`, with its arguments as text) becomes name, args and id.
fn coerce_call(call: &mut Value) -> Result<(), String> {
    let Some(function) = call.get_mut("function").map(Value::take) else { return Ok(()) };
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| format!("the arguments of a tool call: {error}"))?
        }
        Some(value) => value.clone(),
        None => json!({}),
    };
    let name = function.get("name").ok_or("a tool call needs the name of its function")?;
    let id = call.get("id").cloned().unwrap_or_default();
    *call = json!({"name": name, "args": arguments, "id": id, "type": "tool_call"});
    Ok(())
}

/// Gives an id to each message that has none.
pub(super) fn assign_ids(messages: &mut Value, next_id: &mut dyn FnMut() -> String) {
    for message in messages.as_array_mut().into_iter().flatten() {
        if let Value::Object(object) = message
            && object.get("id").is_none_or(Value::is_null)
        {
            object.insert("id".to_owned(), next_id().into());
        }
    }
}

/// Both messages and changes are objects in their one form.
impl Change for Value {
    type Message = Self;

    fn id(&self) -> Option<&str> {
        self.get("id")?.as_str()
    }

    fn is_removal(&self) -> bool {
        self.get("type").and_then(Value::as_str) == Some(REMOVE)
    }

    fn into_put(self) -> Option<Self> {
        (!self.is_removal()).then_some(self)
    }

    fn id_of(message: &Self) -> Option<&str> {
        message.id()
    }
}
