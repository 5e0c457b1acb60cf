//! Texts, numbers and truth values: whether they are what the schema asks for, and what to say if not.
//!
//! Owns: ranges, the texts of enumerations, and what a variable's text becomes.
//! Never: repeats a text that was given: it may be a secret. Numbers out of range are told.

use crate::config::schema::choices;
use crate::config::tree::{Node, Value};
use serde_json::{Map, Value as Json};

/// The value as JSON of type `kind`.
///
/// # Errors
/// What is expected, and what kind of thing was given.
pub(super) fn read(schema: &Json, kind: &str, value: &Value) -> Result<Json, String> {
    let wrong = || format!("expected {}, got {}", expected(schema, kind), given(value));
    match (kind, value) {
        ("string", Value::Text(text) | Value::Raw(text)) => self::text(schema, text),
        ("string", Value::Date(date)) if schema.get("x-date").is_some() => Ok(Json::from(date.as_str())),
        ("integer", Value::Integer(number)) => integer(schema, *number),
        ("integer", Value::Raw(text)) => integer(schema, text.trim().parse().map_err(|_| wrong())?),
        ("number", Value::Float(number)) => float(schema, *number),
        ("number", Value::Integer(number)) => float(schema, *number as f64),
        ("number", Value::Raw(text)) => float(schema, text.trim().parse().map_err(|_| wrong())?),
        ("boolean", Value::Boolean(value)) => Ok(Json::Bool(*value)),
        ("boolean", Value::Raw(text)) => match text.trim() {
            "true" | "1" => Ok(Json::Bool(true)),
            "false" | "0" => Ok(Json::Bool(false)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// Any value as JSON.
pub(super) fn free(node: &Node) -> Json {
    match &node.value {
        Value::Table(entries) => {
            let pairs = entries.iter().map(|entry| (entry.name.clone(), free(&entry.node)));
            Json::Object(pairs.collect::<Map<String, Json>>())
        }
        Value::List(nodes) => nodes.iter().map(free).collect(),
        Value::Text(text) | Value::Date(text) | Value::Raw(text) => Json::from(text.as_str()),
        Value::Integer(number) => {
            i64::try_from(*number).map_or_else(|_| Json::from(*number as f64), Json::from)
        }
        Value::Float(number) => Json::from(*number),
        Value::Boolean(value) => Json::Bool(*value),
    }
}

fn text(schema: &Json, text: &str) -> Result<Json, String> {
    let choices = choices(schema);
    if !choices.is_empty() && !choices.contains(&text) {
        return Err(format!("expected {}, got another text", expected(schema, "string")));
    }
    let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
    let count = text.chars().count() as u64;
    match (bound("minLength"), bound("maxLength")) {
        (Some(1), _) if count == 0 => Err("expected a text, got an empty one".to_owned()),
        (_, Some(max)) if count > max => Err(format!("expected at most {max} characters, got {count}")),
        _ => Ok(Json::from(text)),
    }
}

fn integer(schema: &Json, number: i128) -> Result<Json, String> {
    let bound = |key: &str| schema.get(key).and_then(Json::as_number).and_then(|bound| bound.as_i128());
    let is_within =
        bound("minimum").is_none_or(|min| number >= min) && bound("maximum").is_none_or(|max| number <= max);
    let json = u64::try_from(number).map(Json::from).or_else(|_| i64::try_from(number).map(Json::from));
    match json {
        Ok(json) if is_within => Ok(json),
        _ => Err(format!("expected {}, got {number}", expected(schema, "integer"))),
    }
}

fn float(schema: &Json, number: f64) -> Result<Json, String> {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let is_within = number.is_finite()
        && bound("minimum").is_none_or(|min| number >= min)
        && bound("exclusiveMinimum").is_none_or(|min| number > min)
        && bound("maximum").is_none_or(|max| number <= max);
    if is_within {
        Ok(Json::from(number))
    } else {
        Err(format!("expected {}, got {number}", expected(schema, "number")))
    }
}

/// What `schema` asks for, in words.
pub(super) fn expected(schema: &Json, kind: &str) -> String {
    let bound = |key: &str| schema.get(key).filter(|bound| bound.is_number());
    let noun = match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => {
            let choices: Vec<String> = choices(schema).iter().map(|choice| format!("`{choice}`")).collect();
            return match choices.split_last() {
                None => "a text".to_owned(),
                Some((last, [])) => last.clone(),
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            };
        }
    };
    match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum")) {
        (Some(min), _, Some(max)) => format!("{noun} from {min} to {max}"),
        (_, Some(min), Some(max)) => format!("{noun} above {min}, to {max}"),
        (Some(min), _, None) => format!("{noun} of {min} or more"),
        (None, None, Some(max)) => format!("{noun} of at most {max}"),
        _ => noun.to_owned(),
    }
}

/// What kind of thing a value is.
pub(super) fn given(value: &Value) -> &'static str {
    match value {
        Value::Table(_) => "a table",
        Value::List(_) => "a list",
        Value::Text(_) | Value::Raw(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Date(_) => "a date",
    }
}
