//! Metadata: what a file says of its model, by key and with the type that the caller needs.
//!
//! Owns: lookup, and the conversions that lose nothing.
//! Never: knows what a key means.

use super::cursor::Cursor;
use super::error::{Field, GgufError, shown};
use super::names::NameOrder;
use super::value::{self, Array, Value};

/// The longest key that the format allows.
const KEY_BYTES_MAX: usize = 65_535;
/// Bytes of the smallest entry: a length, no text, a type and a value of one byte.
pub(super) const ENTRY_BYTES_MIN: usize = 8 + 4 + 1;

/// The key-value pairs of a file, in its order; each key stands once.
///
/// Every accessor comes twice: `kind` needs the key, `find_kind` gives `None` where it is absent.
/// Both fail with `WrongType` if the value is of another kind.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    order: NameOrder,
}

macro_rules! accessors {
    ($($kind:ident, $find:ident -> $type:ty, $expected:literal, $what:literal, $pick:expr;)+) => { $(
        #[doc = concat!("The value of `key`, which must be there: ", $what, ".")]
        ///
        /// # Errors
        /// `MissingKey` or `WrongType`.
        pub fn $kind(&self, key: &str) -> Result<$type, GgufError> {
            self.$find(key)?.ok_or_else(|| GgufError::MissingKey { key: shown(key), expected: $expected })
        }

        #[doc = concat!("The value of `key`, or `None` if it is absent: ", $what, ".")]
        ///
        /// # Errors
        /// `WrongType`.
        pub fn $find(&self, key: &str) -> Result<Option<$type>, GgufError> {
            self.find(key, $expected, $pick)
        }
    )+ };
}

impl Metadata {
    /// Metadata of these entries, in this order.
    ///
    /// # Errors
    /// `Duplicate` if a key stands twice.
    pub fn new(entries: Vec<(String, Value)>) -> Result<Self, GgufError> {
        match NameOrder::new(&entries, entry_key) {
            Ok(order) => Ok(Self { entries, order }),
            Err(index) => {
                let key = entries.get(index).map_or("", entry_key);
                Err(GgufError::Duplicate { field: Field::Value(key).to_string() })
            }
        }
    }

    /// Reads `count` entries; the caller has checked that so many can follow.
    pub(super) fn read(cursor: &mut Cursor<'_>, count: usize) -> Result<Self, GgufError> {
        let mut entries = Vec::with_capacity(count);
        for index in 0..count {
            let field = Field::Key(index);
            let key = cursor.string(field)?;
            if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
                let expected = format!("1 to {KEY_BYTES_MAX} bytes");
                return Err(field.invalid(expected, format_args!("{} bytes", key.len())));
            }
            let value = value::read(cursor, key)?;
            entries.push((key.to_owned(), value));
        }
        Self::new(entries)
    }

    accessors! {
        string, find_string -> &str, "a string", "text", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        };
        u32, find_u32 -> u32, "a number from 0 to 4294967295", "a whole number of any stored width", as_u32;
        f32, find_f32 -> f32, "a float", "an f32, or an f64 rounded to one", |value| match value {
            Value::F32(number) => Some(*number),
            Value::F64(number) => Some(*number as f32),
            _ => None,
        };
        bool, find_bool -> bool, "a bool", "true or false", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        };
        strings, find_strings -> &[String], "an array of strings", "texts", |value| match value {
            Value::Array(Array::String(items)) => Some(items.as_slice()),
            _ => None,
        };
        u32s, find_u32s -> &[u32], "an array of u32, or of i32 from 0", "whole numbers", |value| match value {
            Value::Array(Array::U32(items)) => Some(items.as_slice()),
            Value::Array(Array::I32(items)) if items.iter().all(|item| *item >= 0) => {
                Some(bytemuck::cast_slice(items))
            }
            _ => None,
        };
        f32s, find_f32s -> &[f32], "an array of f32", "floats", |value| match value {
            Value::Array(Array::F32(items)) => Some(items.as_slice()),
            _ => None,
        };
    }

    /// The value of `key` as it is stored.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.order.find(&self.entries, entry_key, key).map(|(_, value)| value)
    }

    /// Every key with its value, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn find<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        pick: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || GgufError::WrongType { key: shown(key), expected, found: value.describe() };
        pick(value).map(Some).ok_or_else(wrong)
    }
}

fn entry_key((key, _): &(String, Value)) -> &str {
    key
}

fn as_u32(value: &Value) -> Option<u32> {
    match value {
        Value::U8(number) => Some(u32::from(*number)),
        Value::U16(number) => Some(u32::from(*number)),
        Value::U32(number) => Some(*number),
        Value::U64(number) => u32::try_from(*number).ok(),
        Value::I8(number) => u32::try_from(*number).ok(),
        Value::I16(number) => u32::try_from(*number).ok(),
        Value::I32(number) => u32::try_from(*number).ok(),
        Value::I64(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}
