//! Inspecting model files: the real one, small ones, and broken ones.

use genesis_mesh_local::gguf::{Gguf, GgufError, GgufWriter, Value};
use genesis_mesh_local::inspect::Inspection;
use genesis_mesh_local::quant::BlockType;
use std::fs;

use crate::hostile_models::write;
use crate::real_model;

fn inspect(bytes: &[u8]) -> Result<Inspection, GgufError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    Inspection::of(file.path())
}

#[test]
fn the_real_model_is_described_as_its_makers_do() {
    let Some(path) = real_model::path() else { return };
    let found = Inspection::of(&path).unwrap();
    assert_eq!(found.obstacle, None);
    assert_eq!(found.architecture.as_deref(), Some("llama"));
    assert_eq!(found.parameter_count, 134_515_008, "SmolLM2-135M, with one embedding");
    assert_eq!((found.layer_count, found.embedding_len), (Some(30), Some(576)));
    assert_eq!((found.head_count, found.kv_head_count), (Some(9), Some(3)));
    assert_eq!((found.context_tokens, found.vocabulary_tokens), (Some(8192), Some(49_152)));
    assert_eq!(found.file_bytes, fs::metadata(&path).unwrap().len());
    // 30 layers, 3 heads of 64 numbers, keys and values, two bytes each.
    assert_eq!(found.kv_bytes_per_token, Some(30 * 3 * 64 * 2 * 2));
    assert!(found.has_chat_template && !found.has_tools);
    let tensors: u64 = found.packings.iter().map(|packing| packing.tensor_count).sum();
    assert_eq!(tensors, Gguf::open(&path).unwrap().shapes().count() as u64);
    assert_eq!(found.packings[0].block_type, "Q4_1");
}

#[test]
fn a_model_that_can_be_computed_says_what_it_takes() {
    let found = inspect(&write(&[])).unwrap();
    assert_eq!(found.obstacle, None);
    // Seven matrices of 32 x 32 and an embedding of 40 rows, in groups of 16 rows, as f32.
    assert_eq!(found.memory_bytes, Some((7 * 32 * 32 + 48 * 32) * 4));
    assert_eq!(found.kv_bytes_per_token, Some(32 * 2 * 2));
    assert_eq!((found.vocabulary_tokens, found.context_tokens), (Some(40), Some(64)));
}

#[test]
fn a_model_that_can_not_be_computed_says_why_and_what_it_is_all_the_same() {
    let found = inspect(&write(&[("llama.expert_count", 8)])).unwrap();
    let obstacle = found.obstacle.unwrap();
    assert_eq!(obstacle.code, "weights_invalid");
    assert!(obstacle.message.contains("experts"), "{}", obstacle.message);
    assert_eq!((found.layer_count, found.memory_bytes), (Some(1), None));
    assert_eq!(inspect(&write(&[("llama.feed_forward_length", 64)])).unwrap().memory_bytes, None);

    let mut writer = GgufWriter::new();
    writer.set("general.architecture", Value::String("mamba".to_owned()));
    writer.set("mamba.block_count", Value::U32(24));
    writer.add_tensor("x", &[32], BlockType::F32, vec![0; 128]).unwrap();
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    let found = inspect(&bytes).unwrap();
    assert_eq!((found.architecture.as_deref(), found.layer_count), (Some("mamba"), Some(24)));
    assert!(found.obstacle.unwrap().message.contains("`mamba`") && found.kv_bytes_per_token.is_none());
    assert!(!found.has_chat_template);
}

#[test]
fn a_packing_that_is_not_read_is_named_and_counted() {
    let mut bytes = write(&[]);
    // The type of one tensor: after its name, the number of dimensions and two dimensions.
    let name = b"blk.0.attn_q.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 16;
    bytes[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    let found = inspect(&bytes).unwrap();
    let unread = found.packings.iter().find(|packing| packing.block_type == "Q2_K").unwrap();
    assert_eq!((unread.tensor_count, unread.bytes), (1, None));
    assert!(found.obstacle.unwrap().message.contains("Q2_K"));
}

#[test]
fn a_file_that_is_no_model_is_an_error() {
    assert!(matches!(inspect(b"PK\x03\x04"), Err(GgufError::Foreign { .. })));
    let whole = write(&[]);
    for len in [0, 3, 10, whole.len() / 4, whole.len() - 1] {
        assert!(inspect(&whole[..len]).is_err(), "{len} bytes");
    }
}
