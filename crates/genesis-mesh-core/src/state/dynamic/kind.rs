//! The kinds of JSON values that a description names with `type`.
//!
//! Owns: the seven words of JSON schema for kinds, which values are of a kind, and its empty value.
//! Never: reads other keywords: the whole schema is for who takes values from outside, and for documentation.

use serde_json::{Value, json};
use std::fmt;

/// A kind of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const ALL: [(Kind, &str); 7] = [
    (Kind::Null, "null"),
    (Kind::Boolean, "boolean"),
    (Kind::Integer, "integer"),
    (Kind::Number, "number"),
    (Kind::String, "string"),
    (Kind::Array, "array"),
    (Kind::Object, "object"),
];

impl Kind {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        ALL.iter().find(|(_, name)| *name == word).map(|(kind, _)| *kind)
    }

    /// The narrowest kind of `value`.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if is_whole(number) => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    /// Whether values of the kind `other` are of this kind too.
    pub(super) fn takes(self, other: Self) -> bool {
        self == other || (self == Self::Number && other == Self::Integer)
    }

    /// The value that a reducing channel of this kind begins with; `None` for null.
    pub(super) fn empty(self) -> Option<Value> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean => json!(false),
            Self::Integer => json!(0),
            Self::Number => json!(0.0),
            Self::String => json!(""),
            Self::Array => json!([]),
            Self::Object => json!({}),
        })
    }
}

/// JSON schema counts 1.0 as an integer.
fn is_whole(number: &serde_json::Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALL.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name))
    }
}
