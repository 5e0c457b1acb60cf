//! The description of the sockets: AsyncAPI 3.0, one channel an agent, from the agents' own schemas.
//!
//! Owns: which messages each side sends, and their examples.
//! Never: says anything of a message by hand that a struct says.
//! Flow: made once, when the routes are. docs/protocol.md is the same for people.

use crate::app::App;
use genesis_mesh::{AgentInfo, Update};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The document for the agents of `app`.
pub(super) fn document(app: &App) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|s| s.definitions_path = "/components/schemas".into());
    let mut writes = settings.into_generator();
    let update = numbered(&writes.subschema_for::<Update>().to_value());
    let mut messages = Map::from_iter([
        (
            "update".to_owned(),
            json!({
                "title": "Update",
                "summary": "A part of the answer while it is made; `done` is the last",
                "payload": update,
                "examples": [{"payload": {"type": "delta", "text": "Hello", "seq": 2}}],
            }),
        ),
        (
            "error".to_owned(),
            json!({
                "title": "Error",
                "summary": "A mistake, or a run that failed; the socket goes on unless it says otherwise",
                "payload": error(),
            }),
        ),
    ]);
    messages.extend(commands());
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for agent in app.mesh.agents() {
        let input = format!("input.{}", agent.name);
        messages.insert(input.clone(), message(agent));
        channels.insert(agent.name.clone(), channel(agent, &input));
        operations.extend(both_ways(&agent.name, &input));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Genesis Mesh sockets",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One WebSocket for one agent: send an input, get its updates as they are made.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": writes.take_definitions(true)},
    })
}

/// An update with its number; one of a run that is not logged has none.
fn numbered(update: &Value) -> Value {
    let seq = json!({
        "type": "integer", "minimum": 1,
        "description": "The number of the last event in it, in the run's log: the cursor to `resume` after it",
    });
    json!({"allOf": [update, {"properties": {"seq": seq}}]})
}

/// The messages of a client that are no input: objects with exactly these fields.
fn commands() -> [(String, Value); 4] {
    let command = |name: &str, summary: &str, fields: Value, required: Value| {
        let mut properties = json!({"type": {"const": name}});
        if let (Some(all), Value::Object(fields)) = (properties.as_object_mut(), fields) {
            all.extend(fields);
        }
        let payload = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        (name.to_owned(), json!({"title": name, "summary": summary, "payload": payload}))
    };
    [
        command("cancel", "Stops the run; `done` with `cancelled` follows", json!({}), json!(["type"])),
        command(
            "resume",
            "Reads the log of a run on, from the event after this one",
            json!({"run_id": {"type": "string"}, "after": {"type": "integer", "minimum": 0, "default": 0}}),
            json!(["type", "run_id"]),
        ),
        command(
            "answer",
            "Goes on with the answer to what the thread asks: one `value`, or `values` by the questions' ids",
            json!({"value": {}, "values": {"type": "object"}}),
            json!(["type"]),
        ),
        command("go_on", "Goes on where the thread stands", json!({}), json!(["type"])),
    ]
}

/// What holds for every run that is started on a socket.
fn query() -> Value {
    json!({"ws": {"query": {"type": "object", "properties": {
        "thread_id": {"type": "string", "minLength": 1, "maxLength": 255, "description": "The thread of its runs"},
        "if_busy": {"enum": ["reject", "enqueue", "interrupt", "rollback"], "default": "enqueue"},
        "on_disconnect": {
            "type": "string", "pattern": "^(continue|cancel|grace=[0-9]+s)$",
            "description": "`continue` by default for runs on a thread, `cancel` for others",
        },
        "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Of the first run"},
        "log": {"type": "boolean", "default": true, "description": "false: no log, no numbers, no `resume`"},
    }}}})
}

fn message(agent: &AgentInfo) -> Value {
    json!({
        "title": format!("Input of {}", agent.name),
        "summary": agent.description,
        "payload": agent.input_schema,
        "x-agent": agent.name,
    })
}

fn channel(agent: &AgentInfo, input: &str) -> Value {
    let of = |name: &str| json!({"$ref": format!("#/components/messages/{name}")});
    json!({
        "address": format!("/ws/{}", agent.name),
        "description": agent.description,
        "bindings": query(),
        "messages": {
            input: of(input), "cancel": of("cancel"), "resume": of("resume"), "answer": of("answer"),
            "go_on": of("go_on"), "update": of("update"), "error": of("error"),
        },
    })
}

/// What a client sends to an agent, and what it gets.
fn both_ways(agent: &str, input: &str) -> [(String, Value); 2] {
    let channel = json!({"$ref": format!("#/channels/{agent}")});
    let of = |name: &str| json!({"$ref": format!("#/channels/{agent}/messages/{name}")});
    let sent = [input, "cancel", "resume", "answer", "go_on"].map(of);
    let asked = json!({"action": "receive", "channel": channel, "messages": sent});
    let told = json!({"action": "send", "channel": channel, "messages": [of("update"), of("error")]});
    [(format!("ask.{agent}"), asked), (format!("tell.{agent}"), told)]
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["type", "error"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["code", "message", "param"],
                "properties": {
                    "code": {"type": "string", "description": "A stable name for programs"},
                    "message": {"type": "string", "description": "For people; may change"},
                    "param": {"type": ["string", "null"], "description": "The path of the field at fault"},
                },
            },
        },
    })
}
