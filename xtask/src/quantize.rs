//! `cargo xtask quantize`: packs the weights of a GGUF file anew, to test block types on real models.
//!
//! Owns: which tensors change, and what the new file says of itself.
//! Never: is a good quantiser; `quant::encode_row` rounds to nearest, and the weights are rounded twice.

use anyhow::{Context, bail};
use genesis_mesh_local::gguf::{Gguf, GgufWriter, Tensor, Value};
use genesis_mesh_local::quant::{BlockType, decode_row, encode_row};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// The version of the block layouts, which llama.cpp expects in files with packed weights.
const QUANTIZATION_VERSION: u32 = 2;

/// Where from, where to, and how weights are packed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The GGUF file to read.
    input: PathBuf,
    /// The GGUF file to write; replaced if it is there.
    output: PathBuf,
    /// The block type of all matrices whose rows are whole blocks of it: q4_k, q6_k, q8_0, f16, …
    #[arg(long = "type", value_parser = block_type)]
    block_type: BlockType,
}

fn block_type(name: &str) -> Result<BlockType, String> {
    let known = BlockType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name));
    known.ok_or_else(|| format!("known types are {}", BlockType::ALL.map(BlockType::name).join(", ")))
}

/// Writes the file anew; the same input gives the same bytes.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { input, output, block_type } = arguments;
    let source = Gguf::open(input)?;
    let mut writer = GgufWriter::new();
    for (key, value) in source.metadata().iter() {
        writer.set(key, value.clone());
    }
    writer.set("general.file_type", Value::U32(file_type(*block_type)));
    writer.set("general.quantization_version", Value::U32(QUANTIZATION_VERSION));

    let mut changed = 0;
    let mut count = 0;
    for tensor in source.tensors() {
        let tensor = tensor?;
        count += 1;
        match repacked(&tensor, *block_type) {
            Some(data) => {
                changed += 1;
                writer.add_tensor(tensor.name, tensor.dims, *block_type, data)?;
            }
            None => writer.add_tensor(tensor.name, tensor.dims, tensor.block_type, tensor.data)?,
        }
    }
    if changed == 0 {
        bail!("no tensor has rows of whole {} blocks in another type", block_type.name());
    }
    // Written beside and renamed, so that the output may be the input, which is mapped until the end.
    let part = output.with_added_extension("part");
    let file = File::create(&part).with_context(|| format!("create {}", part.display()))?;
    let mut file = BufWriter::new(file);
    writer
        .write(&mut file)
        .and_then(|()| file.flush())
        .with_context(|| format!("write {}", part.display()))?;
    std::fs::rename(&part, output).with_context(|| format!("rename to {}", output.display()))?;
    println!("{changed} of {count} tensors are {} now", block_type.name());
    Ok(())
}

/// The rows of a matrix in `block_type`; `None` if it is no matrix, has that type, or has other row lengths.
fn repacked(tensor: &Tensor<'_>, block_type: BlockType) -> Option<Vec<u8>> {
    let [columns, rows] = tensor.dims else { return None };
    let row_bytes = tensor.block_type.row_bytes(*columns)?;
    let packed_row_bytes = block_type.row_bytes(*columns)?;
    if tensor.block_type == block_type {
        return None;
    }
    let mut packed = Vec::with_capacity(packed_row_bytes * rows);
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
