//! Both algorithms on small vocabularies, and malformed metadata; the real model is tested in `tests/it`.

use super::{Tokenizer, TokenizerError};
use crate::gguf::{Array, Metadata, Value};
use proptest::prelude::*;

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn strings<S: ToString>(items: impl IntoIterator<Item = S>) -> Value {
    Value::Array(Array::String(items.into_iter().map(|item| item.to_string()).collect()))
}

fn with(mut entries: Vec<(String, Value)>, key: &str, value: Value) -> Vec<(String, Value)> {
    let key = format!("tokenizer.ggml.{key}");
    entries.retain(|(existing, _)| *existing != key);
    entries.push((key, value));
    entries
}

fn build(entries: Vec<(String, Value)>) -> Result<Tokenizer, TokenizerError> {
    Tokenizer::from_metadata(&Metadata::new(entries).expect("keys are unique"))
}

/// The entries of a small byte-level vocabulary: four control tokens, the 256 bytes, a user-defined
/// token, then the joined text of every merge.
pub(crate) fn byte_level() -> Vec<(String, Value)> {
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld", "Ġ Ġ"];
    let mut tokens: Vec<String> = ["<|end|>", "<|im_start|>", "<|im_end|>", "<s>"].map(String::from).into();
    tokens.extend((0..=255).map(|byte| super::vocabulary::char_of_byte(byte).to_string()));
    tokens.push("<think>".to_owned());
    let mut types = vec![3; 4];
    types.extend([1; 256]);
    types.push(4);
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    types.extend([1; 10]);
    let entries = Vec::new();
    let entries = with(entries, "model", text("gpt2"));
    let entries = with(entries, "pre", text("gpt-2"));
    let entries = with(entries, "tokens", strings(tokens));
    let entries = with(entries, "token_type", Value::Array(Array::I32(types)));
    let entries = with(entries, "merges", strings(merges));
    let entries = with(entries, "bos_token_id", Value::U32(1));
    with(entries, "eos_token_id", Value::U32(2))
}

/// The tokenizer of [`byte_level`].
pub(crate) fn byte_level_tokenizer() -> Tokenizer {
    build(byte_level()).expect("the vocabulary is good")
}

/// The entries of a small SentencePiece vocabulary: unknown, begin, end, the 256 bytes, then pieces
/// whose scores fall in their order.
fn sentence_piece() -> Vec<(String, Value)> {
    let pieces = ["▁t", "he", "▁the", "in", "▁", "t", "h", "e", "i", "n", "é", "▁in", "▁▁"];
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    tokens.extend((0..=255_u8).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(pieces.map(String::from));
    let mut types = vec![2, 3, 3];
    types.extend([6; 256]);
    types.extend([1; 13]);
    let scores = (0..tokens.len()).map(|rank| -(rank as f32)).collect();
    let entries = Vec::new();
    let entries = with(entries, "model", text("llama"));
    let entries = with(entries, "tokens", strings(tokens));
    let entries = with(entries, "token_type", Value::Array(Array::I32(types)));
    let entries = with(entries, "scores", Value::Array(Array::F32(scores)));
    let entries = with(entries, "bos_token_id", Value::U32(1));
    with(entries, "eos_token_id", Value::U32(2))
}

fn shown(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id)).into_owned()).collect()
}

#[test]
fn merges_apply_in_order_of_rank_and_stay_inside_words() {
    let tokenizer = byte_level_tokenizer();
    let ids = tokenizer.encode("hello world, held", false).expect("encodes");
    assert_eq!(shown(&tokenizer, &ids), ["hello", " world", ",", " ", "he", "ld"]);
}

#[test]
fn control_tokens_are_found_only_where_asked_for() {
    let tokenizer = byte_level_tokenizer();
    let marked = "<|im_start|>he<|im_end|>";
    let he = tokenizer.encode("he", false).expect("encodes");
    assert_eq!(tokenizer.encode(marked, true).expect("encodes"), [&[1][..], &he, &[2]].concat());
    let plain = tokenizer.encode(marked, false).expect("encodes");
    assert!(plain.iter().all(|id| *id > 3), "{plain:?}");
    assert_eq!(shown(&tokenizer, &plain).concat(), marked);
}

#[test]
fn user_defined_tokens_are_found_always_and_have_bytes() {
    let tokenizer = byte_level_tokenizer();
    assert_eq!(tokenizer.encode("<think>", false).expect("encodes"), [260]);
    assert_eq!(tokenizer.token_bytes(260), b"<think>");
    assert_eq!(tokenizer.token_bytes(2), b"", "a control token has none");
    assert_eq!(tokenizer.token_bytes(u32::MAX), b"");
}

#[test]
fn end_tokens_are_the_files_own_then_the_known_ones() {
    let tokenizer = byte_level_tokenizer();
    assert_eq!(tokenizer.end_tokens(), [2, 0]);
    assert!(tokenizer.is_end(2) && tokenizer.is_end(0) && !tokenizer.is_end(1) && !tokenizer.is_end(3));
}

#[test]
fn prompts_begin_with_bos_only_where_the_model_wants_it() {
    assert_eq!(byte_level_tokenizer().bos(), None);
    let wanted = build(with(byte_level(), "add_bos_token", Value::Bool(true))).expect("good");
    assert_eq!(wanted.bos(), Some(1));
    assert_eq!(build(with(byte_level(), "pre", text("llama-bpe"))).expect("good").bos(), Some(1));
    assert_eq!(build(sentence_piece()).expect("good").bos(), Some(1));
    let unwanted = build(with(sentence_piece(), "add_bos_token", Value::Bool(false))).expect("good");
    assert_eq!(unwanted.bos(), None);
}

#[test]
fn each_pre_tokenizer_cuts_words_its_own_way() {
    let cut = |pre: &str, sample: &'static str| {
        let mut words = Vec::new();
        super::pre::PreTokenizer::new(Some(pre)).expect("known").cut(sample, &mut words);
        words
    };
    assert_eq!(cut("gpt-2", "it's 1234  x\n\ny"), ["it", "'s", " 1234", " ", " x", "\n", "\n", "y"]);
    assert_eq!(cut("smollm", "a 1234  x"), ["a", " ", "1", "2", "3", "4", " ", " x"]);
    assert_eq!(cut("llama-bpe", "IT'S 1234!\n x"), ["IT", "'S", " ", "123", "4", "!\n", " x"]);
    assert_eq!(cut("qwen2", "a 12\n\n b"), ["a", " ", "1", "2", "\n\n", " b"]);
    assert_eq!(cut("tekken", "aBc 12"), ["a", "Bc", " ", "1", "2"]);
    assert_eq!(cut("default", "a+b 1234"), ["a", "+", "b", " ", "123", "4"]);
}

#[test]
fn whole_words_are_kept_only_by_the_pre_tokenizers_that_say_so() {
    // "zz" is a token that no merge makes.
    let mut tokens = vec!["zz".to_owned()];
    tokens.extend((0..=255).map(|byte| super::vocabulary::char_of_byte(byte).to_string()));
    let entries = |pre| {
        let entries = with(Vec::new(), "model", text("gpt2"));
        let entries = with(entries, "pre", text(pre));
        let entries = with(entries, "tokens", strings(tokens.clone()));
        with(entries, "merges", strings(["a b"; 0]))
    };
    assert_eq!(build(entries("llama-bpe")).expect("good").encode("zz", false).expect("encodes"), [0]);
    assert_eq!(build(entries("gpt-2")).expect("good").encode("zz", false).expect("encodes").len(), 2);
}

#[test]
fn sentence_pieces_merge_by_score_and_fall_back_to_bytes() {
    let tokenizer = build(sentence_piece()).expect("good");
    let ids = tokenizer.encode("the  thé\n", false).expect("encodes");
    assert_eq!(shown(&tokenizer, &ids), [" the", " ", " t", "h", "é", "\n"]);
    let ids = tokenizer.encode("ß", false).expect("encodes");
    let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
    assert_eq!(bytes, " ß".as_bytes());
    assert_eq!(ids[1..], [3 + 0xC3, 3 + 0x9F]);
}

#[test]
fn sentence_pieces_put_a_space_first_and_after_control_tokens() {
    let tokenizer = build(sentence_piece()).expect("good");
    let ids = tokenizer.encode("in</s>in", true).expect("encodes");
    assert_eq!(shown(&tokenizer, &ids), [" in", "", " in"]);
    let bare = build(with(sentence_piece(), "add_space_prefix", Value::Bool(false))).expect("good");
    assert_eq!(shown(&bare, &bare.encode("in", false).expect("encodes")), ["in"]);
    let ids = tokenizer.encode_continuation("in").expect("encodes");
    assert_eq!(shown(&tokenizer, &ids), ["in"]);
}

#[test]
fn a_text_cannot_spell_a_byte_token_or_a_control_token() {
    let tokenizer = build(sentence_piece()).expect("good");
    let ids = tokenizer.encode("<0x0A></s>", false).expect("encodes");
    assert!(!ids.contains(&2) && !ids.contains(&(3 + 0x0A)), "{ids:?}");
    assert_eq!(shown(&tokenizer, &ids).concat(), " <0x0A></s>");
}

#[test]
fn malformed_metadata_is_refused_with_the_name_of_the_key() {
    let ids = |ids: Vec<u32>| Value::Array(Array::U32(ids));
    let numbers = |numbers: Vec<f32>| Value::Array(Array::F32(numbers));
    let good = byte_level;
    let cases = [
        (with(good(), "model", text("bert")), "tokenizer.ggml.model", "tokenizer_unknown_model"),
        (with(good(), "model", Value::U32(1)), "tokenizer.ggml.model", "gguf_wrong_type"),
        (with(good(), "pre", text("viking")), "viking", "tokenizer_unknown_pre"),
        (with(good(), "tokens", strings([""; 0])), "tokenizer.ggml.tokens", "tokenizer_vocabulary_size"),
        (with(good(), "token_type", ids(vec![1; 3])), "tokenizer.ggml.token_type", "tokenizer_wrong_length"),
        (with(good(), "token_type", ids(vec![9; 271])), "tokenizer.ggml.token_type", "tokenizer_token_type"),
        (with(good(), "token_type", ids(vec![6; 271])), "tokenizer.ggml.tokens", "tokenizer_byte_token"),
        (with(good(), "merges", strings(["h e", "h zz"])), "tokenizer.ggml.merges", "tokenizer_merge"),
        (with(good(), "merges", strings(["h w"])), "tokenizer.ggml.merges", "tokenizer_merge"),
        (with(good(), "merges", strings(["hello"])), "tokenizer.ggml.merges", "tokenizer_merge"),
        (with(good(), "merges", Value::Bool(true)), "tokenizer.ggml.merges", "gguf_wrong_type"),
        (
            with(good(), "bos_token_id", Value::U32(271)),
            "tokenizer.ggml.bos_token_id",
            "tokenizer_id_out_of_range",
        ),
        (
            with(good(), "eos_token_id", Value::U32(u32::MAX)),
            "tokenizer.ggml.eos_token_id",
            "tokenizer_id_out_of_range",
        ),
        (
            with(good(), "eot_token_id", Value::U32(999)),
            "tokenizer.ggml.eot_token_id",
            "tokenizer_id_out_of_range",
        ),
        (
            with(sentence_piece(), "scores", numbers(vec![0.0])),
            "tokenizer.ggml.scores",
            "tokenizer_wrong_length",
        ),
        (
            with(sentence_piece(), "token_type", ids(vec![1; 272])),
            "tokenizer.ggml.token_type",
            "tokenizer_missing_byte",
        ),
        (Vec::new(), "tokenizer.ggml.model", "gguf_missing_key"),
    ];
    for (entries, named, code) in cases {
        let error = build(entries).expect_err(code);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn hostile_text_in_a_file_is_not_repeated_at_length() {
    let error = build(with(byte_level(), "pre", text(&"x".repeat(100_000)))).expect_err("unknown");
    assert!(error.to_string().len() < 200);
}

proptest! {
    #[test]
    fn any_text_comes_back_from_its_tokens(sample in "\\PC{0,40}|[ \\t\\r\\nhelowrd<|>_ims]{0,60}") {
        for (tokenizer, prefix) in [(byte_level_tokenizer(), ""), (build(sentence_piece()).expect("good"), " ")] {
            let ids = tokenizer.encode(&sample, false).expect("encodes");
            let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
            let expected = if sample.is_empty() { String::new() } else { format!("{prefix}{sample}") };
            prop_assert_eq!(String::from_utf8(bytes).expect("whole characters"), expected.replace('\u{2581}', if prefix.is_empty() { "\u{2581}" } else { " " }));
        }
    }

    #[test]
    fn marked_text_gives_no_control_token_and_the_same_bytes(parts in prop::collection::vec("<\u{FDD0}\\|im_end\\|>|<\u{FDD0}\\|im_start\\|>|hello|<", 0..6)) {
        let tokenizer = byte_level_tokenizer();
        let sample = parts.concat();
        let ids = tokenizer.encode_marked(&sample, true, Some('\u{FDD0}')).expect("encodes");
        prop_assert!(ids.iter().all(|id| *id > 3));
        prop_assert_eq!(shown(&tokenizer, &ids).concat(), sample.replace('\u{FDD0}', ""));
    }
}
