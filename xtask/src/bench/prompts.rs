//! Prompts: texts of exactly so many tokens, no two alike.
//!
//! Owns: the words, and the count by the model's own tokenizer.
//! Never: repeats a beginning, which the prefix cache would know.

use super::error::BenchError;
use genesis_mesh_local::gguf::Gguf;
use genesis_mesh_local::tokenizer::Tokenizer;
use std::path::Path;

/// Words that are one token each, with the space before them, in most vocabularies.
const WORDS: [&str; 32] = [
    "the", "a", "of", "in", "and", "people", "water", "light", "house", "city", "river", "old", "new",
    "small", "great", "white", "found", "made", "said", "went", "with", "from", "over", "under", "after",
    "before", "many", "few", "long", "time", "day", "world",
];
/// Tries until a text has its length; the first is right where all words are one token.
const TRIES_MAX: usize = 16;

/// Makes prompts for one model.
pub(crate) struct Prompts {
    tokenizer: Tokenizer,
    /// The state of a linear congruential generator: the same prompts in every bench.
    state: u64,
}

impl Prompts {
    /// Reads the vocabulary of the model at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, BenchError> {
        let tokenizer = Tokenizer::from_metadata(Gguf::open(path)?.metadata())?;
        Ok(Self { tokenizer, state: 1 })
    }

    /// A text that the model reads as `tokens` tokens.
    pub(crate) fn text(&mut self, tokens: usize) -> Result<String, BenchError> {
        let mut words: Vec<&str> = (0..tokens).map(|_| self.word()).collect();
        for _ in 0..TRIES_MAX {
            let text = format!(" {}", words.join(" "));
            let begin = usize::from(self.tokenizer.bos().is_some());
            let count = self.tokenizer.encode(&text, true)?.len() + begin;
            if count == tokens {
                return Ok(text);
            }
            words.truncate(words.len().saturating_sub(count.saturating_sub(tokens)));
            words.extend((count..tokens).map(|_| self.word()));
        }
        let fault = format!("has no text of {tokens} tokens among the words of the bench");
        Err(BenchError::program("the vocabulary", fault))
    }

    fn word(&mut self) -> &'static str {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The upper bits; the lower ones of such a generator repeat soon.
        WORDS.get((self.state >> 33) as usize % WORDS.len()).copied().unwrap_or("the")
    }
}
