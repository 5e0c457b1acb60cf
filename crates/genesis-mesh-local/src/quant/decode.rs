//! Decoding: packed rows to floats, weight by weight as ggml defines them.
//!
//! Owns: the layout of each block type.
//! Never: fuses a multiply with an add, so that the result is the same on every machine.
//! Source: `dequantize_row_*` in ggml's `ggml-quants.c`.

use super::{BLOCK, BlockType, K_BLOCK};
use half::{bf16, f16};

/// Decodes a packed row into `out`.
///
/// # Shape
/// `bytes` holds `block_type.row_bytes(out.len())` bytes. If one side is shorter, the whole blocks that
/// both have are decoded and the rest of `out` is left as it was.
pub fn decode_row(block_type: BlockType, bytes: &[u8], out: &mut [f32]) {
    match block_type {
        BlockType::F32 => floats(bytes, out, f32::from_le_bytes),
        BlockType::F16 => floats(bytes, out, |raw| f16::from_le_bytes(raw).to_f32()),
        BlockType::BF16 => floats(bytes, out, |raw| bf16::from_le_bytes(raw).to_f32()),
        BlockType::Q4_0 => blocks(bytes, out, q4_0),
        BlockType::Q4_1 => blocks(bytes, out, q4_1),
        BlockType::Q5_0 => blocks(bytes, out, q5_0),
        BlockType::Q5_1 => blocks(bytes, out, q5_1),
        BlockType::Q8_0 => blocks(bytes, out, q8_0),
        BlockType::Q4K => blocks(bytes, out, q4_k),
        BlockType::Q5K => blocks(bytes, out, q5_k),
        BlockType::Q6K => blocks(bytes, out, q6_k),
    }
}

fn floats<const BYTES: usize>(bytes: &[u8], out: &mut [f32], decode: impl Fn([u8; BYTES]) -> f32) {
    for (raw, weight) in bytes.as_chunks::<BYTES>().0.iter().zip(out) {
        *weight = decode(*raw);
    }
}

fn blocks<const BYTES: usize, const LEN: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    for (block, weights) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<LEN>().0) {
        decode(block, weights);
    }
}

/// The little-endian f16 at the start of `bytes`.
fn scale(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |raw| f16::from_le_bytes(*raw).to_f32())
}

/// The two little-endian f16 at the start of `bytes`.
fn scale_and_minimum(bytes: &[u8]) -> (f32, f32) {
    bytes.split_at_checked(2).map_or((0.0, 0.0), |(first, rest)| (scale(first), scale(rest)))
}

/// The 32 quants of 16 bytes: first the low halves, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 0x0F).chain(bytes.iter().map(|byte| byte >> 4))
}

fn q4_0(block: &[u8; 18], out: &mut [f32; BLOCK]) {
    let (head, quants) = block.split_at(2);
    let scale = scale(head);
    for (weight, quant) in out.iter_mut().zip(nibbles(quants)) {
        *weight = (f32::from(quant) - 8.0) * scale;
    }
}

fn q4_1(block: &[u8; 20], out: &mut [f32; BLOCK]) {
    let (head, quants) = block.split_at(4);
    let (scale, minimum) = scale_and_minimum(head);
    for (weight, quant) in out.iter_mut().zip(nibbles(quants)) {
        *weight = f32::from(quant) * scale + minimum;
    }
}

/// The 32 quants of 5 bits: 4 bytes of fifth bits, then 16 bytes of halves.
fn fives(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let (high, low) = bytes.split_at_checked(4).unwrap_or_default();
    let high = high.first_chunk().map_or(0, |raw| u32::from_le_bytes(*raw));
    nibbles(low).enumerate().map(move |(index, quant)| quant | (((high >> index) & 1) << 4) as u8)
}

fn q5_0(block: &[u8; 22], out: &mut [f32; BLOCK]) {
    let (head, quants) = block.split_at(2);
    let scale = scale(head);
    for (weight, quant) in out.iter_mut().zip(fives(quants)) {
        *weight = (f32::from(quant) - 16.0) * scale;
    }
}

fn q5_1(block: &[u8; 24], out: &mut [f32; BLOCK]) {
    let (head, quants) = block.split_at(4);
    let (scale, minimum) = scale_and_minimum(head);
    for (weight, quant) in out.iter_mut().zip(fives(quants)) {
        *weight = f32::from(quant) * scale + minimum;
    }
}

fn q8_0(block: &[u8; 34], out: &mut [f32; BLOCK]) {
    let (head, quants) = block.split_at(2);
    let scale = scale(head);
    for (weight, quant) in out.iter_mut().zip(quants) {
        *weight = f32::from(quant.cast_signed()) * scale;
    }
}

/// The 6-bit scales and minima of the eight sub-blocks of a Q4_K or Q5_K block, packed in 12 bytes:
/// four scales, four minima, whose upper 2 bits belong to the other four, and those others' low 4 bits.
fn scales_and_minima(packed: &[u8]) -> [(f32, f32); 8] {
    let mut pairs = [(0.0, 0.0); 8];
    let mut parts = packed.chunks_exact(4);
    let (Some(scales), Some(minima), Some(mixed)) = (parts.next(), parts.next(), parts.next()) else {
        return pairs;
    };
    let (first, second) = pairs.split_at_mut(4);
    for ((first, second), ((scale, minimum), mix)) in
        first.iter_mut().zip(second).zip(scales.iter().zip(minima).zip(mixed))
    {
        *first = (f32::from(scale & 63), f32::from(minimum & 63));
        let high = ((scale >> 6) << 4, (minimum >> 6) << 4);
        *second = (f32::from((mix & 0x0F) | high.0), f32::from((mix >> 4) | high.1));
    }
    pairs
}

/// Writes the eight sub-blocks of a Q4_K or Q5_K block, given its quants in order.
fn scaled_subblocks(head: &[u8], quants: impl Iterator<Item = u8>, out: &mut [f32; K_BLOCK]) {
    let (units, packed) = head.split_at_checked(4).unwrap_or_default();
    let (scale_unit, minimum_unit) = scale_and_minimum(units);
    let mut quants = quants;
    for ((scale, minimum), weights) in
        scales_and_minima(packed).into_iter().zip(out.as_chunks_mut::<BLOCK>().0)
    {
        let (scale, minimum) = (scale_unit * scale, minimum_unit * minimum);
        for (weight, quant) in weights.iter_mut().zip(&mut quants) {
            *weight = scale * f32::from(quant) - minimum;
        }
    }
}

fn q4_k(block: &[u8; 144], out: &mut [f32; K_BLOCK]) {
    let (head, quants) = block.split_at(16);
    scaled_subblocks(head, quants.chunks_exact(BLOCK).flat_map(nibbles), out);
}

fn q5_k(block: &[u8; 176], out: &mut [f32; K_BLOCK]) {
    let (head, rest) = block.split_at(16);
    let (high, low) = rest.split_at(BLOCK);
    // Sub-block `n` keeps its fifth bits in bit `n` of the 32 high bytes.
    let high = (0..8).flat_map(|bit| high.iter().map(move |byte| ((byte >> bit) & 1) << 4));
    let quants = low.chunks_exact(BLOCK).flat_map(nibbles).zip(high).map(|(low, high)| low | high);
    scaled_subblocks(head, quants, out);
}

fn q6_k(block: &[u8; 210], out: &mut [f32; K_BLOCK]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, unit) = rest.split_at(16);
    let unit = scale(unit);
    // Each half of the block: 64 low bytes hold 128 halves, 32 high bytes hold their upper two bits.
    let quants = low.chunks_exact(64).zip(high.chunks_exact(32)).flat_map(|(low, high)| {
        let high =
            (0..8).step_by(2).flat_map(move |bit| high.iter().map(move |byte| ((byte >> bit) & 3) << 4));
        nibbles(low).zip(high).map(|(low, high)| f32::from((low | high) as i8 - 32))
    });
    let scales = scales.iter().flat_map(|scale| [f32::from(scale.cast_signed()); 16]);
    for (weight, (scale, quant)) in out.iter_mut().zip(scales.zip(quants)) {
        *weight = unit * scale * quant;
    }
}
