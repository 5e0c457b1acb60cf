//! The JSON schema of `mesh.toml`, made of the structs that read it.
//!
//! Owns: what is changed of the schema that the structs give: TOML has no null, and every table is closed.
//! Never: names a key.

use super::form::MeshForm;
use serde_json::{Map, Value};

/// The schema.
pub(super) fn schema() -> Value {
    let mut schema = schemars::schema_for!(MeshForm).to_value();
    tidy(&mut schema);
    schema
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(tidy),
        Value::Object(object) => {
            without_null(object);
            // Widths of integers mean nothing to an editor; the ranges say it.
            object.remove("format");
            // A line ends where the source does, which means nothing elsewhere.
            if let Some(Value::String(words)) = object.get_mut("description") {
                *words = words.replace('\n', " ");
            }
            if object.contains_key("properties") {
                object.remove("unevaluatedProperties");
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// An optional value may be left out, and there is no other way to say nothing.
fn without_null(object: &mut Map<String, Value>) {
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(kinds) = object.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
    }
    let Some(mut variants) = object.remove("anyOf").and_then(|variants| match variants {
        Value::Array(variants) => Some(variants),
        _ => None,
    }) else {
        return;
    };
    variants.retain(|variant| variant.get("type").is_none_or(|kind| kind != "null"));
    match variants.as_mut_slice() {
        [Value::Object(only)] => object.extend(std::mem::take(only)),
        _ => drop(object.insert("anyOf".to_owned(), Value::Array(variants))),
    }
}

/// The schema that a `$ref` leads to; `schema` itself without one.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let path = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

/// The texts of an enumeration; empty if it is none.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let listed = list("enum").iter().filter_map(Value::as_str);
    let named = list("oneOf").iter().filter_map(|choice| choice.get("const")?.as_str());
    let single = schema.get("const").and_then(Value::as_str);
    listed.chain(named).chain(single).collect()
}

/// The JSON type that `schema` asks for; `None` if it takes anything.
pub(super) fn kind<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a str> {
    let schema = resolve(root, schema);
    match schema.get("type").and_then(Value::as_str) {
        None if !choices(schema).is_empty() => Some("string"),
        kind => kind,
    }
}
