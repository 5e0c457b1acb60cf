//! Weights as the kernels read them: groups of 16 rows, blocks of 32 columns, one stream of memory.
//!
//! Owns: the layouts and the place of each byte.
//! Never: reads a file (`pack.rs` fills matrices) or multiplies (`gemm.rs`).
//!
//! A group holds its blocks in order: the weights of one block (or two), then 64 bytes of their scales, so
//! that a product reads memory from front to back, a whole cache line at a time.
//! In an integer layout, row `r`'s weights `4 h ..= 4 h + 3` of a block are the four bytes `4 r ..` of line
//! `h`; in `Nibble`, line `h` keeps step `h` in the low half of each byte and step `h + 4` in the high half.

use half::f16;

/// Rows in a group: the lanes of a vector.
pub(crate) const GROUP_ROWS: usize = 16;
/// Columns in a block: the span of one activation scale.
pub(crate) const BLOCK_COLUMNS: usize = 32;
const LINE_BYTES: usize = 64;

/// How a block of 16 x 32 weights is kept. A weight's value is given with each layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// 4 bits: `scale * q + min`, q in 0..=15.
    Nibble,
    /// 8 bits: `scale * (q - 128)`.
    Byte,
    /// 8 bits, a scale for each half of the block: `scale[half] * (q - 128)`.
    ByteSplit,
    /// 8 bits: `scale * q + min`, q in 0..=31.
    ByteMin,
    /// f16.
    Half,
    /// f32.
    Single,
}

impl Layout {
    /// Bytes of a block's weights.
    pub(crate) const fn weight_bytes(self) -> usize {
        match self {
            Self::Nibble => 4 * LINE_BYTES,
            Self::Byte | Self::ByteSplit | Self::ByteMin => 8 * LINE_BYTES,
            Self::Half => GROUP_ROWS * BLOCK_COLUMNS * 2,
            Self::Single => GROUP_ROWS * BLOCK_COLUMNS * 4,
        }
    }

    /// Numbers (scales and mins, f16 for each row) that stand beside a block's weights.
    pub(crate) const fn scales(self) -> usize {
        match self {
            Self::Nibble | Self::ByteSplit | Self::ByteMin => 2,
            Self::Byte => 1,
            Self::Half | Self::Single => 0,
        }
    }

    /// Blocks whose scales fill one line.
    const fn blocks_per_line(self) -> usize {
        if self.scales() == 1 { 2 } else { 1 }
    }

    /// Bytes from one line of scales to the next.
    const fn stride(self) -> usize {
        let line = if self.scales() == 0 { 0 } else { LINE_BYTES };
        self.blocks_per_line() * self.weight_bytes() + line
    }

    /// Where the weights of block `block` start in a group.
    #[inline(always)]
    pub(crate) const fn weights_at(self, block: usize) -> usize {
        let each = self.blocks_per_line();
        block / each * self.stride() + block % each * self.weight_bytes()
    }

    /// Where the scales of block `block` start in a group: `scales()` times 16 f16.
    #[inline(always)]
    pub(crate) const fn scales_at(self, block: usize) -> usize {
        let each = self.blocks_per_line();
        block / each * self.stride() + each * self.weight_bytes() + block % each * (LINE_BYTES / 2)
    }

    /// Whether products are made of integers (and activations must be quantised).
    pub(crate) const fn is_integer(self) -> bool {
        !matches!(self, Self::Half | Self::Single)
    }
}

/// A cache line of packed bytes, read through pointers.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "the bytes are reached by address")]
struct Line([u8; LINE_BYTES]);

/// A weight matrix in one layout.
pub(crate) struct Matrix {
    layout: Layout,
    rows: usize,
    columns: usize,
    group_bytes: usize,
    lines: Vec<Line>,
}

impl Matrix {
    /// A matrix of zeros, with rows padded to whole groups. `columns` is a multiple of 32.
    pub(crate) fn zeros(layout: Layout, rows: usize, columns: usize) -> Self {
        debug_assert!(columns.is_multiple_of(BLOCK_COLUMNS), "{columns} columns");
        let group_bytes = Self::group_bytes_of(layout, columns);
        let lines = Self::bytes_of(layout, rows, columns) / LINE_BYTES;
        Self { layout, rows, columns, group_bytes, lines: vec![Line([0; LINE_BYTES]); lines] }
    }

    /// Bytes that such a matrix takes in memory.
    pub(crate) fn bytes_of(layout: Layout, rows: usize, columns: usize) -> usize {
        rows.div_ceil(GROUP_ROWS) * Self::group_bytes_of(layout, columns)
    }

    fn group_bytes_of(layout: Layout, columns: usize) -> usize {
        (columns / BLOCK_COLUMNS).div_ceil(layout.blocks_per_line()) * layout.stride()
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }
    /// Rows without padding.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
    pub(crate) fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP_ROWS)
    }
    pub(crate) fn blocks(&self) -> usize {
        self.columns / BLOCK_COLUMNS
    }
    /// Bytes that the matrix takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    /// The start of group `group`.
    #[inline(always)]
    pub(crate) fn group(&self, group: usize) -> *const u8 {
        debug_assert!(group < self.groups(), "group {group}");
        // SAFETY: within the allocation for every group of the matrix.
        unsafe { self.lines.as_ptr().cast::<u8>().add(group * self.group_bytes) }
    }

    /// Asks for the first `bytes` of the matrix from group `group` on, which will be used soon.
    pub(crate) fn prefetch(&self, group: usize, bytes: usize) {
        #[cfg(target_arch = "x86_64")]
        if group < self.groups() {
            let start = self.group(group);
            for line in (0..bytes).step_by(LINE_BYTES) {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                // SAFETY: a prefetch never faults, wherever it points.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line).cast()) };
            }
        }
    }

    /// The memory of each group, to be filled.
    pub(crate) fn groups_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let bytes = self.lines.len() * LINE_BYTES;
        // SAFETY: lines are plain bytes, exclusively borrowed.
        let all = unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast::<u8>(), bytes) };
        all.chunks_mut(self.group_bytes.max(1))
    }

    /// Writes the values of row `row` to `out`, which holds `columns` numbers: the embedding of a token.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane) = (row / GROUP_ROWS, row % GROUP_ROWS);
        let start = self.group(group);
        for (block, out) in out.chunks_exact_mut(BLOCK_COLUMNS).enumerate() {
            // SAFETY: `block` and `lane` are within the group.
            unsafe {
                let weights = start.add(self.layout.weights_at(block));
                let scales = start.add(self.layout.scales_at(block)).cast::<u16>();
                let scale =
                    |which: usize| f16::from_bits(scales.add(which * GROUP_ROWS + lane).read()).to_f32();
                let byte =
                    |column: usize| weights.add(column / 4 * LINE_BYTES + lane * 4 + column % 4).read();
                for (column, value) in out.iter_mut().enumerate() {
                    let element = column * GROUP_ROWS + lane;
                    *value = match self.layout {
                        Layout::Nibble => {
                            let pair = byte(column % 16);
                            let q = if column < 16 { pair & 15 } else { pair >> 4 };
                            f32::from(q).mul_add(scale(0), scale(1))
                        }
                        Layout::Byte => (f32::from(byte(column)) - 128.0) * scale(0),
                        Layout::ByteSplit => (f32::from(byte(column)) - 128.0) * scale(column / 16),
                        Layout::ByteMin => f32::from(byte(column)).mul_add(scale(0), scale(1)),
                        Layout::Half => {
                            f16::from_bits(weights.cast::<u16>().add(element).read_unaligned()).to_f32()
                        }
                        Layout::Single => weights.cast::<f32>().add(element).read_unaligned(),
                    };
                }
            }
        }
    }
}
