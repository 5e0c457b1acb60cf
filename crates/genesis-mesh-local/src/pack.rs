//! Packing: a tensor of a file becomes a matrix that the kernels read.
//!
//! Owns: the way from each block type to its layout, and the order of rotated rows.
//! Never: loses a bit, but for the scales of Q4_K and Q5_K: a product of two numbers, rounded to f16
//! (relative error 2^-12, a hundredth of the quantisation step).

use crate::gguf::Tensor;
use crate::kernel::{BLOCK_COLUMNS, GROUP_ROWS, Layout, Matrix};
use crate::quant::{BlockType, decode_row};
use half::f16;

/// Bytes of a line of a group: four columns of sixteen rows.
const LINE: usize = 64;

/// The order in which rows are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// As in the file.
    Plain,
    /// Heads of this many rows, whose pairs (0, 1), (2, 3) … rotate together: all first parts, then all
    /// second parts, so that a rotation works on whole vectors.
    Rotary(usize),
}

impl RowOrder {
    /// The row of the file that stands at `row`.
    fn source(self, row: usize) -> usize {
        match self {
            Self::Plain => row,
            Self::Rotary(head) => {
                let (start, at) = (row / head * head, row % head);
                start + if at < head / 2 { 2 * at } else { 2 * (at - head / 2) + 1 }
            }
        }
    }
}

/// The layout that holds `block_type`.
pub(crate) fn layout(block_type: BlockType) -> Layout {
    match block_type {
        BlockType::Q4_0 | BlockType::Q4_1 | BlockType::Q4K => Layout::Nibble,
        BlockType::Q8_0 | BlockType::Q5_0 => Layout::Byte,
        BlockType::Q5_1 | BlockType::Q5K => Layout::ByteMin,
        BlockType::Q6K => Layout::ByteSplit,
        BlockType::F16 => Layout::Half,
        BlockType::F32 | BlockType::BF16 => Layout::Single,
    }
}

/// Columns and rows of a tensor of up to two dimensions.
fn shape(tensor: &Tensor<'_>) -> (usize, usize) {
    match tensor.dims {
        [columns, rows, ..] => (*columns, *rows),
        [columns] => (*columns, 1),
        [] => (0, 0),
    }
}

/// Bytes of the matrix that `pack` makes of `tensor`.
pub(crate) fn packed_bytes(tensor: &Tensor<'_>) -> usize {
    let (columns, rows) = shape(tensor);
    Matrix::bytes_of(layout(tensor.block_type), rows, columns)
}

/// Packs a two-dimensional tensor whose row length is a multiple of 32; missing bytes count as zeros.
pub(crate) fn pack(tensor: &Tensor<'_>, order: RowOrder) -> Matrix {
    let (columns, rows) = shape(tensor);
    let row_bytes = tensor.block_type.row_bytes(columns).unwrap_or_default();
    let mut matrix = Matrix::zeros(layout(tensor.block_type), rows, columns);
    for (group, memory) in matrix.groups_mut().enumerate() {
        for lane in 0..GROUP_ROWS.min(rows - group * GROUP_ROWS) {
            let start = order.source(group * GROUP_ROWS + lane) * row_bytes;
            let row = tensor.data.get(start..start + row_bytes).unwrap_or_default();
            pack_row(tensor.block_type, row, lane, memory);
        }
    }
    matrix
}

/// One block of 32 weights on its way: codes (or packed pairs of codes), and up to two scales.
#[derive(Default)]
struct Codes {
    bytes: [u8; BLOCK_COLUMNS],
    scales: [f16; 2],
}

fn pack_row(block_type: BlockType, row: &[u8], lane: usize, memory: &mut [u8]) {
    let layout = layout(block_type);
    if !layout.is_integer() {
        return pack_floats(block_type, row, lane, memory);
    }
    // Of the 32 code bytes a nibble layout fills 16: four lines instead of eight.
    let code_bytes = layout.weight_bytes() / GROUP_ROWS;
    let parts_per_source = block_type.block_len() / BLOCK_COLUMNS;
    let sources = row.chunks_exact(block_type.block_bytes());
    let parts = sources.flat_map(|source| (0..parts_per_source).map(move |part| (source, part)));
    for (block, (source, part)) in parts.enumerate() {
        let codes = codes(block_type, source, part);
        let quads = codes.bytes.get(..code_bytes).unwrap_or_default().as_chunks::<4>().0;
        let lines = memory.get_mut(layout.weights_at(block)..).unwrap_or_default().chunks_exact_mut(LINE);
        for (line, quad) in lines.zip(quads) {
            if let Some(place) = line.get_mut(lane * 4..lane * 4 + 4) {
                place.copy_from_slice(quad);
            }
        }
        let places = memory.get_mut(layout.scales_at(block)..).unwrap_or_default().chunks_exact_mut(LINE / 2);
        for (place, scale) in places.zip(codes.scales).take(layout.scales()) {
            if let Some(place) = place.get_mut(lane * 2..lane * 2 + 2) {
                place.copy_from_slice(&scale.to_le_bytes());
            }
        }
    }
}

fn pack_floats(block_type: BlockType, row: &[u8], lane: usize, weights: &mut [u8]) {
    let size = if block_type == BlockType::F16 { 2 } else { 4 };
    let numbers = row.chunks_exact(block_type.block_bytes());
    for (number, places) in numbers.zip(weights.chunks_exact_mut(GROUP_ROWS * size)) {
        let Some(place) = places.get_mut(lane * size..(lane + 1) * size) else { continue };
        if block_type == BlockType::BF16 {
            let mut value = [0.0f32];
            decode_row(block_type, number, &mut value);
            place.copy_from_slice(&value[0].to_le_bytes());
        } else {
            place.copy_from_slice(number);
        }
    }
}

/// Block `part` of 32 weights in `source`, one block of the file.
fn codes(block_type: BlockType, source: &[u8], part: usize) -> Codes {
    let mut codes = Codes::default();
    let at = |index: usize| source.get(index).copied().unwrap_or_default();
    let half = |index: usize| f16::from_le_bytes([at(index), at(index + 1)]);
    match block_type {
        BlockType::Q4_0 => {
            // value = scale * (q - 8); eight times a f16 is a f16.
            codes.scales = [half(0), f16::from_f32(-8.0 * half(0).to_f32())];
            codes.bytes[..16].copy_from_slice(source.get(2..18).unwrap_or(&[0; 16]));
        }
        BlockType::Q4_1 => {
            codes.scales = [half(0), half(2)];
            codes.bytes[..16].copy_from_slice(source.get(4..20).unwrap_or(&[0; 16]));
        }
        BlockType::Q8_0 => {
            codes.scales[0] = half(0);
            codes.bytes = std::array::from_fn(|i| at(2 + i) ^ 0x80);
        }
        BlockType::Q5_0 => {
            // value = scale * (q - 16), kept as q - 16 + 128.
            codes.scales[0] = half(0);
            codes.bytes = std::array::from_fn(|i| five_bits(source, 2, i) + 112);
        }
        BlockType::Q5_1 => {
            codes.scales = [half(0), half(2)];
            codes.bytes = std::array::from_fn(|i| five_bits(source, 4, i));
        }
        BlockType::Q4K => {
            codes.scales = k_scales(source, part);
            let nibble = |i: usize| at(16 + part / 2 * 32 + i) >> (part % 2 * 4) & 15;
            codes.bytes = std::array::from_fn(|i| if i < 16 { nibble(i) | nibble(i + 16) << 4 } else { 0 });
        }
        BlockType::Q5K => {
            codes.scales = k_scales(source, part);
            let nibble = |i: usize| at(48 + part / 2 * 32 + i) >> (part % 2 * 4) & 15;
            codes.bytes = std::array::from_fn(|i| nibble(i) | (at(16 + i) >> part & 1) << 4);
        }
        BlockType::Q6K => {
            // 128 weights share 64 bytes of low halves and 32 of high quarters; value = d * scale * (q - 32).
            let (half_at, quarter) = (part / 4, part % 4);
            let low = |i: usize| at(half_at * 64 + quarter % 2 * 32 + i) >> (quarter / 2 * 4) & 15;
            let high = |i: usize| at(128 + half_at * 32 + i) >> (quarter * 2) & 3;
            codes.bytes = std::array::from_fn(|i| (low(i) | high(i) << 4) + 96);
            let scale = |which: usize| f32::from(at(192 + part * 2 + which) as i8) * half(208).to_f32();
            codes.scales = [f16::from_f32(scale(0)), f16::from_f32(scale(1))];
        }
        BlockType::F32 | BlockType::F16 | BlockType::BF16 => {}
    }
    codes
}

/// The `i`-th of 32 five-bit codes, which stand at `start`: a word of high bits, then 16 bytes of low halves.
fn five_bits(source: &[u8], start: usize, i: usize) -> u8 {
    let at = |index: usize| source.get(start + index).copied().unwrap_or_default();
    let high = at(i / 8) >> (i % 8) & 1;
    (at(4 + i % 16) >> (i / 16 * 4) & 15) | high << 4
}

/// Scale and (negative) min of sub-block `part` of a Q4_K or Q5_K block: six-bit numbers times f16.
fn k_scales(source: &[u8], part: usize) -> [f16; 2] {
    let at = |index: usize| source.get(index).copied().unwrap_or_default();
    let half = |index: usize| f16::from_le_bytes([at(index), at(index + 1)]).to_f32();
    let packed = |index: usize| at(4 + index);
    let (scale, min) = if part < 4 {
        (packed(part) & 63, packed(part + 4) & 63)
    } else {
        let low = packed(part + 4);
        ((low & 15) | (packed(part - 4) >> 6) << 4, (low >> 4) | (packed(part) >> 6) << 4)
    };
    [f16::from_f32(half(0) * f32::from(scale)), f16::from_f32(-half(2) * f32::from(min))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::encode_row;

    #[test]
    fn a_packed_row_has_the_values_that_decoding_gives() {
        let (rows, columns) = (21usize, 512);
        let values: Vec<f32> =
            (0..rows * columns).map(|i| ((i * 7919 % 1013) as f32 / 506.0 - 1.0) * 0.3).collect();
        for block_type in BlockType::ALL {
            let mut data = Vec::new();
            values.chunks(columns).for_each(|row| encode_row(block_type, row, &mut data));
            let tensor = Tensor { name: "w", dims: &[columns, rows], block_type, data: &data };
            for order in [RowOrder::Plain, RowOrder::Rotary(6)] {
                let tensor = Tensor { dims: &[columns, 18], ..tensor };
                let matrix = pack(&tensor, order);
                let row_bytes = block_type.row_bytes(columns).unwrap();
                let (mut expected, mut found) = (vec![0.0; columns], vec![0.0; columns]);
                for row in 0..matrix.rows() {
                    decode_row(
                        block_type,
                        &data[order.source(row) * row_bytes..][..row_bytes],
                        &mut expected,
                    );
                    matrix.row(row, &mut found);
                    for (expected, found) in expected.iter().zip(&found) {
                        assert!(
                            (expected - found).abs() <= 3e-4,
                            "{block_type:?}: {expected} became {found}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rotary_order_is_a_permutation_of_each_head() {
        let order = RowOrder::Rotary(6);
        let rows: Vec<usize> = (0..12).map(|row| order.source(row)).collect();
        assert_eq!(rows, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    }
}
