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
    let update = writes.subschema_for::<Update>().to_value();
    let mut messages = Map::from_iter([
        (
            "update".to_owned(),
            json!({
                "title": "Update",
                "summary": "A part of the answer while it is made; `done` is the last",
                "payload": update,
                "examples": [{"payload": {"type": "delta", "text": "Hello"}}],
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
        (
            "cancel".to_owned(),
            json!({
                "title": "Cancel",
                "summary": "Stops the run; `done` with `cancelled` follows",
                "payload": {
                    "type": "object", "properties": {"type": {"const": "cancel"}}, "required": ["type"],
                    "additionalProperties": false,
                },
            }),
        ),
    ]);
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
        "messages": {
            input: of(input), "cancel": of("cancel"), "update": of("update"), "error": of("error"),
        },
    })
}

/// What a client sends to an agent, and what it gets.
fn both_ways(agent: &str, input: &str) -> [(String, Value); 2] {
    let channel = json!({"$ref": format!("#/channels/{agent}")});
    let of = |name: &str| json!({"$ref": format!("#/channels/{agent}/messages/{name}")});
    let asked = json!({"action": "receive", "channel": channel, "messages": [of(input), of("cancel")]});
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
