//! The tokenizer on the real model, held to what llama.cpp makes of the same texts.

use crate::real_model;
use genesis_mesh_local::gguf::Gguf;
use genesis_mesh_local::tokenizer::Tokenizer;
use serde_json::Value;

const GOLDEN: &str = include_str!("../golden/tokenizer.json");

fn tokenizer() -> Option<Tokenizer> {
    let gguf = Gguf::open(&real_model::path()?).expect("the model is a GGUF file");
    Some(Tokenizer::from_metadata(gguf.metadata()).expect("the model has a tokenizer"))
}

fn golden() -> Vec<(String, Vec<u32>)> {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).expect("the golden file is JSON");
    let case = |case: &Value| {
        let text = case["text"].as_str().expect("text").to_owned();
        let tokens = case["tokens"].as_array().expect("tokens").iter();
        (text, tokens.map(|id| id.as_u64().expect("id") as u32).collect())
    };
    cases.iter().map(case).collect()
}

#[test]
fn real_texts_get_the_tokens_that_llama_cpp_gives_them() {
    let Some(tokenizer) = tokenizer() else { return };
    let cases = golden();
    assert!(cases.len() >= 40, "only {} golden texts", cases.len());
    for (text, expected) in cases {
        let found = tokenizer.encode(&text, true).expect("encodes");
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn tokens_of_a_real_text_give_its_bytes_back() {
    let Some(tokenizer) = tokenizer() else { return };
    for (text, _) in golden() {
        let ids = tokenizer.encode(&text, false).expect("encodes");
        let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }
}

#[test]
fn the_real_models_end_tokens_are_found() {
    let Some(tokenizer) = tokenizer() else { return };
    let end = tokenizer.encode("<|im_end|>", true).expect("encodes");
    assert_eq!(tokenizer.end_tokens().first(), end.first());
    assert!(tokenizer.is_end(0), "<|endoftext|> ends an answer too");
    assert!(!tokenizer.is_end(1));
    assert_eq!(tokenizer.bos(), None, "the file says add_bos_token = false");
    assert_eq!(tokenizer.vocab_len(), 49_152);
}
