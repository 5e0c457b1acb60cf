//! One block of weights times a few rows of activations: the innermost loops, one a layout.
//!
//! Owns: how the bytes of each layout become sums.
//! Never: tiles or loops over blocks; `gemm.rs` does.
//! No closures here: a closure does not inherit its caller's instruction set, and is then not inlined.
//! A row's sum takes the same operations in the same order whatever `T`: its bits depend on that row alone.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arrays of lanes, indexed by the constants that size them"
)]

use super::activation::{Activations, Row};
use super::lanes::Lanes;
use super::matrix::{BLOCK_COLUMNS, GROUP_ROWS, Layout};

/// Raw pointers to the first row of a tile; the rows follow at the strides of `Activations`.
#[derive(Clone, Copy)]
pub(super) struct Input {
    row: Row,
    columns: usize,
}

impl Input {
    #[inline(always)]
    pub(super) fn of(activations: &Activations, row: usize) -> Self {
        Self { row: activations.row(row), columns: activations.columns() }
    }
    /// The four integers of step `step` of block `block` of row `t`.
    #[inline(always)]
    unsafe fn quad(&self, t: usize, block: usize, step: usize) -> i32 {
        // SAFETY: within the row, as the callers' loops bound it.
        unsafe {
            let at = t * self.columns + block * BLOCK_COLUMNS + step * 4;
            self.row.integers.add(at).cast::<i32>().read_unaligned()
        }
    }
    #[inline(always)]
    fn block(&self, t: usize, block: usize) -> usize {
        t * (self.columns / BLOCK_COLUMNS) + block
    }
    #[inline(always)]
    unsafe fn scale<L: Lanes>(&self, t: usize, block: usize) -> L::F {
        unsafe { L::splat(self.row.scales.add(self.block(t, block)).read()) }
    }
    #[inline(always)]
    unsafe fn scaled_sum<L: Lanes>(&self, t: usize, block: usize) -> L::F {
        unsafe { L::splat(self.row.scaled_sums.add(self.block(t, block)).read()) }
    }
    #[inline(always)]
    unsafe fn sum(&self, t: usize, block: usize) -> i32 {
        unsafe { self.row.sums.add(self.block(t, block)).read() }
    }
}

/// One block of one layout, multiplied with `T` rows.
pub(super) trait Block {
    const LAYOUT: Layout;
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    );
}

pub(super) struct Nibble;
impl Block for Nibble {
    const LAYOUT: Layout = Layout::Nibble;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            let (scale, min) = (L::load_half(scales), L::load_half(scales.add(GROUP_ROWS)));
            if L::HAS_32_REGISTERS {
                let mut lines = [L::load_weights(weights); 8];
                for step in 0..4 {
                    let line = L::load_weights(weights.add(step * 64));
                    lines[step] = L::low_nibbles(line);
                    lines[step + 4] = L::high_nibbles(line);
                }
                for t in 0..T {
                    let mut dot = L::dot_zero();
                    for step in 0..8 {
                        dot = L::nibble_dot(dot, lines[step], input.quad(t, block, step));
                    }
                    let product = L::to_float(L::nibble_end(dot));
                    sums[t] = L::fma(min, input.scaled_sum::<L>(t, block), sums[t]);
                    sums[t] = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), sums[t]);
                }
            } else {
                let mut dots = [L::dot_zero(); T];
                for step in 0..4 {
                    let line = L::load_weights(weights.add(step * 64));
                    let (low, high) = (L::low_nibbles(line), L::high_nibbles(line));
                    for t in 0..T {
                        dots[t] = L::nibble_dot(dots[t], low, input.quad(t, block, step));
                        dots[t] = L::nibble_dot(dots[t], high, input.quad(t, block, step + 4));
                    }
                }
                for t in 0..T {
                    let product = L::to_float(L::nibble_end(dots[t]));
                    sums[t] = L::fma(min, input.scaled_sum::<L>(t, block), sums[t]);
                    sums[t] = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), sums[t]);
                }
            }
        }
    }
}

pub(super) struct Byte;
impl Block for Byte {
    const LAYOUT: Layout = Layout::Byte;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            let scale = L::load_half(scales);
            if L::HAS_32_REGISTERS {
                let mut lines = [L::load_weights(weights); 8];
                for step in 1..8 {
                    lines[step] = L::load_weights(weights.add(step * 64));
                }
                for t in 0..T {
                    let mut dot = L::byte_start(input.sum(t, block));
                    for step in 0..8 {
                        dot = L::byte_dot(dot, lines[step], input.quad(t, block, step));
                    }
                    let product = L::to_float(L::byte_end(dot));
                    sums[t] = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), sums[t]);
                }
            } else {
                let mut dots = [L::dot_zero(); T];
                for t in 0..T {
                    dots[t] = L::byte_start(input.sum(t, block));
                }
                for step in 0..8 {
                    let line = L::load_weights(weights.add(step * 64));
                    for t in 0..T {
                        dots[t] = L::byte_dot(dots[t], line, input.quad(t, block, step));
                    }
                }
                for t in 0..T {
                    let product = L::to_float(L::byte_end(dots[t]));
                    sums[t] = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), sums[t]);
                }
            }
        }
    }
}

pub(super) struct ByteSplit;
impl Block for ByteSplit {
    const LAYOUT: Layout = Layout::ByteSplit;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            for half in 0..2 {
                let scale = L::load_half(scales.add(half * GROUP_ROWS));
                for (t, sum) in sums.iter_mut().enumerate() {
                    let mut quads = [0; 4];
                    let mut x_sum = 0;
                    for (step, quad) in quads.iter_mut().enumerate() {
                        *quad = input.quad(t, block, half * 4 + step);
                        for byte in quad.to_le_bytes() {
                            x_sum += i32::from(byte as i8);
                        }
                    }
                    let mut dot = L::byte_start(x_sum);
                    for (step, quad) in quads.into_iter().enumerate() {
                        let line = L::load_weights(weights.add((half * 4 + step) * 64));
                        dot = L::byte_dot(dot, line, quad);
                    }
                    let product = L::to_float(L::byte_end(dot));
                    *sum = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), *sum);
                }
            }
        }
    }
}

pub(super) struct ByteMin;
impl Block for ByteMin {
    const LAYOUT: Layout = Layout::ByteMin;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            let (scale, min) = (L::load_half(scales), L::load_half(scales.add(GROUP_ROWS)));
            for (t, sum) in sums.iter_mut().enumerate() {
                let mut dot = L::dot_zero();
                for step in 0..8 {
                    let line = L::load_weights(weights.add(step * 64));
                    dot = L::small_dot(dot, line, input.quad(t, block, step));
                }
                let product = L::to_float(L::byte_end(dot));
                *sum = L::fma(min, input.scaled_sum::<L>(t, block), *sum);
                *sum = L::fma(product, L::mul(scale, input.scale::<L>(t, block)), *sum);
            }
        }
    }
}

pub(super) struct Half;
impl Block for Half {
    const LAYOUT: Layout = Layout::Half;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        _scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            for column in 0..BLOCK_COLUMNS {
                let line = L::load_half(weights.cast::<u16>().add(column * GROUP_ROWS));
                for (t, sum) in sums.iter_mut().enumerate() {
                    let x = input.row.floats.add(t * input.columns + block * BLOCK_COLUMNS + column).read();
                    *sum = L::fma(line, L::splat(x), *sum);
                }
            }
        }
    }
}

pub(super) struct Single;
impl Block for Single {
    const LAYOUT: Layout = Layout::Single;

    #[inline(always)]
    unsafe fn multiply<L: Lanes, const T: usize>(
        weights: *const u8,
        _scales: *const u16,
        input: Input,
        block: usize,
        sums: &mut [L::F; T],
    ) {
        unsafe {
            for column in 0..BLOCK_COLUMNS {
                let line = L::load(weights.cast::<f32>().add(column * GROUP_ROWS));
                for (t, sum) in sums.iter_mut().enumerate() {
                    let x = input.row.floats.add(t * input.columns + block * BLOCK_COLUMNS + column).read();
                    *sum = L::fma(line, L::splat(x), *sum);
                }
            }
        }
    }
}
