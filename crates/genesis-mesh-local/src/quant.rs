//! Block types: how GGUF packs rows of weights, what a row takes, and the exact reference decoding.
//!
//! Owns: the block types that the engine reads, their sizes, `decode_row` and `encode_row`.
//! Never: multiplies, repacks or runs on a hot path; the kernels do, and are held to `decode_row`.
//! Source: ggml's `ggml-common.h` (layouts) and `ggml-quants.c` (arithmetic).

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode_row;
pub use encode::encode_row;

/// Weights of a K-quant block.
const K_BLOCK: usize = 256;
/// Weights of a block of the older types.
const BLOCK: usize = 32;

/// How a row of weights is packed: in blocks of `block_len` weights that take `block_bytes` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockType {
    /// 32-bit floats.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// The upper half of 32-bit floats.
    BF16,
    /// 4 bits and a scale; 4.5 bits a weight.
    Q4_0,
    /// 4 bits, a scale and a minimum; 5 bits a weight.
    Q4_1,
    /// 5 bits and a scale; 5.5 bits a weight.
    Q5_0,
    /// 5 bits, a scale and a minimum; 6 bits a weight.
    Q5_1,
    /// 8 bits and a scale; 8.5 bits a weight.
    Q8_0,
    /// 4 bits, 6-bit scales and minima in a block of 256; 4.5 bits a weight.
    Q4K,
    /// 5 bits, 6-bit scales and minima in a block of 256; 5.5 bits a weight.
    Q5K,
    /// 6 bits and 8-bit scales in a block of 256; 6.5625 bits a weight.
    Q6K,
}

impl BlockType {
    /// Every block type, in the order of their ggml numbers.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::BF16,
    ];

    /// Weights in a block; 1 for plain floats.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => BLOCK,
            Self::Q4K | Self::Q5K | Self::Q6K => K_BLOCK,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of a row of `columns` weights; `None` if they are not whole blocks, or too many to count.
    #[must_use]
    pub const fn row_bytes(self, columns: usize) -> Option<usize> {
        if columns.is_multiple_of(self.block_len()) {
            (columns / self.block_len()).checked_mul(self.block_bytes())
        } else {
            None
        }
    }

    /// The name that ggml and its tools print, for example `Q4_K`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// The block type of a ggml number (`enum ggml_type`); `None` if the engine can't read it.
    #[must_use]
    pub const fn from_ggml(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// The ggml number (`enum ggml_type`) under which files store it.
    #[must_use]
    pub const fn to_ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::BF16 => 30,
        }
    }
}
