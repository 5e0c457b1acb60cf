//! Tests of the block types: sizes, known bytes, the error of a round trip, and arbitrary bytes.

use super::*;
use half::{bf16, f16};
use proptest::prelude::*;

fn decoded(block_type: BlockType, bytes: &[u8], len: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; len];
    decode_row(block_type, bytes, &mut out);
    out
}

fn encoded(block_type: BlockType, row: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_row(block_type, row, &mut bytes);
    bytes
}

#[test]
fn every_type_keeps_its_ggml_number_and_name() {
    for block_type in BlockType::ALL {
        assert_eq!(BlockType::from_ggml(block_type.to_ggml()), Some(block_type));
    }
    assert_eq!(BlockType::from_ggml(10), None, "Q2_K is not read");
    assert_eq!(BlockType::Q4K.name(), "Q4_K");
    assert_eq!(BlockType::Q6K.to_ggml(), 14);
}

#[test]
fn a_row_is_whole_blocks_or_nothing() {
    assert_eq!(BlockType::Q4_1.row_bytes(576), Some(360));
    assert_eq!(BlockType::Q4K.row_bytes(576), None);
    assert_eq!(BlockType::Q4K.row_bytes(1536), Some(864));
    assert_eq!(BlockType::F32.row_bytes(usize::MAX), None);
    assert_eq!(BlockType::Q8_0.row_bytes(0), Some(0));
}

#[test]
fn a_short_buffer_leaves_the_rest_as_it_was() {
    for block_type in BlockType::ALL {
        let (len, bytes) = (block_type.block_len(), block_type.block_bytes());
        let mut out = vec![7.0; 2 * len];
        decode_row(block_type, &vec![0; bytes + bytes / 2], &mut out);
        assert!(out[..len].iter().all(|weight| *weight == 0.0), "{}", block_type.name());
        assert!(out[len..].iter().all(|weight| *weight == 7.0), "{}", block_type.name());
        decode_row(block_type, &[], &mut out);
        decode_row(block_type, &vec![0; bytes], &mut []);
    }
}

/// What ggml makes of one known block of each type, as FNV-1a over the bits of the floats.
/// Made by `scripts/golden/make_block_hashes.py`, which says what stands in the blocks.
const GGML_HASHES: [(BlockType, u64); 8] = [
    (BlockType::Q4_0, 0x53fa_42ba_5caa_f5a5),
    (BlockType::Q4_1, 0x344a_3e55_8e93_55a5),
    (BlockType::Q5_0, 0x639d_e708_bd0a_f5a5),
    (BlockType::Q5_1, 0x6641_abe8_9556_35a5),
    (BlockType::Q8_0, 0x55d0_cc89_676a_f5a5),
    (BlockType::Q4K, 0x06b5_c486_8406_fb25),
    (BlockType::Q5K, 0x7a82_859f_6e21_7e25),
    (BlockType::Q6K, 0x8126_025b_8f89_5aa5),
];

#[test]
fn known_blocks_decode_as_ggml_decodes_them() {
    for (block_type, expected) in GGML_HASHES {
        let mut block: Vec<u8> = (0..block_type.block_bytes()).map(|index| (37 * index + 11) as u8).collect();
        for place in scale_places(block_type) {
            let scale = f16::from_f32(0.5 + *place as f32 / 256.0);
            block[*place..place + 2].copy_from_slice(&scale.to_le_bytes());
        }
        let out = decoded(block_type, &block, block_type.block_len());
        let hash = out.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, weight| {
            (hash ^ u64::from(weight.to_bits())).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(hash, expected, "{}", block_type.name());
    }
}

/// Where the f16 fields of a block stand.
fn scale_places(block_type: BlockType) -> &'static [usize] {
    match block_type {
        BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
        BlockType::Q6K => &[208],
        _ => &[],
    }
}

#[test]
fn plain_floats_keep_their_bits() {
    let row = [0.0, -0.0, 1.0, -2.5, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY];
    assert_eq!(decoded(BlockType::F32, &encoded(BlockType::F32, &row), row.len()), row);
    let halves = row.map(|weight| f16::from_f32(weight).to_f32());
    assert_eq!(decoded(BlockType::F16, &encoded(BlockType::F16, &row), row.len()), halves);
    let brains = row.map(|weight| bf16::from_f32(weight).to_f32());
    assert_eq!(decoded(BlockType::BF16, &encoded(BlockType::BF16, &row), row.len()), brains);
}

/// The largest error that a round trip may have, as a share of the largest weight (or of the spread,
/// where a minimum is kept) of 256 weights: half a step between quants, a whole one where the extreme of
/// the other sign is cut, and for K-quants the rounding of the scales to 6 or 8 bits of the largest.
fn error_share_max(block_type: BlockType) -> f32 {
    match block_type {
        BlockType::F32 => 0.0,
        BlockType::F16 => 1.0 / 2048.0,
        BlockType::BF16 => 1.0 / 256.0,
        BlockType::Q4_0 => 1.0 / 8.0,
        BlockType::Q5_0 => 1.0 / 16.0,
        BlockType::Q4_1 => 2.0 / 30.0,
        BlockType::Q5_1 => 2.0 / 62.0,
        BlockType::Q8_0 => 1.0 / 254.0,
        BlockType::Q4K => 2.0 / 30.0 + 2.0 / 126.0 + 1.0 / 126.0,
        BlockType::Q5K => 2.0 / 62.0 + 2.0 / 126.0 + 1.0 / 126.0,
        BlockType::Q6K => 1.0 / 32.0 + 32.0 / (32.0 * 254.0),
    }
}

/// 256 weights of one magnitude, some rows with an offset, some with zeros among them.
fn rows() -> impl Strategy<Value = Vec<f32>> {
    (-12..12_i32, -1.0..1.0_f32, 0.0..1.0_f32).prop_flat_map(|(exponent, offset, share)| {
        let magnitude = 2.0_f32.powi(exponent);
        let weight = prop_oneof![4 => -1.0..1.0_f32, 1 => Just(0.0)];
        prop::collection::vec(weight, 256).prop_map(move |row| {
            row.into_iter().map(|weight| magnitude * (weight * (1.0 - share) + offset * share)).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_round_trip_stays_within_the_error_of_its_type(row in rows()) {
        let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        for block_type in BlockType::ALL {
            let back = decoded(block_type, &encoded(block_type, &row), row.len());
            // The f16 scale rounds by 2^-11 of its value, below 2^-14 by 2^-25; up to 128 * 32 steps add up.
            let bound = largest * (error_share_max(block_type) + 1.0 / 1024.0) + 4096.0 * 2.0_f32.powi(-25);
            for (weight, back) in row.iter().zip(&back) {
                let error = (weight - back).abs();
                prop_assert!(error <= bound, "{}: {weight} came back as {back}, bound {bound}", block_type.name());
            }
        }
    }

    #[test]
    fn encoding_is_as_long_as_it_says_and_always_the_same(row in rows(), blocks in 1..4_usize) {
        for block_type in BlockType::ALL {
            let row: Vec<f32> = row.iter().copied().cycle().take(blocks * block_type.block_len()).collect();
            let bytes = encoded(block_type, &row);
            prop_assert_eq!(Some(bytes.len()), block_type.row_bytes(row.len()));
            prop_assert_eq!(bytes, encoded(block_type, &row));
        }
    }

    #[test]
    fn any_bytes_decode_and_any_floats_encode(bytes in prop::collection::vec(any::<u8>(), 0..1000), len in 0..600_usize, row in prop::collection::vec(any::<f32>(), 0..600)) {
        for block_type in BlockType::ALL {
            decode_row(block_type, &bytes, &mut vec![0.0; len]);
            let packed = encoded(block_type, &row);
            prop_assert_eq!(packed.len(), row.len() / block_type.block_len() * block_type.block_bytes());
        }
    }
}
