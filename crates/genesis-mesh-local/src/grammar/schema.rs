//! JSON schemas on their way to the library: bounded, and with the whitespace that answers may have.
//!
//! Owns: the bound on depth, and the spacing of JSON answers.
//! Never: changes what a schema means.

use super::error::{GrammarError, check_size};
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

const KIND: &str = "JSON schema";

/// As deep as `serde_json` reads; the library compiles level by level on the stack.
const DEPTH_MAX: usize = 128;

/// Any JSON object.
pub(super) fn any_object() -> TopLevelGrammar {
    TopLevelGrammar::from_json_schema(spaced(json!({ "type": "object" })))
}

/// JSON that validates against `schema`.
pub(super) fn compact(schema: &Value) -> Result<TopLevelGrammar, GrammarError> {
    if is_deeper(schema, DEPTH_MAX) {
        return Err(GrammarError::TooDeep { kind: KIND, limit: DEPTH_MAX });
    }
    check_size(KIND, schema.to_string().len())?;
    match schema {
        Value::Object(_) => Ok(TopLevelGrammar::from_json_schema(spaced(schema.clone()))),
        Value::Bool(true) => Ok(TopLevelGrammar::from_json_schema(spaced(json!({})))),
        Value::Bool(false) => Err(unsupported("the schema `false` allows nothing")),
        _ => Err(unsupported("a schema is an object or a boolean")),
    }
}

fn unsupported(message: &str) -> GrammarError {
    GrammarError::Unsupported { kind: KIND, message: message.to_owned() }
}

/// `schema` with the library's options in place of any that it brought along.
///
/// One optional space after a comma or colon leaves a model its habit, and can't be repeated without
/// end as free whitespace can.
fn spaced(mut schema: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        let options =
            json!({ "whitespace_flexible": false, "item_separator": ", ?", "key_separator": ": ?" });
        fields.insert("x-guidance".to_owned(), options);
    }
    schema
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|item| is_deeper(item, levels - 1)),
        _ => false,
    }
}
