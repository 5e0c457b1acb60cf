//! JSON schemas on their way to the library: bounded, and with the whitespace that answers may have.
//!
//! Owns: the bounds on size and depth, and the spacing of JSON answers.
//! Never: changes what a schema means.

mod depth;

use super::error::{GrammarError, REGEX_BYTES_MAX, SCHEMA_BYTES_MAX, check_size};
use depth::{is_deeper, is_deeper_by_reference};
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
    Ok(TopLevelGrammar::from_json_schema(checked(schema)?))
}

/// `schema` as the library gets it, if it is within the bounds.
pub(super) fn checked(schema: &Value) -> Result<Value, GrammarError> {
    if is_deeper(schema, DEPTH_MAX) {
        return Err(GrammarError::TooDeep { kind: KIND, limit: DEPTH_MAX });
    }
    check_size(KIND, schema.to_string().len(), SCHEMA_BYTES_MAX)?;
    check_size("patterns of the JSON schema", pattern_bytes(schema), REGEX_BYTES_MAX)?;
    if is_deeper_by_reference(schema, DEPTH_MAX) {
        return Err(GrammarError::TooDeep { kind: KIND, limit: DEPTH_MAX });
    }
    match schema {
        Value::Object(_) => Ok(spaced(schema.clone())),
        Value::Bool(true) => Ok(spaced(json!({}))),
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

/// The bytes of all regular expressions in `value`, which isn't nested deeply.
pub(super) fn pattern_bytes(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(pattern_bytes).sum(),
        Value::Object(fields) => {
            let own = fields.get("pattern").and_then(Value::as_str).map_or(0, str::len);
            let keys = fields.get("patternProperties").and_then(Value::as_object);
            let keys: usize = keys.map_or(0, |keys| keys.keys().map(String::len).sum());
            own + keys + fields.values().map(pattern_bytes).sum::<usize>()
        }
        _ => 0,
    }
}
