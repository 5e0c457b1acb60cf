//! Arithmetic of JSON values: sums and order, as the reducers `add`, `max` and `min` need them.
//!
//! Owns: what can be added and compared, and what a sum that does not fit is told as.
//! Never: turns a whole number into a float by itself: a sum of whole numbers is whole or an error.

use super::kind::Kind;
use crate::state::channel::ReduceError;
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Adds `update` to `current`: numbers as numbers; texts and lists are put at the end.
pub(super) fn add(current: &mut Value, update: Value) -> Result<(), ReduceError> {
    match (current, update) {
        (Value::Number(current), Value::Number(update)) => {
            *current = sum(current, &update)?;
            Ok(())
        }
        (Value::String(current), Value::String(update)) => {
            current.push_str(&update);
            Ok(())
        }
        (Value::Array(current), Value::Array(update)) => {
            current.extend(update);
            Ok(())
        }
        (current, update) => Err(ReduceError::new(format!(
            "a value of the type {} can't be added to one of the type {}",
            Kind::of(&update),
            Kind::of(current)
        ))),
    }
}

fn sum(a: &Number, b: &Number) -> Result<Number, ReduceError> {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        // Two numbers of 64 bits always have a sum in 128.
        return Number::from_i128(a + b)
            .filter(|sum| sum.is_i64() || sum.is_u64())
            .ok_or_else(|| ReduceError::new("the sum has more than 64 bits"));
    }
    let sum = a.as_f64().zip(b.as_f64()).map(|(a, b)| a + b);
    sum.and_then(Number::from_f64).ok_or_else(|| ReduceError::new("the sum is no finite number"))
}

/// Puts `update` in the place of `current` if it compares to it as `wanted`; an equal value stays.
pub(super) fn keep(current: &mut Value, update: Value, wanted: Ordering) -> Result<(), ReduceError> {
    let order = compare(&update, current).ok_or_else(|| {
        ReduceError::new(format!(
            "a value of the type {} has no order with one of the type {}",
            Kind::of(&update),
            Kind::of(current)
        ))
    })?;
    if order == wanted {
        *current = update;
    }
    Ok(())
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Array(a), Value::Array(b)) => {
            let different = a.iter().zip(b).find(|(a, b)| a != b);
            different.map_or_else(|| Some(a.len().cmp(&b.len())), |(a, b)| compare(a, b))
        }
        _ => None,
    }
}
