//! Expressions of a case: JSON, where an object with one key that starts with `$` is an operator.
//!
//! Owns: every operator of the language.
//! Never: does anything; what has effects is an operation.

use super::Fault;
use super::world::Frame;
use serde_json::{Map, Value, json};

/// The key of an evaluated Send, which JSON has no other form for.
pub(crate) const SEND: &str = "$send";

/// START and END are written short in cases.
pub(crate) fn node_name(name: &str) -> &str {
    match name {
        "START" => genesis_mesh::graph::START,
        "END" => genesis_mesh::graph::END,
        name => name,
    }
}

/// The text at `key`; a case without it is wrong.
pub(crate) fn text_at<'a>(value: &'a Value, key: &str) -> Result<&'a str, Fault> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("no text `{key}` in {value}").into())
}

/// The part of a value at a dotted path; null where there is none.
pub(crate) fn at_path(value: &Value, path: &Value) -> Value {
    let path = path.as_str().unwrap_or(".");
    if path == "." {
        return value.clone();
    }
    let part = path.split('.').try_fold(value, |value, part| match value {
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    });
    part.cloned().unwrap_or_default()
}

/// Null, false, 0, "", [] and {} are false.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// A list for a list, nothing for null, and a list of one for anything else.
pub(crate) fn as_list(value: Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        one => vec![one],
    }
}

/// What `over` walks: a list, or 0 up to a number.
pub(crate) fn over(value: Value) -> Vec<Value> {
    match value.as_i64() {
        Some(count) => (0..count).map(Value::from).collect(),
        None => as_list(value),
    }
}

/// How a value stands in joined text: null is empty.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

/// The sum of numbers, whole if all are.
fn sum(numbers: &[Value]) -> Value {
    let whole: Option<i64> =
        numbers.iter().map(|number| number.as_i64().or(Some(0).filter(|_| !is_true(number)))).sum();
    match whole {
        Some(whole) => json!(whole),
        None => json!(numbers.iter().filter_map(Value::as_f64).sum::<f64>()),
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len(),
        Value::String(text) => text.chars().count(),
        Value::Object(object) => object.len(),
        _ => 0,
    }
}

/// A message in the one form that states keep.
fn message(mut given: Value) -> Result<Value, Fault> {
    let role = text_at(&given, "role")?;
    let word = match role {
        "user" => "human",
        "assistant" => "ai",
        other => other,
    };
    let mut message = json!({"type": word, "content": "", "id": null});
    if let (Some(fields), Some(given)) = (message.as_object_mut(), given.as_object_mut()) {
        given.remove("role");
        fields.extend(std::mem::take(given));
    }
    Ok(message)
}

/// The value of an expression.
pub(crate) fn evaluate(expression: &Value, frame: &Frame) -> Result<Value, Fault> {
    match expression {
        Value::Array(list) => list.iter().map(|item| evaluate(item, frame)).collect(),
        Value::Object(object) => {
            if let (1, Some((name, body))) = (object.len(), object.iter().next())
                && name.starts_with('$')
            {
                return operator(name, body, frame);
            }
            let values = object.iter().map(|(key, item)| Ok((key.clone(), evaluate(item, frame)?)));
            Ok(Value::Object(values.collect::<Result<Map<_, _>, Fault>>()?))
        }
        other => Ok(other.clone()),
    }
}

fn operator(name: &str, body: &Value, frame: &Frame) -> Result<Value, Fault> {
    let value = |expression: &Value| evaluate(expression, frame);
    let all = || -> Result<Vec<Value>, Fault> { Ok(as_list(value(body)?)) };
    let nth = |index: usize| value(body.get(index).unwrap_or(&Value::Null));
    Ok(match name {
        "$lit" => body.clone(),
        "$in" => at_path(&frame.given, body),
        "$var" => body
            .as_str()
            .map_or(Value::Null, |path| at_path(&Value::Object(frame.variables.clone()), &json!(path))),
        "$context" | "$previous" | "$error" | "$attempt" => of_the_run(name, body, frame)?,
        "$flag" => {
            frame.world.kept().flags.get(body.as_str().unwrap_or_default()).cloned().unwrap_or_default()
        }
        "$count" => json!(frame.world.kept().counters.get(body.as_str().unwrap_or_default()).unwrap_or(&0)),
        "$add" => sum(&all()?),
        "$join" => json!(all()?.iter().map(text).collect::<String>()),
        "$concat" => Value::Array(all()?.into_iter().flat_map(as_list).collect()),
        "$len" => json!(length(&value(body)?)),
        "$eq" => json!(nth(0)? == nth(1)?),
        "$lt" => {
            let (one, two) = (sum(&[nth(0)?]), sum(&[nth(1)?]));
            json!(one.as_f64() < two.as_f64())
        }
        "$not" => json!(!is_true(&value(body)?)),
        "$if" => nth(if is_true(&nth(0)?) { 1 } else { 2 })?,
        "$switch" => {
            let key = text(&value(body.get("on").unwrap_or(&Value::Null))?);
            let chosen = body.get("cases").and_then(|cases| cases.get(key)).or_else(|| body.get("else"));
            value(chosen.unwrap_or(&Value::Null))?
        }
        "$map" => {
            let (name, to) = (text_at(body, "as")?, body.get("to").unwrap_or(&Value::Null));
            let items = over(value(body.get("over").unwrap_or(&Value::Null))?);
            items.into_iter().map(|item| evaluate(to, &frame.with(name, item))).collect::<Result<_, _>>()?
        }
        "$send" => {
            let arg = value(body.get("arg").unwrap_or(&Value::Null))?;
            json!({SEND: {"node": node_name(text_at(body, "node")?), "arg": arg, "timeout": body.get("timeout")}})
        }
        "$overwrite" => json!({"__overwrite__": value(body)?}),
        "$message" => message(value(body)?)?,
        other => return Err(format!("no operator {other}").into()),
    })
}

/// What only a node that runs can know.
fn of_the_run(name: &str, body: &Value, frame: &Frame) -> Result<Value, Fault> {
    let context = frame.context.as_ref().ok_or("an operator of a run outside of one")?;
    Ok(match name {
        "$context" => context.context::<Value>().map_or(Value::Null, |given| at_path(&given, body)),
        "$previous" => context.previous::<Value>().map_or(Value::Null, |saved| at_path(&saved, body)),
        "$attempt" => json!(context.attempt()),
        _ => {
            let handled = context.handled().ok_or("`$error` outside of an error handler")?;
            let (class, message) = (&handled.failure.error, &handled.failure.message);
            at_path(&json!({"node": handled.node, "class": class, "message": message}), body)
        }
    })
}
