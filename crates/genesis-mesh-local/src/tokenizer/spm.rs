//! SentencePiece: the algorithm of Llama 1 and 2, Mistral 7B and TinyLlama.
//!
//! Owns: the merge loop by score, and the fall back to bytes.
//! Never: sees a control token; those are cut out before, and are never merged to here.
//! Source: `llm_tokenizer_spm` in llama.cpp's `llama-vocab.cpp`.

use super::error::TokenizerError;
use super::special;
use super::vocabulary::{TokenKind, Vocabulary};
use crate::gguf::Metadata;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
pub(super) struct SentencePiece {
    scores: Vec<f32>,
    /// The ids of all normal tokens, in the order of their bytes; of equal ones the first id is used.
    by_bytes: Vec<u32>,
    /// Bytes of the longest normal token.
    longest: usize,
    /// The token of each byte, for characters that are no token.
    byte_tokens: Vec<u32>,
    prefixes_space: bool,
}

impl SentencePiece {
    pub(super) fn new(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
        kinds: &[TokenKind],
    ) -> Result<Self, TokenizerError> {
        const SCORES: &str = "tokenizer.ggml.scores";
        let scores = metadata.f32s(SCORES)?;
        if scores.len() != kinds.len() {
            let (expected, found) = (kinds.len(), scores.len());
            return Err(TokenizerError::WrongLength { key: SCORES, expected, found });
        }
        let unknown = special::find_id(metadata, "tokenizer.ggml.unknown_token_id", kinds.len())?;
        let of_kind = |wanted| kinds.iter().zip(0_u32..).filter(move |(kind, _)| **kind == wanted);
        let mut by_bytes: Vec<u32> = of_kind(TokenKind::Normal).map(|(_, id)| id).collect();
        by_bytes.sort_by_key(|id| (vocabulary.bytes(*id), *id));
        by_bytes.dedup_by_key(|id| vocabulary.bytes(*id));
        let mut byte_tokens = [unknown; 256];
        for (_, id) in of_kind(TokenKind::Byte) {
            let byte = vocabulary.bytes(id).first();
            if let Some(token) = byte.and_then(|byte| byte_tokens.get_mut(usize::from(*byte))) {
                *token = Some(id);
            }
        }
        let token_of = |(byte, token): (u8, &Option<u32>)| token.ok_or(TokenizerError::MissingByte { byte });
        Ok(Self {
            scores: scores.to_vec(),
            longest: by_bytes.iter().map(|id| vocabulary.bytes(*id).len()).max().unwrap_or(0),
            by_bytes,
            byte_tokens: (0..=u8::MAX).zip(&byte_tokens).map(token_of).collect::<Result<_, _>>()?,
            prefixes_space: metadata.find_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true),
        })
    }

    /// Appends the tokens of `text`; `after_special` says that a control token or nothing is before it.
    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        after_special: bool,
        out: &mut Vec<u32>,
    ) {
        if text.is_empty() {
            return;
        }
        let space = if self.prefixes_space && after_special { " " } else { "" };
        // The file spells a space as U+2581, so a text that has that character means a space by it.
        let text = format!("{space}{}", text.replace('\u{2581}', " "));
        Merging::new(self, vocabulary, &text).run(out);
    }

    fn find(&self, vocabulary: &Vocabulary, bytes: &[u8]) -> Option<u32> {
        if bytes.len() > self.longest {
            return None;
        }
        let index = self.by_bytes.binary_search_by_key(&bytes, |id| vocabulary.bytes(*id)).ok()?;
        self.by_bytes.get(index).copied()
    }
}

/// A piece of the text that may still grow; one that was merged away has no bytes.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that make a token; best first: the highest score, then the leftmost.
#[derive(Debug, PartialEq)]
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    /// Where both began and ended when this was found; if they changed since, it is void.
    span: (usize, usize, usize),
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Merging<'a> {
    pieces: &'a SentencePiece,
    vocabulary: &'a Vocabulary,
    text: &'a str,
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Candidate>,
}

impl<'a> Merging<'a> {
    fn new(pieces: &'a SentencePiece, vocabulary: &'a Vocabulary, text: &'a str) -> Self {
        let symbol = |(index, (start, character)): (usize, (usize, char))| {
            let end = start + character.len_utf8();
            let after = (end < text.len()).then_some(index + 1);
            Symbol { start, end, before: index.checked_sub(1), after }
        };
        let symbols: Vec<Symbol> = text.char_indices().enumerate().map(symbol).collect();
        Self { pieces, vocabulary, text, symbols, queue: BinaryHeap::new() }
    }

    fn run(mut self, out: &mut Vec<u32>) {
        for left in 0..self.symbols.len() {
            self.propose(Some(left));
        }
        while let Some(candidate) = self.queue.pop() {
            if self.span(candidate.left, candidate.right) == Some(candidate.span) {
                self.merge(candidate.left, candidate.right);
            }
        }
        for symbol in self.symbols.iter().filter(|symbol| symbol.end > symbol.start) {
            let bytes = self.text.as_bytes().get(symbol.start..symbol.end).unwrap_or_default();
            match self.pieces.find(self.vocabulary, bytes) {
                Some(id) => out.push(id),
                None => out
                    .extend(bytes.iter().filter_map(|byte| self.pieces.byte_tokens.get(usize::from(*byte)))),
            }
        }
    }

    /// Queues the pair that `left` makes with its neighbour, if that is a token.
    fn propose(&mut self, left: Option<usize>) {
        let pair = left.and_then(|left| Some((left, self.symbols.get(left)?.after?)));
        let Some((left, right)) = pair else { return };
        let Some(span) = self.span(left, right) else { return };
        let bytes = self.text.as_bytes().get(span.0..span.2).unwrap_or_default();
        let found = self.pieces.find(self.vocabulary, bytes);
        if let Some(score) = found.and_then(|id| self.pieces.scores.get(id as usize)) {
            self.queue.push(Candidate { score: *score, left, right, span });
        }
    }

    /// The places where `left` begins, both meet, and `right` ends; `None` if one was merged away.
    fn span(&self, left: usize, right: usize) -> Option<(usize, usize, usize)> {
        let (left, right) = (self.symbols.get(left)?, self.symbols.get(right)?);
        let both_there = left.end > left.start && right.end > right.start && left.end == right.start;
        both_there.then_some((left.start, left.end, right.end))
    }

    fn merge(&mut self, left: usize, right: usize) {
        let Some(gone) = self.symbols.get_mut(right) else { return };
        let (end, after) = (gone.end, gone.after);
        gone.end = gone.start;
        if let Some(next) = after.and_then(|after| self.symbols.get_mut(after)) {
            next.before = Some(left);
        }
        let Some(grown) = self.symbols.get_mut(left) else { return };
        grown.end = end;
        grown.after = after;
        let before = grown.before;
        self.propose(before);
        self.propose(Some(left));
    }
}
