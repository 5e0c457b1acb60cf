//! The tokens of a model as the grammar library wants them: a trie of their bytes.
//!
//! Owns: the trie, and the tokens that a forced text gets.
//! Never: has a control token in the trie; end tokens are known to it by id alone.

use crate::tokenizer::Tokenizer;
use llguidance::toktrie::{INVALID_TOKEN, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use std::sync::Arc;

/// The trie's own bound on depth is 1,024; longer tokens are never allowed under a grammar.
const TOKEN_BYTES_MAX: usize = 1_000;

pub(super) struct TokenEnvironment {
    trie: TokTrie,
    tokenizer: Arc<Tokenizer>,
}

impl TokenEnvironment {
    /// # Panics
    /// If the library doesn't take the vocabulary; the caller catches that.
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let tokens = u32::try_from(tokenizer.vocab_len()).unwrap_or(u32::MAX);
        let word = |id: u32| {
            let bytes = tokenizer.token_bytes(id);
            if bytes.len() > TOKEN_BYTES_MAX || tokenizer.is_end(id) { Vec::new() } else { bytes.to_vec() }
        };
        let words: Vec<Vec<u8>> = (0..tokens).map(word).collect();
        let info = TokRxInfo {
            vocab_size: tokens,
            tok_eos: tokenizer.end_tokens().first().copied().unwrap_or(INVALID_TOKEN),
            tok_bos: None,
            tok_pad: None,
            tok_unk: None,
            tok_end_of_turn: None,
        };
        let trie = TokTrie::from(&info, &words);
        let trie = match tokenizer.end_tokens() {
            [] | [_] => trie,
            several => trie.with_eos_tokens(several),
        };
        Self { trie, tokenizer }
    }
}

impl TokenizerEnv for TokenEnvironment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.tokenizer
                .encode_continuation(text)
                .unwrap_or_else(|_| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }
}
