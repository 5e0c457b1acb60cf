//! Repacking: a model file's matrices in another block type, for tools and for tests of that type.
//!
//! Owns: which tensors change, and what the new file says of itself.
//! Never: is a good quantiser; `quant::encode_row` rounds to nearest, and packed weights are rounded twice.

use super::{Gguf, GgufError, GgufWriter, Tensor, Value};
use crate::quant::{BlockType, decode_row, encode_row};

/// The version of the block layouts, which llama.cpp expects in files with packed weights.
const QUANTIZATION_VERSION: u32 = 2;

impl Gguf {
    /// This file with its matrices packed as `block_type`, ready to be written, and how many were.
    ///
    /// A tensor of two dimensions whose rows are whole blocks of `block_type` is packed anew; all others
    /// and all metadata stay as they are. The same file gives the same bytes on every machine.
    ///
    /// # Errors
    /// `UnsupportedType` if a tensor can't be decoded.
    pub fn repack(&self, block_type: BlockType) -> Result<(GgufWriter<'_>, usize), GgufError> {
        let mut writer = GgufWriter::new();
        for (key, value) in self.metadata().iter() {
            writer.set(key, value.clone());
        }
        writer.set("general.file_type", Value::U32(file_type(block_type)));
        writer.set("general.quantization_version", Value::U32(QUANTIZATION_VERSION));
        let mut changed = 0;
        for tensor in self.tensors() {
            let tensor = tensor?;
            match repacked(&tensor, block_type) {
                Some(data) => {
                    changed += 1;
                    writer.add_tensor(tensor.name, tensor.dims, block_type, data)?;
                }
                None => writer.add_tensor(tensor.name, tensor.dims, tensor.block_type, tensor.data)?,
            }
        }
        Ok((writer, changed))
    }
}

/// The rows of a matrix in `block_type`; `None` if it is no matrix, has that type, or has other row lengths.
fn repacked(tensor: &Tensor<'_>, block_type: BlockType) -> Option<Vec<u8>> {
    let [columns, rows] = tensor.dims else { return None };
    let row_bytes = tensor.block_type.row_bytes(*columns)?;
    let packed_bytes = block_type.row_bytes(*columns)?.checked_mul(*rows)?;
    if tensor.block_type == block_type {
        return None;
    }
    let mut packed = Vec::with_capacity(packed_bytes);
    let mut row = vec![0.0; *columns];
    for bytes in tensor.data.chunks_exact(row_bytes) {
        decode_row(tensor.block_type, bytes, &mut row);
        encode_row(block_type, &row, &mut packed);
    }
    Some(packed)
}

/// The number by which `general.file_type` names the type of most weights (`enum llama_ftype`).
fn file_type(block_type: BlockType) -> u32 {
    match block_type {
        BlockType::F32 => 0,
        BlockType::F16 => 1,
        BlockType::Q4_0 => 2,
        BlockType::Q4_1 => 3,
        BlockType::Q8_0 => 7,
        BlockType::Q5_0 => 8,
        BlockType::Q5_1 => 9,
        BlockType::Q4K => 14,
        BlockType::Q5K => 16,
        BlockType::Q6K => 18,
        BlockType::BF16 => 32,
    }
}
