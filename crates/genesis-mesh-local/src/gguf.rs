//! GGUF files: a memory-mapped model file, its metadata and its tensors.
//!
//! Owns: reading versions 2 and 3, and writing version 3.
//! Never: panics, or reserves memory that the file's size doesn't justify, whatever the file holds.
//! Flow: `Gguf::open` maps the file and checks the whole header; after that every tensor is in bounds.
//! Source: the GGUF specification, `docs/gguf.md` in the ggml repository.

mod error;
mod cursor;
mod names;
mod value;
mod metadata;
mod header;
mod map;
mod write;
mod repack;
#[cfg(test)]
mod tests;

pub use error::GgufError;
pub use metadata::Metadata;
pub use value::{Array, Value};
pub use write::GgufWriter;

use crate::quant::BlockType;
use error::shown;
use header::{Header, Packing, TensorInfo};
use memmap2::Mmap;
use std::path::Path;

/// A model file in memory. Dropping it releases the file's pages.
#[derive(Debug)]
pub struct Gguf {
    map: Mmap,
    header: Header,
}

/// A tensor of a file: packed rows, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor<'a> {
    /// Its name, for example `blk.0.attn_q.weight`.
    pub name: &'a str,
    /// 1 to 4 dimensions, none 0, columns (the length of a row) first.
    pub dims: &'a [usize],
    /// How each row is packed; the columns are whole blocks.
    pub block_type: BlockType,
    /// The rows: `row_bytes(columns)` times the product of the other dimensions.
    pub data: &'a [u8],
}

/// What a file's header says of a tensor, also of one that the engine can't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorShape<'a> {
    /// Its name.
    pub name: &'a str,
    /// 1 to 4 dimensions, none 0, columns first.
    pub dims: &'a [usize],
    /// The name of its packing, as ggml spells it; `None` for one that is not known here.
    pub type_name: Option<&'static str>,
    /// Its bytes in the file; `None` for a packing that the engine doesn't read.
    pub bytes: Option<usize>,
}

impl Gguf {
    /// Maps the file at `path` and checks its header.
    ///
    /// # Errors
    /// `Io`, or an error that names the field of the file that is wrong. Types of weights that the engine
    /// can't read are no error here, only when such a tensor is asked for.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let map = map::map(path)?;
        let header = Header::read(&map)?;
        Ok(Self { map, header })
    }

    /// What the file says of its model.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensor `name`, which must be there.
    ///
    /// # Errors
    /// `MissingTensor`, or `UnsupportedType` if it is packed in a way that the engine can't read.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, GgufError> {
        self.find_tensor(name)?.ok_or_else(|| GgufError::MissingTensor { tensor: shown(name) })
    }

    /// The tensor `name`, or `None` if the file has none of that name.
    ///
    /// # Errors
    /// `UnsupportedType` if it is packed in a way that the engine can't read.
    pub fn find_tensor(&self, name: &str) -> Result<Option<Tensor<'_>>, GgufError> {
        self.header.find(name).map(|info| self.view(info)).transpose()
    }

    /// Every tensor, in the order of the file.
    ///
    /// # Errors
    /// An item is `UnsupportedType` if it is packed in a way that the engine can't read.
    pub fn tensors(&self) -> impl Iterator<Item = Result<Tensor<'_>, GgufError>> {
        self.header.tensors.iter().map(|info| self.view(info))
    }

    /// The shape of every tensor, in the order of the file.
    pub fn shapes(&self) -> impl Iterator<Item = TensorShape<'_>> {
        self.header.tensors.iter().map(|info| {
            let (type_name, bytes) = match &info.packing {
                Packing::Known(block_type, range) => (Some(block_type.name()), Some(range.len())),
                Packing::Unknown(number) => (unread_type_name(*number), None),
            };
            TensorShape { name: &info.name, dims: info.dims(), type_name, bytes }
        })
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    fn view<'a>(&'a self, info: &'a TensorInfo) -> Result<Tensor<'a>, GgufError> {
        match &info.packing {
            Packing::Known(block_type, range) => Ok(Tensor {
                name: &info.name,
                dims: info.dims(),
                block_type: *block_type,
                data: self.map.get(range.clone()).unwrap_or_default(),
            }),
            Packing::Unknown(number) => Err(GgufError::UnsupportedType {
                tensor: shown(&info.name),
                number: *number,
                name: unread_type_name(*number),
            }),
        }
    }
}

/// The name of a ggml type (`enum ggml_type`) that the engine doesn't read.
fn unread_type_name(number: u32) -> Option<&'static str> {
    Some(match number {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return None,
    })
}
