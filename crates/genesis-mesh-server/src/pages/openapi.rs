//! The description of the HTTP surface: OpenAPI 3.1, from the structs that read and write it.
//!
//! Owns: which paths are told, and their examples, which tests send.
//! Never: says anything of a body by hand: the schemas are those of the code.
//! Flow: made once, when the routes are.

use super::operation::Operation;
use super::runs;
use crate::app::App;
use crate::chat::body::ChatBody;
use crate::chat::completion::{ChatChunk, ChatCompletion};
use crate::chat::models::{ModelEntry, ModelList};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// What the server says of itself.
const ABOUT: &str = "Agents over HTTP, for the official clients of OpenAI's chat API. `model` names an agent; \
                     `GET /v1/models` lists them. Runs are logged: `/v1/runs`. Agents over WebSocket: \
                     `/asyncapi.json`. Every error has the form of `Error`, and a stable `code`.";

/// The document for the agents of `app`.
pub(super) fn document(app: &App) -> Value {
    let agent = app.mesh.agents().next().map_or_else(|| "agent".to_owned(), |agent| agent.name.clone());
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let (mut reads, mut writes) =
        (settings.clone().into_generator(), settings.for_serialize().into_generator());
    let paths = paths(&agent, &mut reads, &mut writes);
    let mut schemas = Map::new();
    schemas.extend(reads.take_definitions(true));
    schemas.extend(writes.take_definitions(true));
    schemas.insert("Error".to_owned(), error());
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Genesis Mesh", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "chat", "description": "OpenAI's chat API"},
            {"name": "agents", "description": "Agents and their sockets"},
            {"name": "runs", "description": "Runs and threads: what is kept"},
            {"name": "server", "description": "The state of this server"},
        ],
        "security": if app.options.keys.is_empty() { json!([]) } else { json!([{"key": []}]) },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn paths(agent: &str, reads: &mut SchemaGenerator, writes: &mut SchemaGenerator) -> Value {
    let body = reads.subschema_for::<ChatBody>().to_value();
    let completion = writes.subschema_for::<ChatCompletion<'_>>().to_value();
    let chunk = writes.subschema_for::<ChatChunk<'_>>().to_value();
    let (list, one) =
        (writes.subschema_for::<ModelList>().to_value(), writes.subschema_for::<ModelEntry>().to_value());
    let chat = Operation::new("createChatCompletion", "chat", "Continue a conversation")
        .describe(
            "With `stream` the answer is a stream of server-sent events, each a `ChatChunk`, and `[DONE]` at \
             the end. An event `{\"error\": …}` ends a stream that failed; then no `[DONE]` comes.",
        )
        .body(&body, &examples(agent))
        .answers(
            200,
            &json!({
                "application/json": {"schema": completion},
                // OpenAPI 3.1 has no word for the schema of an event's data.
                "text/event-stream": {"x-event-data": chunk},
            }),
        )
        .fails(&[400, 404, 408, 413, 415, 500, 502, 503, 504])
        .keyed();
    let models = Operation::new("listModels", "chat", "List agents")
        .answers(200, &json!({"application/json": {"schema": list}}))
        .keyed();
    let model = Operation::new("retrieveModel", "chat", "Look an agent up")
        .path_part("model", "The agent's name", agent)
        .answers(200, &json!({"application/json": {"schema": one}}))
        .fails(&[400, 404])
        .keyed();
    let mut paths = json!({
        "/v1/chat/completions": {"post": chat.json()},
        "/v1/models": {"get": models.json()},
        "/v1/models/{model}": {"get": model.json()},
    });
    if let Some(paths) = paths.as_object_mut() {
        paths.extend(agents(agent));
        paths.extend(runs::paths(agent, reads, writes));
        paths.extend(server());
    }
    paths
}

/// Sockets and schemas of agents.
fn agents(agent: &str) -> Map<String, Value> {
    let socket = Operation::new("openSocket", "agents", "Open an agent's socket")
        .describe("A WebSocket: `/asyncapi.json` describes its messages. Refusals come before the upgrade.")
        .path_part("agent", "The agent's name", agent)
        .ends(101)
        .fails(&[400, 404, 426, 503])
        .keyed();
    let schema = Operation::new("getInputSchema", "agents", "The JSON schema of an agent's input")
        .path_part("agent", "The agent's name", agent)
        .answers(200, &any_json())
        .fails(&[400, 404])
        .keyed();
    let ticket = Operation::new("createClientSecret", "agents", "Make a ticket for one socket of a browser")
        .describe("A ticket opens one socket within a minute, as `?token=`, with the rights of the key that made it.")
        .answers(200, &any_json())
        .fails(&[503])
        .keyed();
    Map::from_iter([
        ("/ws/{agent}".to_owned(), json!({"get": socket.json()})),
        ("/agents/{agent}/input-schema".to_owned(), json!({"get": schema.json()})),
        ("/v1/realtime/client_secrets".to_owned(), json!({"post": ticket.json()})),
    ])
}

/// What operators ask.
fn server() -> Map<String, Value> {
    let health = Operation::new("health", "server", "Whether the server lives")
        .open()
        .answers(200, &any_json())
        .answers(503, &any_json());
    let ready = Operation::new("ready", "server", "Whether it can take work, and what can't")
        .open()
        .answers(200, &any_json())
        .answers(503, &any_json());
    let info = Operation::new("info", "server", "What it is: version, agents, limits")
        .answers(200, &any_json())
        .keyed();
    let metrics = Operation::new("metrics", "server", "Its numbers, for Prometheus")
        .answers(200, &json!({"application/openmetrics-text": {"schema": {"type": "string"}}}))
        .fails(&[500])
        .keyed();
    let told = |id: &str, text: &str| Operation::new(id, "server", text).open().answers(200, &any_json());
    Map::from_iter([
        ("/health".to_owned(), json!({"get": health.json()})),
        ("/ready".to_owned(), json!({"get": ready.json()})),
        ("/info".to_owned(), json!({"get": info.json()})),
        ("/metrics".to_owned(), json!({"get": metrics.json()})),
        ("/openapi.json".to_owned(), json!({"get": told("openapi", "This document").json()})),
        ("/asyncapi.json".to_owned(), json!({"get": told("asyncapi", "The sockets' document").json()})),
    ])
}

fn any_json() -> Value {
    json!({"application/json": {"schema": {"type": "object"}}})
}

/// Bodies that this server answers with 200.
fn examples(agent: &str) -> Value {
    let hello = json!([{"role": "user", "content": "Say hello in one word."}]);
    json!({
        "plain": {
            "summary": "One answer",
            "value": {"model": agent, "messages": hello, "max_completion_tokens": 16, "temperature": 0},
        },
        "stream": {
            "summary": "A stream of events",
            "value": {
                "model": agent, "messages": hello, "max_completion_tokens": 16, "stream": true,
                "stream_options": {"include_usage": true},
            },
        },
        "schema": {
            "summary": "An answer of a fixed form",
            "value": {
                "model": agent, "messages": hello, "max_completion_tokens": 64,
                "response_format": {"type": "json_schema", "json_schema": {"name": "greeting", "schema": {
                    "type": "object", "properties": {"greeting": {"type": "string", "maxLength": 20}},
                    "required": ["greeting"], "additionalProperties": false,
                }}},
            },
        },
    })
}

/// The form of every error.
fn error() -> Value {
    let text = json!({"type": "string"});
    let problem = json!({
        "type": "object", "properties": {"path": text, "message": text}, "required": ["path", "message"],
    });
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "For people; may change"},
                "type": {"type": "string", "description": "The kind of the error"},
                "param": {"type": ["string", "null"], "description": "The path of the field at fault"},
                "code": {"type": "string", "description": "A stable name for programs"},
                "problems": {"type": "array", "items": problem, "description": "All that is wrong with the input"},
            },
        }},
    })
}
