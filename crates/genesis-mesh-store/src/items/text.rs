//! Texts of items: what stands at a path of a JSON value, as text.
//!
//! Owns: the language of paths: `a.b`, `a[0]`, `a[-1]`, `a[*].b`, `a.*`, `{a,b.c}`, and `$` for the whole.
//! Never: fails; a path that leads nowhere gives no text.
//! Source: the paths are LangGraph's; several texts of one path are found apart.

use serde_json::{Map, Value};

/// The texts at `path` of the value of an item.
pub(super) fn texts_at(value: &Map<String, Value>, path: &str) -> Vec<String> {
    if path.is_empty() || path == "$" {
        return vec![sorted(&Value::Object(value.clone())).to_string()];
    }
    let (parts, mut texts) = (parts_of(path), Vec::new());
    collect(&Value::Object(value.clone()), &parts, &mut texts);
    texts
}

/// One part of a path.
enum Part {
    Field(String),
    Every,
    Item(i64),
    Items,
    /// Several paths of fields, each from here.
    Fields(Vec<Vec<String>>),
    /// A bracket without a number.
    Nowhere,
}

fn parts_of(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => ']',
            '{' => '}',
            '.' => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            _ => {
                let end = rest.find(['.', '[', '{']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                parts.push(if name == "*" { Part::Every } else { Part::Field(name.to_owned()) });
                rest = after;
                continue;
            }
        };
        let inner = rest.get(1..).unwrap_or_default();
        let (inner, after) = inner.split_once(close).unwrap_or((inner, ""));
        parts.push(match (first, inner) {
            ('{', fields) => Part::Fields(
                fields.split(',').map(|path| path.trim().split('.').map(str::to_owned).collect()).collect(),
            ),
            (_, "*") => Part::Items,
            (_, index) => index.trim().parse().map_or(Part::Nowhere, Part::Item),
        });
        rest = after;
    }
    parts
}

fn collect(value: &Value, parts: &[Part], texts: &mut Vec<String>) {
    let Some((part, rest)) = parts.split_first() else {
        texts.extend(text_of(value));
        return;
    };
    match (part, value) {
        (Part::Field(name), Value::Object(fields)) => {
            fields.get(name).into_iter().for_each(|value| collect(value, rest, texts));
        }
        (Part::Every, Value::Object(fields)) => {
            fields.values().for_each(|value| collect(value, rest, texts));
        }
        (Part::Every | Part::Items, Value::Array(items)) => {
            items.iter().for_each(|value| collect(value, rest, texts));
        }
        (Part::Item(index), Value::Array(items)) => {
            let from_end = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            let place = if *index < 0 { items.len().checked_sub(from_end) } else { Some(from_end) };
            let item = place.and_then(|place| items.get(place));
            item.into_iter().for_each(|value| collect(value, rest, texts));
        }
        (Part::Fields(paths), object @ Value::Object(_)) => {
            for path in paths {
                let found = path.iter().try_fold(object, |value, name| value.get(name));
                texts.extend(found.and_then(text_of));
            }
        }
        _ => {}
    }
}

/// A value as text: texts as they are, others as JSON; null is none.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(sorted(value).to_string()),
    }
}

/// The value with the fields of all objects in the order of their names, so that equal values have one text.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            let sorted = names.into_iter().filter_map(|name| Some((name.clone(), sorted(fields.get(name)?))));
            Value::Object(sorted.collect())
        }
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_gives_the_texts_that_stand_at_it() {
        let value = json!({
            "title": "T", "n": 1.5, "none": null, "author": {"name": "N", "tags": ["x", "y"]},
            "parts": [{"text": "one"}, {"text": "two"}, {"other": 0}],
        });
        let value = value.as_object().expect("an object");
        for (path, wanted) in [
            ("title", vec!["T"]),
            ("n", vec!["1.5"]),
            ("none", vec![]),
            ("missing.deep", vec![]),
            ("author.name", vec!["N"]),
            ("author", vec![r#"{"name":"N","tags":["x","y"]}"#]),
            ("author.*", vec!["N", r#"["x","y"]"#]),
            ("author.tags[*]", vec!["x", "y"]),
            ("author.tags.*", vec!["x", "y"]),
            ("parts[0].text", vec!["one"]),
            ("parts[-2].text", vec!["two"]),
            ("parts[-9].text", vec![]),
            ("parts[9].text", vec![]),
            ("parts[x].text", vec![]),
            ("parts[*].text", vec!["one", "two"]),
            ("{title, author.name, missing}", vec!["T", "N"]),
            ("author.{name}", vec!["N"]),
            ("title[0]", vec![]),
            ("parts[", vec![]),
        ] {
            assert_eq!(texts_at(value, path), wanted, "{path}");
        }
        let whole = json!({"b": 1, "a": {"d": [{"f": 1, "e": 2}], "c": "ä"}});
        let whole = whole.as_object().expect("an object");
        assert_eq!(texts_at(whole, "$"), [r#"{"a":{"c":"ä","d":[{"e":2,"f":1}]},"b":1}"#]);
    }
}
