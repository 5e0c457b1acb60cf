//! How large a value is: the validator makes every error of a value before it tells the first one.
//!
//! Owns: the count of values, and the place where most of them are.
//! Never: refuses a valid value; only what is wrong and large is told in less detail.
//! Flow: `Schema::check` asks before it lets the validator look for errors.

use super::{InputProblem, describe};
use serde_json::Value;

/// The most values whose mistakes are looked for: errors of this many took up to 20 MiB for a moment.
pub(super) const VALUES_MAX: usize = 8_192;

/// How deep the place is looked for: `messages[0].tool_calls`.
const STEPS_MAX: usize = 3;

/// The one problem of a wrong value that is too large to look for its mistakes; `None` if it is not.
pub(super) fn problem(value: &Value) -> Option<InputProblem> {
    let count = count(value);
    (count > VALUES_MAX).then(|| {
        let (path, found) = heaviest(value, count);
        let message = format!(
            "not valid, and too large to say why: there are {found} values here, and mistakes are looked for in \
             up to {VALUES_MAX}"
        );
        InputProblem { path, message }
    })
}

/// The number of values in `value`: itself, and each element and member at any depth.
fn count(value: &Value) -> usize {
    let (mut open, mut count) = (vec![value], 0);
    while let Some(value) = open.pop() {
        count += 1;
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    count
}

/// The innermost place that holds most of the `total` values, and how many it holds.
fn heaviest(root: &Value, total: usize) -> (String, usize) {
    let (mut place, mut path) = (root, String::new());
    let is_most = |inner: &Value| count(inner) > total / 2;
    for _ in 0..STEPS_MAX {
        match place {
            Value::Array(items) => {
                let Some((index, inner)) = items.iter().enumerate().find(|(_, inner)| is_most(inner)) else {
                    break;
                };
                (place, path) = (inner, format!("{path}[{index}]"));
            }
            Value::Object(fields) => {
                let Some((field, inner)) = fields.iter().find(|(_, inner)| is_most(inner)) else { break };
                (place, path) = (inner, describe::field_path(&path, field));
            }
            _ => break,
        }
    }
    (path, count(place))
}
