//! The header: everything before the weights, checked against the size of the file.
//!
//! Owns: the order of the parts, tensor descriptions, and the proof that each tensor lies in the file.
//! Never: reads a weight.
//! Flow: magic, version, counts, metadata, tensor descriptions, padding, data.
//! Source: the GGUF specification, `docs/gguf.md` in the ggml repository.

use super::cursor::Cursor;
use super::error::{Field, GgufError, shown};
use super::metadata::{ENTRY_BYTES_MIN, Metadata};
use super::names::NameOrder;
use crate::quant::BlockType;
use std::ops::Range;

/// The first bytes of every file.
pub(super) const MAGIC: [u8; 4] = *b"GGUF";
/// The metadata key of the padding between tensors.
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
/// The padding of files that don't name one.
pub(super) const ALIGNMENT_DEFAULT: u32 = 32;
/// The longest tensor name and the most dimensions that the format allows.
pub(super) const NAME_BYTES_MAX: usize = 64;
const DIMS_MAX: usize = 4;
/// Bytes of the smallest tensor description: name of one byte, one dimension, type and offset.
const TENSOR_BYTES_MIN: usize = 8 + 1 + 4 + 8 + 4 + 8;

/// What a file holds, without its weights.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
    order: NameOrder,
}

/// Where a tensor is, and its shape.
#[derive(Debug)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    dims: [usize; DIMS_MAX],
    dim_count: usize,
    pub(super) packing: Packing,
}

/// How a tensor is stored.
#[derive(Debug, Clone)]
pub(super) enum Packing {
    /// In blocks that the engine reads, at these bytes of the file, which has them.
    Known(BlockType, Range<usize>),
    /// Under a ggml number that the engine doesn't read; its size is not known.
    Unknown(u32),
}

impl TensorInfo {
    /// The dimensions, columns first.
    pub(super) fn dims(&self) -> &[usize] {
        self.dims.get(..self.dim_count).unwrap_or_default()
    }
}

impl Header {
    /// Reads the header of a file of these bytes.
    pub(super) fn read(file: &[u8]) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(file);
        let magic = file.get(..MAGIC.len()).unwrap_or(file);
        if magic != MAGIC {
            return Err(GgufError::Foreign { found: magic.to_vec() });
        }
        cursor.take(MAGIC.len(), Field::Header("magic"))?;
        match cursor.u32(Field::Header("version"))? {
            2 | 3 => {}
            found => return Err(GgufError::Version { found }),
        }
        let tensor_count = cursor.count(TENSOR_BYTES_MIN, Field::Header("tensor_count"))?;
        let entry_count = cursor.count(ENTRY_BYTES_MIN, Field::Header("metadata_kv_count"))?;
        let metadata = Metadata::read(&mut cursor, entry_count)?;
        let alignment = alignment(&metadata)?;

        // The metadata may have used up the room for the tensors that were counted before it.
        cursor.check_room(tensor_count as u64, TENSOR_BYTES_MIN, Field::Header("tensor_count"))?;
        let mut described = Vec::with_capacity(tensor_count);
        for index in 0..tensor_count {
            described.push(Described::read(&mut cursor, index, alignment)?);
        }
        let data = cursor.position().checked_next_multiple_of(alignment).unwrap_or(usize::MAX);
        let data = data.min(file.len())..file.len();
        let tensors =
            described.into_iter().map(|tensor| tensor.place(&data)).collect::<Result<Vec<_>, _>>()?;
        check_overlap(&tensors, data.len())?;
        match NameOrder::new(&tensors, tensor_name) {
            Ok(order) => Ok(Self { metadata, tensors, order }),
            Err(index) => {
                let name = tensors.get(index).map_or("", tensor_name);
                Err(GgufError::Duplicate { field: format!("tensor `{}`", shown(name)) })
            }
        }
    }

    /// The tensor of this name.
    pub(super) fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.order.find(&self.tensors, tensor_name, name)
    }
}

/// Refuses tensors that together claim more bytes than there are: some would share theirs.
fn check_overlap(tensors: &[TensorInfo], available: usize) -> Result<(), GgufError> {
    let mut claimed = 0;
    for tensor in tensors {
        if let Packing::Known(_, range) = &tensor.packing {
            claimed += range.len();
        }
        if claimed > available {
            let expected = format!("bytes of its own: all tensors together have {available}");
            return Err(
                Field::Tensor(&tensor.name, "offset").invalid(expected, "bytes that other tensors have too")
            );
        }
    }
    Ok(())
}

fn tensor_name(tensor: &TensorInfo) -> &str {
    &tensor.name
}

/// The padding of the data section and of each tensor in it, in bytes.
fn alignment(metadata: &Metadata) -> Result<usize, GgufError> {
    let alignment = metadata.find_u32(ALIGNMENT_KEY)?.unwrap_or(ALIGNMENT_DEFAULT);
    if alignment.is_power_of_two() {
        Ok(alignment as usize)
    } else {
        Err(Field::Value(ALIGNMENT_KEY).invalid("a power of two", alignment))
    }
}

/// A tensor's description as it stands in the file, before the place of the data is known.
struct Described {
    name: String,
    dims: [usize; DIMS_MAX],
    dim_count: usize,
    type_number: u32,
    offset: u64,
}

impl Described {
    fn read(cursor: &mut Cursor<'_>, index: usize, alignment: usize) -> Result<Self, GgufError> {
        let field = Field::TensorName(index);
        let name = cursor.string(field)?;
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            let expected = format!("1 to {NAME_BYTES_MAX} bytes");
            return Err(field.invalid(expected, format_args!("{} bytes", name.len())));
        }
        let field = Field::Tensor(name, "number of dimensions");
        let stored = cursor.u32(field)?;
        let dim_count = usize::try_from(stored).unwrap_or(usize::MAX);
        if !(1..=DIMS_MAX).contains(&dim_count) {
            return Err(field.invalid(format!("1 to {DIMS_MAX}"), stored));
        }
        let field = Field::Tensor(name, "dimensions");
        let mut dims = [1; DIMS_MAX];
        for dim in dims.iter_mut().take(dim_count) {
            let stored = cursor.u64(field)?;
            *dim = match usize::try_from(stored) {
                Ok(stored @ 1..) => stored,
                _ => return Err(field.invalid("numbers from 1", stored)),
            };
        }
        let type_number = cursor.u32(Field::Tensor(name, "type"))?;
        let field = Field::Tensor(name, "offset");
        let offset = cursor.u64(field)?;
        if !offset.is_multiple_of(alignment as u64) {
            return Err(field.invalid(format!("a multiple of the alignment {alignment}"), offset));
        }
        Ok(Self { name: name.to_owned(), dims, dim_count, type_number, offset })
    }

    /// Finds the tensor's bytes in `data`, the file's data section.
    fn place(self, data: &Range<usize>) -> Result<TensorInfo, GgufError> {
        let Self { name, dims, dim_count, type_number, offset } = self;
        let packing = match BlockType::from_ggml(type_number) {
            None => Packing::Unknown(type_number),
            Some(block_type) => {
                let size = tensor_bytes(&name, &dims, block_type)?;
                let start = usize::try_from(offset).ok().and_then(|offset| data.start.checked_add(offset));
                let range = start.and_then(|start| Some(start..start.checked_add(size)?));
                match range {
                    Some(range) if range.end <= data.end => Packing::Known(block_type, range),
                    _ => {
                        let (size, available) = (size as u64, data.len() as u64);
                        return Err(GgufError::OutOfFile { tensor: shown(&name), offset, size, available });
                    }
                }
            }
        };
        Ok(TensorInfo { name, dims, dim_count, packing })
    }
}

/// Bytes of a tensor of these dimensions.
pub(super) fn tensor_bytes(name: &str, dims: &[usize], block_type: BlockType) -> Result<usize, GgufError> {
    let field = Field::Tensor(name, "dimensions");
    let (columns, rows) = dims.split_first().map_or((1, [].as_slice()), |(columns, rows)| (*columns, rows));
    let block_len = block_type.block_len();
    if !columns.is_multiple_of(block_len) {
        let expected = format!("columns in blocks of {block_len} ({})", block_type.name());
        return Err(field.invalid(expected, columns));
    }
    let row_bytes = block_type.row_bytes(columns);
    rows.iter()
        .try_fold(row_bytes, |bytes, rows| Some(bytes?.checked_mul(*rows)))
        .flatten()
        .ok_or_else(|| field.invalid("a tensor that fits into memory", format_args!("{dims:?}")))
}
