//! Byte-level BPE: the algorithm of GPT-2, Llama 3, Qwen 2 and SmolLM.
//!
//! Owns: the check of the file's merges, and words on their way through the library's BPE.
//! Never: sees a control token; those are cut out before, and are no words here.

use super::error::TokenizerError;
use super::pre::{self, PreTokenizer};
use super::vocabulary::{TokenKind, char_of_byte};
use crate::gguf::Metadata;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

#[derive(Debug)]
pub(super) struct ByteLevelBpe {
    pre: PreTokenizer,
    bpe: BPE,
}

impl ByteLevelBpe {
    pub(super) fn new(
        metadata: &Metadata,
        tokens: &[String],
        kinds: &[TokenKind],
    ) -> Result<Self, TokenizerError> {
        let name = metadata.find_string("tokenizer.ggml.pre")?;
        let pre = PreTokenizer::new(name)?;
        let is_word = |kind: &TokenKind| matches!(kind, TokenKind::Normal | TokenKind::UserDefined);
        let words = tokens.iter().zip(kinds).zip(0_u32..).filter(|((_, kind), _)| is_word(kind));
        let vocab: Vocab = words.map(|((token, _), id)| (token.clone(), id)).collect();
        let merges = read_merges(metadata.strings("tokenizer.ggml.merges")?, &vocab)?;
        let bpe = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(pre::keeps_whole_words(name))
            // The cache is one a thread and grows to 10,000 words each; encoding is quick without it.
            .cache_capacity(0)
            .build()
            .map_err(|source| TokenizerError::Algorithm { action: "take the vocabulary", source })?;
        Ok(Self { pre, bpe })
    }

    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let mut words = Vec::new();
        self.pre.cut(text, &mut words);
        let mut spelled = String::new();
        for word in words {
            spelled.clear();
            spelled.extend(word.bytes().map(char_of_byte));
            let tokens = self
                .bpe
                .tokenize(&spelled)
                .map_err(|source| TokenizerError::Algorithm { action: "encode a text", source })?;
            out.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// The merges as pairs of tokens, in order of rank; each pair and its joined text are tokens, which
/// the library takes for granted.
fn read_merges(lines: &[String], vocab: &Vocab) -> Result<Merges, TokenizerError> {
    let mut joined = String::new();
    let mut read = |(index, line): (usize, &String)| {
        let pair = line.split_once(' ').filter(|(left, right)| {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            [left, right, joined.as_str()].iter().all(|token| vocab.contains_key(*token))
        });
        match pair {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(TokenizerError::Merge { index, found: line.clone() }),
        }
    };
    lines.iter().enumerate().map(&mut read).collect()
}
