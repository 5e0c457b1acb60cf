//! The pre-tokenizer: cuts text into the words that merges stay inside of.
//!
//! Owns: the patterns of the known pre-tokenizers, by the name that files give them.
//! Never: drops a byte: what no pattern matches is a word of its own.
//! Source: the table in llama.cpp's `llama-vocab.cpp`, which has the patterns of the models' own
//! `tokenizer.json`; several patterns are applied one after the other, each inside the last one's pieces.

use super::error::TokenizerError;
use tokenizers::utils::SysRegex;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEFAULT: [&str; 4] = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"];

/// The patterns that cut text into words, first to last.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    patterns: Vec<SysRegex>,
}

impl PreTokenizer {
    /// The pre-tokenizer that a file calls `name`; llama.cpp's default where it names none.
    pub(super) fn new(name: Option<&str>) -> Result<Self, TokenizerError> {
        let patterns: &[&str] = match name.unwrap_or("default") {
            "default" => &DEFAULT,
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" => &[GPT2],
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
                &[r"\p{N}", GPT2]
            }
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "smaug-bpe" | "dbrx" => &[LLAMA3],
            "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "megrez" => &[QWEN2],
            "tekken" => &[TEKKEN],
            other => return Err(TokenizerError::UnknownPre { found: other.to_owned() }),
        };
        let compile = |pattern: &&str| {
            SysRegex::new(pattern)
                .map_err(|source| TokenizerError::Algorithm { action: "compile its pattern", source })
        };
        Ok(Self { patterns: patterns.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Appends the words of `text` to `words`: none is empty, and joined they are `text`.
    pub(super) fn cut<'t>(&self, text: &'t str, words: &mut Vec<&'t str>) {
        cut(&self.patterns, text, words);
    }
}

fn cut<'t>(patterns: &[SysRegex], text: &'t str, words: &mut Vec<&'t str>) {
    if text.is_empty() {
        return;
    }
    let Some((pattern, rest)) = patterns.split_first() else {
        words.push(text);
        return;
    };
    let mut done = 0;
    // A pattern that gives up on a text (it bounds its backtracking) leaves the rest as one piece.
    for (start, end) in pattern.find_iter(text) {
        cut(rest, text.get(done..start).unwrap_or_default(), words);
        cut(rest, text.get(start..end).unwrap_or_default(), words);
        done = end;
    }
    cut(rest, text.get(done..).unwrap_or_default(), words);
}

/// Whether a word that is a token as it stands is not merged from its parts. Source: as above.
pub(super) fn keeps_whole_words(name: Option<&str>) -> bool {
    matches!(name, Some("llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "tekken"))
}

/// Whether prompts begin with the begin token where the file doesn't say. Source: as above.
pub(super) fn starts_with_bos(name: &str) -> bool {
    matches!(name, "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "tekken")
}
