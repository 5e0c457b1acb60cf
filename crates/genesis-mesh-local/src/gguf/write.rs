//! The writer: metadata and tensors to a GGUF v3 file, the same bytes for the same input.
//!
//! Owns: the layout of a file that this crate's reader and llama.cpp load.
//! Never: packs weights; `quant::encode_row` does.

use super::error::{Field, GgufError, shown};
use super::header::{ALIGNMENT_DEFAULT, ALIGNMENT_KEY, MAGIC, NAME_BYTES_MAX, tensor_bytes};
use super::value::{Array, Value};
use crate::quant::BlockType;
use std::borrow::Cow;
use std::io::{self, Write};

/// The version that is written; version 2 differs only in allowing big-endian files.
const VERSION: u32 = 3;

/// Collects a file's content, then writes it.
///
/// ```
/// use genesis_mesh_local::gguf::{GgufWriter, Value};
/// use genesis_mesh_local::quant::BlockType;
///
/// let mut writer = GgufWriter::new();
/// writer.set("general.architecture", Value::String("llama".to_owned()));
/// writer.add_tensor("output_norm.weight", &[4], BlockType::F32, vec![0; 16])?;
/// let mut file = Vec::new();
/// writer.write(&mut file).expect("memory takes every byte");
/// assert!(file.starts_with(b"GGUF"));
/// # Ok::<(), genesis_mesh_local::gguf::GgufError>(())
/// ```
#[derive(Debug, Default)]
pub struct GgufWriter<'a> {
    metadata: Vec<(String, Value)>,
    tensors: Vec<PendingTensor<'a>>,
}

#[derive(Debug)]
struct PendingTensor<'a> {
    name: String,
    dims: Vec<usize>,
    block_type: BlockType,
    data: Cow<'a, [u8]>,
}

impl<'a> GgufWriter<'a> {
    /// A writer of an empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`; a key that is there already keeps its place and gets the new value.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.metadata.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, existing)) => *existing = value,
            None => self.metadata.push((key, value)),
        }
    }

    /// Adds a tensor of packed rows.
    ///
    /// # Shape
    /// `dims`: 1 to 4 numbers from 1, columns first. `data`: the rows one after the other.
    ///
    /// # Errors
    /// `Invalid` if name, dimensions and data don't fit each other; `Duplicate`.
    pub fn add_tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        block_type: BlockType,
        data: impl Into<Cow<'a, [u8]>>,
    ) -> Result<(), GgufError> {
        let data = data.into();
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            let field = Field::TensorName(self.tensors.len());
            return Err(field.invalid(format!("1 to {NAME_BYTES_MAX} bytes"), name.len()));
        }
        if !(1..=4).contains(&dims.len()) || dims.contains(&0) {
            let field = Field::Tensor(name, "dimensions");
            return Err(field.invalid("1 to 4 numbers from 1", format_args!("{dims:?}")));
        }
        let expected = tensor_bytes(name, dims, block_type)?;
        if data.len() != expected {
            let field = Field::Tensor(name, "data");
            return Err(field.invalid(format!("{expected} bytes"), data.len()));
        }
        if self.tensors.iter().any(|tensor| tensor.name == name) {
            return Err(GgufError::Duplicate { field: format!("tensor `{}`", shown(name)) });
        }
        self.tensors.push(PendingTensor { name: name.to_owned(), dims: dims.to_vec(), block_type, data });
        Ok(())
    }

    /// Writes the file; nothing is written if the metadata is not sound.
    ///
    /// # Errors
    /// `InvalidData` with a `GgufError` if `general.alignment` is set to something other than a `u32` power
    /// of two; otherwise what `out` gives.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let alignment =
            self.alignment().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut head = Vec::new();
        head.extend(MAGIC);
        head.extend(VERSION.to_le_bytes());
        push_len(self.tensors.len(), &mut head);
        push_len(self.metadata.len(), &mut head);
        for (key, value) in &self.metadata {
            push_string(key, &mut head);
            head.extend(value.type_number().to_le_bytes());
            push_value(value, &mut head);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            push_string(&tensor.name, &mut head);
            head.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| push_len(*dim, &mut head));
            head.extend(tensor.block_type.to_ggml().to_le_bytes());
            push_len(offset, &mut head);
            offset = (offset + tensor.data.len()).next_multiple_of(alignment);
        }
        head.resize(head.len().next_multiple_of(alignment), 0);
        out.write_all(&head)?;
        for tensor in &self.tensors {
            out.write_all(&tensor.data)?;
            let padding = tensor.data.len().next_multiple_of(alignment) - tensor.data.len();
            out.write_all(&vec![0; padding])?;
        }
        Ok(())
    }

    fn alignment(&self) -> Result<usize, GgufError> {
        match self.metadata.iter().find(|(key, _)| key == ALIGNMENT_KEY) {
            None => Ok(ALIGNMENT_DEFAULT as usize),
            Some((_, Value::U32(alignment))) if alignment.is_power_of_two() => Ok(*alignment as usize),
            Some((_, other)) => {
                Err(Field::Value(ALIGNMENT_KEY).invalid("a u32 that is a power of two", other.describe()))
            }
        }
    }
}

fn push_len(len: usize, out: &mut Vec<u8>) {
    out.extend((len as u64).to_le_bytes());
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    push_len(text.len(), out);
    out.extend(text.as_bytes());
}

fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::U8(number) => out.push(*number),
        Value::I8(number) => out.extend(number.to_le_bytes()),
        Value::U16(number) => out.extend(number.to_le_bytes()),
        Value::I16(number) => out.extend(number.to_le_bytes()),
        Value::U32(number) => out.extend(number.to_le_bytes()),
        Value::I32(number) => out.extend(number.to_le_bytes()),
        Value::U64(number) => out.extend(number.to_le_bytes()),
        Value::I64(number) => out.extend(number.to_le_bytes()),
        Value::F32(number) => out.extend(number.to_le_bytes()),
        Value::F64(number) => out.extend(number.to_le_bytes()),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::String(text) => push_string(text, out),
        Value::Array(array) => push_array(array, out),
    }
}

fn push_array(array: &Array, out: &mut Vec<u8>) {
    out.extend(array.item_number().to_le_bytes());
    push_len(array.len(), out);
    match array {
        Array::U8(items) => out.extend(items),
        Array::I8(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::U16(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::I16(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::U32(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::I32(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::U64(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::I64(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::F32(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::F64(items) => out.extend(items.iter().flat_map(|item| item.to_le_bytes())),
        Array::Bool(items) => out.extend(items.iter().map(|item| u8::from(*item))),
        Array::String(items) => items.iter().for_each(|item| push_string(item, out)),
        Array::Array(items) => items.iter().for_each(|item| push_array(item, out)),
    }
}
