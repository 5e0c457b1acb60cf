//! Grammars on the real model's vocabulary, whose tokens are longer than the borders of a grammar.

use crate::real_model;
use genesis_mesh_core::Grammar;
use genesis_mesh_local::gguf::Gguf;
use genesis_mesh_local::grammar::{GrammarFactory, GrammarState};
use genesis_mesh_local::tokenizer::Tokenizer;
use serde_json::{Value, json};
use std::sync::Arc;

fn tokenizer() -> Option<Arc<Tokenizer>> {
    let gguf = Gguf::open(&real_model::path()?).expect("the model is a GGUF file");
    Some(Arc::new(Tokenizer::from_metadata(gguf.metadata()).expect("the model has a tokenizer")))
}

fn allowed(state: &mut GrammarState) -> Vec<u32> {
    let words = state.mask().expect("has a mask");
    let bits = words
        .iter()
        .zip(0_u32..)
        .flat_map(|(word, index)| (0..32).map(move |bit| (word >> bit & 1, index * 32 + bit)));
    bits.filter(|(bit, _)| *bit == 1).map(|(_, token)| token).collect()
}

#[test]
fn random_tokens_under_a_nested_schema_make_valid_json() {
    let Some(tokenizer) = tokenizer() else { return };
    let schema = json!({
        "type": "object",
        "properties": {
            "title": { "type": "string", "maxLength": 40 },
            "kind": { "enum": ["book", "film", 3, null] },
            "rating": { "type": "number", "minimum": 0, "maximum": 10 },
            "authors": {
                "type": "array",
                "items": { "type": "object", "properties": { "name": { "type": "string", "minLength": 3, "maxLength": 20 } }, "required": ["name"], "additionalProperties": false },
                "minItems": 1,
                "maxItems": 3,
            },
        },
        "required": ["title", "kind", "authors"],
        "additionalProperties": false,
    });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let factory = GrammarFactory::new(Arc::clone(&tokenizer));
    let mut random = 7_u64;
    for _ in 0..40 {
        let mut state = factory.compile(&Grammar::JsonSchema(schema.clone())).expect("compiles");
        let mut bytes = Vec::new();
        while !state.is_finished() {
            let tokens = allowed(&mut state);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let token = tokens[(random >> 11) as usize % tokens.len()];
            state.commit(token).expect("the mask allowed it");
            bytes.extend_from_slice(tokenizer.token_bytes(token));
            assert!(bytes.len() < 2_000, "no end: {}", String::from_utf8_lossy(&bytes));
        }
        let text = String::from_utf8(bytes).expect("UTF-8");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(validator.is_valid(&value), "{text}");
    }
}

#[test]
fn the_models_own_tokens_of_a_valid_answer_are_allowed() {
    let Some(tokenizer) = tokenizer() else { return };
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" }, "people": { "type": "integer" } }, "required": ["city", "people"], "additionalProperties": false });
    let factory = GrammarFactory::new(Arc::clone(&tokenizer));
    for answer in ["{\"city\": \"Paris\", \"people\": 2100000}", "{\"city\":\"Köln 😀\",\"people\":1}"] {
        let mut state = factory.compile(&Grammar::JsonSchema(schema.clone())).expect("compiles");
        for token in tokenizer.encode(answer, false).expect("encodes") {
            assert!(!state.is_finished());
            state.commit(token).expect(answer);
        }
        assert!(state.is_finished(), "{answer}");
        assert_eq!(allowed(&mut state).len(), tokenizer.end_tokens().len());
    }
}
