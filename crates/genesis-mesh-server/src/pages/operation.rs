//! One operation of the HTTP description: a method on a path, in a few calls.
//!
//! Owns: the JSON of an operation, and the answers that every operation can give.
//! Never: knows which operations there are; `openapi` does.
//! Source: OpenAPI 3.1.

use serde_json::{Map, Value, json};

/// What each status means, in the words of this server.
const STATUSES: [(u16, &str); 20] = [
    (101, "The connection is a WebSocket now"),
    (200, "The answer"),
    (202, "It is in the store; its log tells its end"),
    (400, "The request is wrong; `param` names the field"),
    (401, "A key is missing, wrong, expired or revoked"),
    (403, "The key has no right to this, or the origin is not allowed"),
    (404, "No such agent, run, thread or path"),
    (405, "Another method is needed; `allow` names it"),
    (408, "The request took too long to arrive"),
    (409, "The thread is busy, or the idempotency key stands for another request"),
    (413, "The body is too large"),
    (415, "The body is no JSON"),
    (426, "This is a WebSocket"),
    (429, "Too much at the same time; `retry-after` says when to come back"),
    (431, "The headers are too large"),
    (500, "The model failed, or the store holds what can't be read"),
    (502, "The model's server failed, or its answer was cut"),
    (503, "The queue is full, the store can't be reached, or the server is stopping"),
    (504, "The model's server took too long"),
    (507, "The store has no room left"),
];

/// An operation that is being described.
#[derive(Debug)]
pub(super) struct Operation {
    fields: Map<String, Value>,
    responses: Map<String, Value>,
}

impl Operation {
    /// `id` is unique in the document.
    pub(super) fn new(id: &str, tag: &str, summary: &str) -> Self {
        let fields = [("operationId", json!(id)), ("tags", json!([tag])), ("summary", json!(summary))];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { fields, responses: Map::new() }
    }

    pub(super) fn describe(mut self, text: &str) -> Self {
        self.fields.insert("description".to_owned(), text.into());
        self
    }

    /// One part of the path.
    pub(super) fn path_part(self, name: &str, text: &str, example: &str) -> Self {
        self.parameter(&json!({
            "name": name, "in": "path", "required": true, "description": text,
            "schema": {"type": "string", "minLength": 1}, "example": example,
        }))
    }

    /// One parameter of the query.
    pub(super) fn query(self, name: &str, text: &str, schema: &Value) -> Self {
        self.parameter(&json!({"name": name, "in": "query", "description": text, "schema": schema}))
    }

    /// One header of the request.
    pub(super) fn header(self, name: &str, text: &str, schema: &Value) -> Self {
        self.parameter(&json!({"name": name, "in": "header", "description": text, "schema": schema}))
    }

    fn parameter(mut self, parameter: &Value) -> Self {
        let parameters = self.fields.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|all| all.push(parameter.clone()));
        self
    }

    /// A JSON body with examples that run.
    pub(super) fn body(mut self, schema: &Value, examples: &Value) -> Self {
        let content = json!({"application/json": {"schema": schema, "examples": examples}});
        self.fields.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        self
    }

    /// An answer with content: types and their schemas.
    pub(super) fn answers(mut self, status: u16, content: &Value) -> Self {
        let description = words(status);
        self.responses.insert(status.to_string(), json!({"description": description, "content": content}));
        self
    }

    /// Answers without a body worth describing.
    pub(super) fn ends(mut self, status: u16) -> Self {
        self.responses.insert(status.to_string(), json!({"description": words(status)}));
        self
    }

    /// Answers in the form of an error.
    pub(super) fn fails(mut self, statuses: &[u16]) -> Self {
        let schema = json!({"$ref": "#/components/schemas/Error"});
        for status in statuses {
            let content = json!({"application/json": {"schema": schema}});
            self = self.answers(*status, &content);
        }
        self
    }

    /// Needs no key.
    pub(super) fn open(mut self) -> Self {
        self.fields.insert("security".to_owned(), json!([]));
        self
    }

    /// Needs a key where the server has any.
    pub(super) fn keyed(self) -> Self {
        self.fails(&[401, 403, 429])
    }

    pub(super) fn json(mut self) -> Value {
        self.fields.insert("responses".to_owned(), Value::Object(self.responses));
        Value::Object(self.fields)
    }
}

fn words(status: u16) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("Another answer", |(_, words)| words)
}
