//! Encoding: floats to packed rows, by plain round-to-nearest between the extremes of each block.
//!
//! Owns: a deterministic quantiser for tools and tests; the same floats give the same bytes anywhere.
//! Never: searches for better scales as llama.cpp's quantiser does; its files are somewhat more exact.
//! Source: `quantize_row_*_ref` in ggml's `ggml-quants.c` for the older types.

use super::{BLOCK, BlockType, K_BLOCK};
use half::{bf16, f16};

/// Packs `row` and appends it to `out`.
///
/// # Shape
/// `row.len()` is a multiple of `block_type.block_len()`; weights after the last whole block are not
/// written. Weights are finite: others give an arbitrary, but always the same, result.
pub fn encode_row(block_type: BlockType, row: &[f32], out: &mut Vec<u8>) {
    let (blocks, k_blocks) = (row.as_chunks::<BLOCK>().0, row.as_chunks::<K_BLOCK>().0);
    match block_type {
        BlockType::F32 => row.iter().for_each(|weight| out.extend(weight.to_le_bytes())),
        BlockType::F16 => row.iter().for_each(|weight| out.extend(f16::from_f32(*weight).to_le_bytes())),
        BlockType::BF16 => row.iter().for_each(|weight| out.extend(bf16::from_f32(*weight).to_le_bytes())),
        BlockType::Q4_0 => blocks.iter().for_each(|block| symmetric(block, 8, out)),
        BlockType::Q4_1 => blocks.iter().for_each(|block| asymmetric(block, 15, out)),
        BlockType::Q5_0 => blocks.iter().for_each(|block| symmetric(block, 16, out)),
        BlockType::Q5_1 => blocks.iter().for_each(|block| asymmetric(block, 31, out)),
        BlockType::Q8_0 => blocks.iter().for_each(|block| q8_0(block, out)),
        BlockType::Q4K => k_blocks.iter().for_each(|block| scaled_subblocks(block, 15, out)),
        BlockType::Q5K => k_blocks.iter().for_each(|block| scaled_subblocks(block, 31, out)),
        BlockType::Q6K => k_blocks.iter().for_each(|block| q6_k(block, out)),
    }
}

/// Appends `value` as f16 and returns what a reader will see.
fn push_scale(value: f32, out: &mut Vec<u8>) -> f32 {
    let rounded = f16::from_f32(value);
    out.extend(rounded.to_le_bytes());
    rounded.to_f32()
}

fn inverse(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { 1.0 / value }
}

/// The weight that is farthest from zero, with its sign; the first of equals.
fn farthest(weights: &[f32]) -> f32 {
    weights.iter().fold(0.0, |best: f32, weight| if weight.abs() > best.abs() { *weight } else { best })
}

fn extremes(weights: &[f32]) -> (f32, f32) {
    weights
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), weight| (low.min(*weight), high.max(*weight)))
}

/// `value` rounded to the nearest whole number within `low..=high`.
fn nearest(value: f32, low: i32, high: i32) -> i32 {
    (value.round() as i32).clamp(low, high)
}

/// Appends the fifth bits, if `quants` may have them, and the halves of 32 quants.
fn push_quants(quants: [u8; BLOCK], has_fifth_bit: bool, out: &mut Vec<u8>) {
    if has_fifth_bit {
        let bits =
            quants.iter().enumerate().fold(0, |bits, (index, quant)| bits | (u32::from(quant >> 4) << index));
        out.extend(bits.to_le_bytes());
    }
    let (low, high) = quants.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(low, high)| (low & 0x0F) | (high << 4)));
}

/// Q4_0 and Q5_0: the farthest weight becomes quant 0, which stands for `-zero` scales.
fn symmetric(weights: &[f32; BLOCK], zero: u8, out: &mut Vec<u8>) {
    let scale = -farthest(weights) / f32::from(zero);
    push_scale(scale, out);
    let (inverse, zero) = (inverse(scale), i32::from(zero));
    let quants = weights.map(|weight| (nearest(weight * inverse, -zero, zero - 1) + zero) as u8);
    push_quants(quants, zero > 8, out);
}

/// Q4_1 and Q5_1: quants `0..=top` reach from the lowest weight to the highest.
fn asymmetric(weights: &[f32; BLOCK], top: u8, out: &mut Vec<u8>) {
    let (low, high) = extremes(weights);
    let scale = (high - low) / f32::from(top);
    push_scale(scale, out);
    push_scale(low, out);
    let inverse = inverse(scale);
    let quants = weights.map(|weight| nearest((weight - low) * inverse, 0, i32::from(top)) as u8);
    push_quants(quants, top > 15, out);
}

fn q8_0(weights: &[f32; BLOCK], out: &mut Vec<u8>) {
    let scale = farthest(weights).abs() / 127.0;
    push_scale(scale, out);
    let inverse = inverse(scale);
    out.extend(weights.map(|weight| nearest(weight * inverse, -127, 127) as u8));
}

/// Q4_K and Q5_K: eight sub-blocks, each from a minimum of zero or less to its highest weight.
fn scaled_subblocks(weights: &[f32; K_BLOCK], top: u8, out: &mut Vec<u8>) {
    let (subblocks, _) = weights.as_chunks::<BLOCK>();
    let mut steps = [(0.0, 0.0); 8];
    for (step, subblock) in steps.iter_mut().zip(subblocks) {
        let (low, high) = extremes(subblock);
        let low = low.min(0.0);
        *step = ((high - low).max(0.0) / f32::from(top), -low);
    }
    let largest = steps
        .iter()
        .fold((0.0_f32, 0.0_f32), |(scale, minimum), step| (scale.max(step.0), minimum.max(step.1)));
    let units = (push_scale(largest.0 / 63.0, out), push_scale(largest.1 / 63.0, out));
    let inverses = (inverse(units.0), inverse(units.1));
    let packed = steps
        .map(|step| (nearest(step.0 * inverses.0, 0, 63) as u8, nearest(step.1 * inverses.1, 0, 63) as u8));
    push_scales_and_minima(packed, out);

    let mut quants = [0; K_BLOCK];
    for ((quants, subblock), (scale, minimum)) in
        quants.as_chunks_mut::<BLOCK>().0.iter_mut().zip(subblocks).zip(packed)
    {
        let (inverse, minimum) = (inverse(units.0 * f32::from(scale)), units.1 * f32::from(minimum));
        *quants = subblock.map(|weight| nearest((weight + minimum) * inverse, 0, i32::from(top)) as u8);
    }
    if top > 15 {
        let mut fifth_bits = [0_u8; BLOCK];
        for (bit, quants) in quants.as_chunks::<BLOCK>().0.iter().enumerate() {
            fifth_bits.iter_mut().zip(quants).for_each(|(bits, quant)| *bits |= (quant >> 4) << bit);
        }
        out.extend(fifth_bits);
    }
    for pair in quants.as_chunks::<{ 2 * BLOCK }>().0 {
        let (low, high) = pair.split_at(BLOCK);
        out.extend(low.iter().zip(high).map(|(low, high)| (low & 0x0F) | (high << 4)));
    }
}

/// The 12 bytes that `decode` reads back as eight pairs.
fn push_scales_and_minima(pairs: [(u8, u8); 8], out: &mut Vec<u8>) {
    let (first, second) = pairs.split_at(4);
    out.extend(first.iter().zip(second).map(|(first, second)| first.0 | ((second.0 >> 4) << 6)));
    out.extend(first.iter().zip(second).map(|(first, second)| first.1 | ((second.1 >> 4) << 6)));
    out.extend(second.iter().map(|pair| (pair.0 & 0x0F) | (pair.1 << 4)));
}

/// Q6_K: sixteen sub-blocks, each with a signed scale; the farthest weight becomes quant -32.
fn q6_k(weights: &[f32; K_BLOCK], out: &mut Vec<u8>) {
    let (subblocks, _) = weights.as_chunks::<16>();
    let mut steps = [0.0; 16];
    for (step, subblock) in steps.iter_mut().zip(subblocks) {
        *step = -farthest(subblock) / 32.0;
    }
    let unit = f16::from_f32(farthest(&steps).abs() / 127.0);
    let inverse_unit = inverse(unit.to_f32());
    let scales = steps.map(|step| nearest(step * inverse_unit, -128, 127) as i8);
    let mut quants = [0_u8; K_BLOCK];
    for ((quants, subblock), scale) in quants.as_chunks_mut::<16>().0.iter_mut().zip(subblocks).zip(scales) {
        let inverse = inverse(unit.to_f32() * f32::from(scale));
        *quants = subblock.map(|weight| (nearest(weight * inverse, -32, 31) + 32) as u8);
    }
    let (halves, _) = quants.as_chunks::<128>();
    for half in halves {
        let (low, high) = half.split_at(64);
        out.extend(low.iter().zip(high).map(|(low, high)| (low & 0x0F) | (high << 4)));
    }
    for half in halves {
        let mut high_bits = [0_u8; 32];
        for (part, quants) in half.as_chunks::<32>().0.iter().enumerate() {
            high_bits.iter_mut().zip(quants).for_each(|(bits, quant)| *bits |= (quant >> 4) << (2 * part));
        }
        out.extend(high_bits);
    }
    out.extend(scales.map(i8::cast_unsigned));
    out.extend(unit.to_le_bytes());
}
