//! Presence: the difference between a field that is `null` and one that is not there.
//!
//! Owns: how a field is read whose value may be any JSON, `null` too.
//! Never: knows which fields there are.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field that is there, also if it is `null`; with `#[serde(default)]` one that is not there is `None`.
pub(crate) fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}
