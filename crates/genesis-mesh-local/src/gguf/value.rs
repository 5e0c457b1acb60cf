//! Values: what a metadata key can hold, and how it is read.
//!
//! Owns: all value types of GGUF with their numbers, and nested arrays within a bound.
//! Never: converts; `Metadata` does, where it is asked for a type.
//! Source: the GGUF specification, `docs/gguf.md` in the ggml repository.

use super::cursor::Cursor;
use super::error::{Field, GgufError};

/// Arrays of arrays go no deeper; files in use have one level, and the reader recurses.
const ARRAY_DEPTH_MAX: usize = 4;
/// The number of the array type in the file.
const ARRAY: u32 = 9;

/// The value of a metadata key.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the value types of the format, under their names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// An array value; all items have one type.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the value types of the format, under their names")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
}

impl Value {
    /// The number of the value's type in the file.
    pub(super) fn type_number(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(_) => ARRAY,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    /// The type, and for a number or a bool the value, as a message says it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::U8(value) => format!("u8 {value}"),
            Self::I8(value) => format!("i8 {value}"),
            Self::U16(value) => format!("u16 {value}"),
            Self::I16(value) => format!("i16 {value}"),
            Self::U32(value) => format!("u32 {value}"),
            Self::I32(value) => format!("i32 {value}"),
            Self::U64(value) => format!("u64 {value}"),
            Self::I64(value) => format!("i64 {value}"),
            Self::F32(value) => format!("f32 {value}"),
            Self::F64(value) => format!("f64 {value}"),
            Self::Bool(value) => format!("bool {value}"),
            Self::String(_) => "a string".to_owned(),
            Self::Array(array) => format!("an array of {}", array.item_name()),
        }
    }
}

impl Array {
    /// The number of the items' type in the file.
    pub(super) fn item_number(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(_) => ARRAY,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    fn item_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Bool(_) => "bools",
            Self::String(_) => "strings",
            Self::Array(_) => "arrays",
        }
    }

    /// Items of the array.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(items) => items.len(),
            Self::I8(items) => items.len(),
            Self::U16(items) => items.len(),
            Self::I16(items) => items.len(),
            Self::U32(items) => items.len(),
            Self::I32(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::F32(items) => items.len(),
            Self::F64(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::String(items) => items.len(),
            Self::Array(items) => items.len(),
        }
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a type number and the value of that type.
pub(super) fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, GgufError> {
    let field = Field::Value(key);
    let number = cursor.u32(field)?;
    // Scalars are read as arrays of one item: one list of types instead of two.
    Ok(match number {
        ARRAY => Value::Array(array(cursor, field, ARRAY_DEPTH_MAX)?),
        8 => Value::String(cursor.string(field)?.to_owned()),
        7 => Value::Bool(first(bools(cursor, 1, field)?)),
        0 => Value::U8(first(numbers(cursor, 1, field, u8::from_le_bytes)?)),
        1 => Value::I8(first(numbers(cursor, 1, field, i8::from_le_bytes)?)),
        2 => Value::U16(first(numbers(cursor, 1, field, u16::from_le_bytes)?)),
        3 => Value::I16(first(numbers(cursor, 1, field, i16::from_le_bytes)?)),
        4 => Value::U32(first(numbers(cursor, 1, field, u32::from_le_bytes)?)),
        5 => Value::I32(first(numbers(cursor, 1, field, i32::from_le_bytes)?)),
        6 => Value::F32(first(numbers(cursor, 1, field, f32::from_le_bytes)?)),
        10 => Value::U64(first(numbers(cursor, 1, field, u64::from_le_bytes)?)),
        11 => Value::I64(first(numbers(cursor, 1, field, i64::from_le_bytes)?)),
        12 => Value::F64(first(numbers(cursor, 1, field, f64::from_le_bytes)?)),
        other => return Err(field.invalid("a value type from 0 to 12", other)),
    })
}

fn first<T: Default>(items: Vec<T>) -> T {
    items.into_iter().next().unwrap_or_default()
}

fn array(cursor: &mut Cursor<'_>, field: Field<'_>, depth_left: usize) -> Result<Array, GgufError> {
    let number = cursor.u32(field)?;
    let item_bytes = match number {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        ARRAY => 12,
        other => return Err(field.invalid("an item type from 0 to 12", other)),
    };
    let len = cursor.count(item_bytes, field)?;
    Ok(match number {
        0 => Array::U8(numbers(cursor, len, field, u8::from_le_bytes)?),
        1 => Array::I8(numbers(cursor, len, field, i8::from_le_bytes)?),
        2 => Array::U16(numbers(cursor, len, field, u16::from_le_bytes)?),
        3 => Array::I16(numbers(cursor, len, field, i16::from_le_bytes)?),
        4 => Array::U32(numbers(cursor, len, field, u32::from_le_bytes)?),
        5 => Array::I32(numbers(cursor, len, field, i32::from_le_bytes)?),
        6 => Array::F32(numbers(cursor, len, field, f32::from_le_bytes)?),
        7 => Array::Bool(bools(cursor, len, field)?),
        8 => Array::String(strings(cursor, len, field)?),
        10 => Array::U64(numbers(cursor, len, field, u64::from_le_bytes)?),
        11 => Array::I64(numbers(cursor, len, field, i64::from_le_bytes)?),
        12 => Array::F64(numbers(cursor, len, field, f64::from_le_bytes)?),
        _ if depth_left <= 1 => {
            return Err(field.invalid(format!("arrays nested at most {ARRAY_DEPTH_MAX} deep"), "deeper ones"));
        }
        _ => {
            let mut items = Vec::with_capacity(len);
            for _ in 0..len {
                items.push(array(cursor, field, depth_left - 1)?);
            }
            Array::Array(items)
        }
    })
}

fn numbers<const BYTES: usize, T>(
    cursor: &mut Cursor<'_>,
    len: usize,
    field: Field<'_>,
    decode: impl Fn([u8; BYTES]) -> T,
) -> Result<Vec<T>, GgufError> {
    let bytes = cursor.take(len.saturating_mul(BYTES), field)?;
    Ok(bytes.as_chunks().0.iter().map(|raw| decode(*raw)).collect())
}

fn bools(cursor: &mut Cursor<'_>, len: usize, field: Field<'_>) -> Result<Vec<bool>, GgufError> {
    let bytes = cursor.take(len, field)?;
    let decode = |byte: &u8| match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(field.invalid("a bool of 0 or 1", other)),
    };
    bytes.iter().map(decode).collect()
}

fn strings(cursor: &mut Cursor<'_>, len: usize, field: Field<'_>) -> Result<Vec<String>, GgufError> {
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(cursor.string(field)?.to_owned());
    }
    Ok(items)
}
