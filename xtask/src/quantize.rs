//! `cargo xtask quantize`: packs the matrices of a GGUF file as another block type.
//!
//! Owns: the names of block types on the command line, and that the output is whole or absent.
//! Never: decides what is packed; `Gguf::repack` does, for the tests as well.

use anyhow::{Context, ensure};
use genesis_mesh_local::gguf::Gguf;
use genesis_mesh_local::quant::BlockType;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

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
    let (writer, changed) = source.repack(*block_type)?;
    ensure!(changed > 0, "no tensor has rows of whole {} blocks in another type", block_type.name());
    // Written beside and renamed, so that the output may be the input, which is mapped until the end.
    let part = output.with_added_extension("part");
    let file = File::create(&part).with_context(|| format!("create {}", part.display()))?;
    let mut file = BufWriter::new(file);
    writer
        .write(&mut file)
        .and_then(|()| file.flush())
        .with_context(|| format!("write {}", part.display()))?;
    std::fs::rename(&part, output).with_context(|| format!("rename to {}", output.display()))?;
    println!("{changed} of {} tensors are {} now", source.tensors().count(), block_type.name());
    Ok(())
}
