//! Activations as the products read them: int8 in blocks of 32 with a scale, or plain f32.
//!
//! Owns: the buffers of a batch of rows, and quantisation.
//! Never: knows what the rows mean.
//! Source: dynamic symmetric quantisation, one scale for 32 values, as Q8_0 of GGML.

use super::lanes::Lanes;
use super::matrix::BLOCK_COLUMNS;
use super::shared::Shared;

/// Rows of activations, ready to be multiplied.
pub(crate) struct Activations {
    columns: usize,
    integers: Shared<i8>,
    scales: Shared<f32>,
    /// Scale times the sum of the block's integers: what a weight's min is multiplied with.
    scaled_sums: Shared<f32>,
    sums: Shared<i32>,
    floats: Option<Shared<f32>>,
}

/// Raw pointers to one row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) integers: *mut i8,
    pub(super) scales: *mut f32,
    pub(super) scaled_sums: *mut f32,
    pub(super) sums: *mut i32,
    pub(super) floats: *mut f32,
}

impl Activations {
    /// Room for `rows` rows of `columns` numbers; `floats` if a float matrix multiplies them.
    pub(crate) fn zeros(rows: usize, columns: usize, floats: bool) -> Self {
        let blocks = rows * columns / BLOCK_COLUMNS;
        Self {
            columns,
            integers: Shared::zeros(rows * columns),
            scales: Shared::zeros(blocks),
            scaled_sums: Shared::zeros(blocks),
            sums: Shared::zeros(blocks),
            floats: floats.then(|| Shared::zeros(rows * columns)),
        }
    }

    #[inline(always)]
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> Row {
        let (first, block) = (row * self.columns, row * self.columns / BLOCK_COLUMNS);
        Row {
            integers: self.integers.at(first),
            scales: self.scales.at(block),
            scaled_sums: self.scaled_sums.at(block),
            sums: self.sums.at(block),
            floats: self.floats.as_ref().map_or(std::ptr::null_mut(), |floats| floats.at(first)),
        }
    }
}

/// Quantises 32 numbers, given as two vectors, into block `block` of `row`.
///
/// # Safety
/// The features of `L`; `row` has that block, and nobody else touches it.
#[inline(always)]
pub(super) unsafe fn quantise_block<L: Lanes>(row: Row, block: usize, low: L::F, high: L::F) {
    // SAFETY: see above.
    unsafe {
        if !row.floats.is_null() {
            L::store(row.floats.add(block * 32), low);
            L::store(row.floats.add(block * 32 + 16), high);
        }
        let largest = L::reduce_max(L::max(L::abs(low), L::abs(high)));
        let scale = largest / 127.0;
        // Below this the inverse would overflow; such a block counts as zero.
        let inverse = if scale > 1e-30 { 1.0 / scale } else { 0.0 };
        let low = L::to_int(L::mul(low, L::splat(inverse)));
        let high = L::to_int(L::mul(high, L::splat(inverse)));
        L::store_bytes(row.integers.add(block * 32), low);
        L::store_bytes(row.integers.add(block * 32 + 16), high);
        let sum = L::reduce_add_int(L::add_int(low, high));
        row.scales.add(block).write(scale);
        row.sums.add(block).write(sum);
        row.scaled_sums.add(block).write(scale * sum as f32);
    }
}

/// Scales `input` by its root mean square and by `weight`, and quantises it into row `to`.
///
/// Source: RMSNorm (Zhang and Sennrich, 2019), `x / sqrt(mean(x^2) + epsilon) * weight`.
///
/// # Safety
/// The features of `L`; `input` and `weight` hold the row's columns.
#[inline(always)]
pub(super) unsafe fn norm_quantise<L: Lanes>(
    input: *const f32,
    weight: *const f32,
    epsilon: f32,
    activations: &Activations,
    to: usize,
) {
    // SAFETY: see above.
    unsafe {
        let columns = activations.columns();
        let mut squares = [L::splat(0.0); 2];
        for block in 0..columns / 32 {
            for (half, sum) in squares.iter_mut().enumerate() {
                let x = L::load(input.add(block * 32 + half * 16));
                *sum = L::fma(x, x, *sum);
            }
        }
        let mean = L::reduce_add(L::add(squares[0], squares[1])) / columns as f32;
        let factor = L::splat(1.0 / (mean + epsilon).sqrt());
        let row = activations.row(to);
        for block in 0..columns / 32 {
            let at = block * 32;
            let low = L::mul(L::mul(L::load(input.add(at)), factor), L::load(weight.add(at)));
            let high = L::mul(L::mul(L::load(input.add(at + 16)), factor), L::load(weight.add(at + 16)));
            quantise_block::<L>(row, block, low, high);
        }
    }
}

#[cfg(test)]
impl Activations {
    /// All numbers of all buffers, as bits.
    pub(super) fn bits(&self) -> Vec<u32> {
        let (count, blocks) = (self.integers.len(), self.scales.len());
        // SAFETY: tests read when nobody writes.
        unsafe {
            let integers = (0..count).map(|i| self.integers.at(i).read() as u32);
            let floats = [&self.scales, &self.scaled_sums].into_iter();
            let floats = floats.flat_map(|buffer| (0..blocks).map(|i| buffer.at(i).read().to_bits()));
            let sums = (0..blocks).map(|i| self.sums.at(i).read() as u32);
            let plain =
                self.floats.iter().flat_map(|buffer| (0..count).map(|i| buffer.at(i).read().to_bits()));
            integers.chain(floats).chain(sums).chain(plain).collect()
        }
    }
}
