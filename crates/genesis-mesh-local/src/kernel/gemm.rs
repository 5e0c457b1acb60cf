//! Products of weights and activations: the bulk of all work.
//!
//! Owns: the tiling of products over rows of activations, and the gated product of the feed-forward part.
//! Never: splits work between threads; callers name the groups.
//! Each output is summed over blocks in order, in one lane, whatever the tile: the bits of a row's result
//! depend on that row alone.

use super::activation::{Activations, quantise_block};
use super::block::{Block, Byte, ByteMin, ByteSplit, Half, Input, Nibble, Single};
use super::lanes::{Lanes, exp};
use super::matrix::{BLOCK_COLUMNS, GROUP_ROWS, Layout, Matrix};
use std::ops::Range;

/// Rows `first .. first + count` of `input`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) input: &'a Activations,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// Where a product goes: the `r`-th row's column `c` goes to `start + r * stride + c`.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) start: *mut f32,
    pub(crate) stride: usize,
    /// Adds to what stands there (the residual) instead of replacing it.
    pub(crate) accumulate: bool,
}

/// With up to this many rows memory is what a product waits for.
const PREFETCH_ROWS: usize = 16;
/// How far ahead of its use a weight is asked for: the time from memory at the speed of the loop.
const PREFETCH_BYTES: usize = 8192;

/// The products of one group with `T` rows.
#[inline(always)]
unsafe fn tile<L: Lanes, B: Block, const T: usize>(matrix: &Matrix, group: usize, input: Input) -> [L::F; T] {
    unsafe {
        let start = matrix.group(group);
        let mut sums = [L::splat(0.0); T];
        for block in 0..matrix.blocks() {
            let weights = start.add(B::LAYOUT.weights_at(block));
            let scales = start.add(B::LAYOUT.scales_at(block)).cast::<u16>();
            if T <= PREFETCH_ROWS {
                for line in 0..=B::LAYOUT.weight_bytes() / 64 {
                    L::prefetch(weights.wrapping_add(PREFETCH_BYTES + line * 64));
                }
            }
            B::multiply::<L, T>(weights, scales, input, block, &mut sums);
        }
        sums
    }
}

/// Calls `$body` with `$tile` bound to the rows of each tile of `$rows`: the largest tiles first.
macro_rules! tiles {
    ($lanes:ident, $rows:expr, $at:ident, $tile:ident, $body:block) => {{
        let mut $at = 0;
        if $lanes::HAS_32_REGISTERS {
            tiles!(16, $rows, $at, $tile, $body);
            tiles!(8, $rows, $at, $tile, $body);
        }
        tiles!(4, $rows, $at, $tile, $body);
        tiles!(2, $rows, $at, $tile, $body);
        tiles!(1, $rows, $at, $tile, $body);
    }};
    ($size:literal, $rows:expr, $at:ident, $tile:ident, $body:block) => {
        while $rows - $at >= $size {
            const $tile: usize = $size;
            $body
            $at += $size;
        }
    };
}

#[inline(always)]
unsafe fn gemm_in<L: Lanes, B: Block>(matrix: &Matrix, rows: Rows<'_>, target: Target, groups: Range<usize>) {
    unsafe {
        for group in groups {
            tiles!(L, rows.count, at, T, {
                let sums = tile::<L, B, T>(matrix, group, Input::of(rows.input, rows.first + at));
                for (t, sum) in sums.into_iter().enumerate() {
                    let to = target.start.wrapping_add((at + t) * target.stride + group * GROUP_ROWS);
                    let sum = if target.accumulate { L::add(L::load(to), sum) } else { sum };
                    L::store(to, sum);
                }
            });
        }
    }
}

/// Multiplies `groups` of `matrix` with `rows` into `target`.
///
/// # Safety
/// The features of `L`; `target` has room for every named group (padding included) of every row, and no
/// other thread touches those numbers or writes the rows.
#[inline(always)]
pub(super) unsafe fn gemm<L: Lanes>(matrix: &Matrix, rows: Rows<'_>, target: Target, groups: Range<usize>) {
    unsafe {
        match matrix.layout() {
            Layout::Nibble => gemm_in::<L, Nibble>(matrix, rows, target, groups),
            Layout::Byte => gemm_in::<L, Byte>(matrix, rows, target, groups),
            Layout::ByteSplit => gemm_in::<L, ByteSplit>(matrix, rows, target, groups),
            Layout::ByteMin => gemm_in::<L, ByteMin>(matrix, rows, target, groups),
            Layout::Half => gemm_in::<L, Half>(matrix, rows, target, groups),
            Layout::Single => gemm_in::<L, Single>(matrix, rows, target, groups),
        }
    }
}

/// Rows that the gated product handles at a time: its scratch stays in the first-level cache.
const GATE_ROWS: usize = 16;

/// `silu(gate . x) * (up . x)` for blocks of 32 outputs, quantised into `output`.
///
/// Source: SwiGLU (Shazeer, 2020).
///
/// # Safety
/// As for [`gemm`]; `output` has the matrices' rows as columns.
#[inline(always)]
pub(super) unsafe fn gated<L: Lanes>(
    (gate, up): (&Matrix, &Matrix),
    rows: Rows<'_>,
    output: &Activations,
    blocks: Range<usize>,
) {
    unsafe {
        let mut scratch = [[0.0f32; GATE_ROWS * BLOCK_COLUMNS]; 2];
        for block in blocks {
            let groups = block * 2..block * 2 + 2;
            for first in (0..rows.count).step_by(GATE_ROWS) {
                let part =
                    Rows { first: rows.first + first, count: GATE_ROWS.min(rows.count - first), ..rows };
                for (matrix, scratch) in [gate, up].into_iter().zip(&mut scratch) {
                    // Targets count from group 0: step back to where that would stand.
                    let start = scratch.as_mut_ptr().wrapping_sub(block * BLOCK_COLUMNS);
                    let target = Target { start, stride: BLOCK_COLUMNS, accumulate: false };
                    gemm::<L>(matrix, part, target, groups.clone());
                }
                for t in 0..part.count {
                    let gate = scratch.as_ptr().cast::<f32>().add(t * BLOCK_COLUMNS);
                    let up = gate.add(GATE_ROWS * BLOCK_COLUMNS);
                    let low = silu_mul::<L>(L::load(gate), L::load(up));
                    let high = silu_mul::<L>(L::load(gate.add(16)), L::load(up.add(16)));
                    quantise_block::<L>(output.row(first + t), block, low, high);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn silu_mul<L: Lanes>(gate: L::F, up: L::F) -> L::F {
    unsafe {
        let one = L::splat(1.0);
        let sigmoid = L::div(one, L::add(one, exp::<L>(L::sub(L::splat(0.0), gate))));
        L::mul(L::mul(gate, sigmoid), up)
    }
}
