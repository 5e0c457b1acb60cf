//! Model files that pass as files and are no models: refused by name, or harmless.

use genesis_mesh_core::{GenerateRequest, Prompt};
use genesis_mesh_local::gguf::{Array, GgufWriter, Value};
use genesis_mesh_local::quant::BlockType;
use genesis_mesh_local::{LoadError, LocalModel, LocalOptions};

use crate::model::answer;

const LEN: usize = 32;
const TOKENS: usize = 40;

/// A model of one layer, 32 numbers wide, with `change` applied to its metadata.
pub(crate) fn write(change: &[(&str, u32)]) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    writer.set("general.architecture", Value::String("llama".to_owned()));
    let counts = [
        ("block_count", 1),
        ("context_length", 64),
        ("embedding_length", LEN as u32),
        ("feed_forward_length", LEN as u32),
        ("attention.head_count", 1),
    ];
    for (key, count) in counts {
        let key = format!("llama.{key}");
        let changed = change.iter().find(|(name, _)| *name == key).map_or(count, |(_, count)| *count);
        writer.set(key, Value::U32(changed));
    }
    for (key, count) in change.iter().filter(|(key, _)| !counts.iter().any(|(name, _)| key.ends_with(name))) {
        writer.set(*key, Value::U32(*count));
    }
    writer.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    writer.set("tokenizer.ggml.model", Value::String("gpt2".to_owned()));
    let tokens =
        (0..TOKENS as u32).map(|i| char::from_u32(u32::from('A') + i).unwrap().to_string()).collect();
    writer.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    writer.set("tokenizer.ggml.merges", Value::Array(Array::String(Vec::new())));
    writer.set("tokenizer.chat_template", Value::String("{{ messages[0].content }}".to_owned()));
    let zeros = |rows: usize| vec![0; rows * LEN * 4];
    writer.add_tensor("token_embd.weight", &[LEN, TOKENS], BlockType::F32, zeros(TOKENS)).unwrap();
    writer.add_tensor("output_norm.weight", &[LEN], BlockType::F32, zeros(1)).unwrap();
    for part in ["attn_norm", "ffn_norm"] {
        writer.add_tensor(&format!("blk.0.{part}.weight"), &[LEN], BlockType::F32, zeros(1)).unwrap();
    }
    for part in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
        writer.add_tensor(&format!("blk.0.{part}.weight"), &[LEN, LEN], BlockType::F32, zeros(LEN)).unwrap();
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

fn load(bytes: &[u8]) -> Result<LocalModel, LoadError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    LocalModel::load(file.path(), &LocalOptions { threads: Some(1), ..LocalOptions::default() })
}

#[tokio::test]
async fn a_model_of_zeros_answers_with_its_first_token() {
    let model = load(&write(&[])).unwrap();
    let prompt = Prompt::Text("BAD".to_owned());
    let request = GenerateRequest { prompt, max_tokens: Some(5), ..GenerateRequest::default() };
    assert_eq!(answer(&model, request).await.0, "AAAAA");
}

#[test]
fn counts_that_do_not_fit_the_file_are_named() {
    for (change, name) in [
        (("llama.block_count", 1 << 20), "blk.1048575.attn_norm.weight"),
        (("llama.block_count", 0), "llama.block_count"),
        (("llama.embedding_length", 64), "token_embd.weight"),
        (("llama.embedding_length", 33), "llama.embedding_length"),
        (("llama.feed_forward_length", 64), "blk.0.ffn_"),
        (("llama.attention.head_count", 2), "llama.attention.key_length"),
        (("llama.attention.head_count_kv", 3), "llama.attention.head_count_kv"),
        (("llama.attention.head_count", 1 << 21), "llama.attention.head_count"),
        (("llama.attention.key_length", 64), "llama.rope.dimension_count"),
        (("llama.rope.dimension_count", 16), "llama.rope.dimension_count"),
        (("llama.expert_count", 8), "llama.expert_count"),
    ] {
        let error = load(&write(
            &[change, ("llama.rope.dimension_count", 32)]
                [..1 + usize::from(change.0.ends_with("key_length"))],
        ));
        let message = error.map(drop).unwrap_err().to_string();
        assert!(message.contains(name), "{change:?}: {message}");
    }
}

#[test]
fn a_claimed_context_takes_no_memory_that_the_options_do_not_give() {
    use genesis_mesh_core::Model;
    let model = load(&write(&[("llama.context_length", 1 << 20)])).unwrap();
    let positions = model.info().context_tokens.unwrap() as usize;
    // A sixteenth of the 512 MiB for keys and values, at 32 rotations and one score of 4 bytes each.
    assert_eq!(positions, (512 << 20) / 16 / (33 * 4));
}

#[test]
fn tensors_that_share_their_bytes_are_refused_by_name() {
    // The last tensor's offset, which follows its name, dimensions and type, is set to 0.
    let mut bytes = write(&[]);
    let name = b"blk.0.ffn_down.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let offset = at + 4 + 2 * 8 + 4;
    let shorter = bytes.len() - LEN * LEN * 4;
    bytes[offset..offset + 8].fill(0);
    bytes.truncate(shorter);
    let message = load(&bytes).map(drop).unwrap_err().to_string();
    assert!(message.contains("blk.0.ffn_down.weight") && message.contains("offset"), "{message}");
}
