//! Special tokens: those that stand in a text as a whole, and those that begin or end it.
//!
//! Owns: where control and user-defined tokens stand in a text, and marks that keep a text from having
//! any; which tokens end an answer.
//! Never: encodes what is between them.

use super::error::TokenizerError;
use super::vocabulary::TokenKind;
use crate::gguf::Metadata;
use aho_corasick::{AhoCorasick, Input, MatchKind};

/// Texts that end an answer in the chat formats of known models, where they are control or
/// user-defined tokens. Source: the list in llama.cpp's `llama-vocab.cpp`.
const END_TEXTS: [&str; 10] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<EOT>",
    "_<EOT>",
    "</s>",
];

/// The token that `key` names, if the file has the key.
pub(super) fn find_id(
    metadata: &Metadata,
    key: &'static str,
    tokens: usize,
) -> Result<Option<u32>, TokenizerError> {
    match metadata.find_u32(key)? {
        Some(id) if (id as usize) < tokens => Ok(Some(id)),
        Some(id) => Err(TokenizerError::IdOutOfRange { key, id, tokens }),
        None => Ok(None),
    }
}

/// A part of a text.
pub(super) enum Piece<'t> {
    Token(u32),
    /// Never empty.
    Text(&'t str),
}

/// The tokens that stand in a text as a whole.
pub(super) struct SpecialTokens {
    /// Control and user-defined tokens.
    all: Finder,
    user_defined: Finder,
    control: Finder,
    control_texts: Vec<String>,
    bos_text: String,
}

struct Finder {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

impl SpecialTokens {
    pub(super) fn new(
        tokens: &[String],
        kinds: &[TokenKind],
        bos: Option<u32>,
    ) -> Result<Self, TokenizerError> {
        let of = |wanted: &[TokenKind]| -> Vec<(&str, u32)> {
            let listed = tokens.iter().zip(kinds).zip(0_u32..);
            let listed = listed.filter(|((_, kind), _)| wanted.contains(kind));
            // A token of one character can't be told from text, so it never stands in one.
            let listed = listed.filter(|((text, _), _)| text.chars().nth(1).is_some());
            listed.map(|((text, _), id)| (text.as_str(), id)).collect()
        };
        let controls = of(&[TokenKind::Control, TokenKind::Unknown]);
        let text_of = |id: u32| tokens.get(id as usize).cloned().unwrap_or_default();
        Ok(Self {
            all: Finder::new(&of(&[TokenKind::Control, TokenKind::Unknown, TokenKind::UserDefined]))?,
            user_defined: Finder::new(&of(&[TokenKind::UserDefined]))?,
            control: Finder::new(&controls)?,
            control_texts: controls.iter().map(|(text, _)| (*text).to_owned()).collect(),
            bos_text: bos.map(text_of).unwrap_or_default(),
        })
    }

    /// Calls `take` for each part of `text` in order; control tokens are found if `special`.
    pub(super) fn cut<'t>(
        &self,
        text: &'t str,
        special: bool,
        mut take: impl FnMut(Piece<'t>) -> Result<(), TokenizerError>,
    ) -> Result<(), TokenizerError> {
        let finder = if special { &self.all } else { &self.user_defined };
        let mut done = 0;
        for found in finder.automaton.find_iter(text) {
            let before = text.get(done..found.start()).unwrap_or_default();
            if !before.is_empty() {
                take(Piece::Text(before))?;
            }
            if let Some(id) = finder.ids.get(found.pattern().as_usize()) {
                take(Piece::Token(*id))?;
            }
            done = found.end();
        }
        match text.get(done..) {
            Some(rest) if !rest.is_empty() => take(Piece::Text(rest)),
            _ => Ok(()),
        }
    }

    /// `text` with `mark` inside every control token, and inside what could become one with the text
    /// around it: after the first character of a start at the end, before the last one of an end at
    /// the start.
    pub(super) fn mark(&self, text: &str, mark: char) -> String {
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(found) = self.control.automaton.find(Input::new(text).range(from..)) {
            from = after_first(text, found.start());
            places.push(from);
        }
        // A template may trim what it puts between its own tokens.
        let trimmed = text.trim();
        let start = text.len() - text.trim_start().len();
        let longest = self.control_texts.iter().map(String::len).max().unwrap_or(0);
        for (index, character) in trimmed.char_indices() {
            let after = index + character.len_utf8();
            let head = trimmed.get(..after).filter(|head| head.len() < longest);
            if head.is_some_and(|head| self.some_control(|control| control.ends_with(head))) {
                places.push(start + index);
            }
            let tail = trimmed.get(index..).filter(|tail| tail.len() < longest);
            if tail.is_some_and(|tail| self.some_control(|control| control.starts_with(tail))) {
                places.push(start + after);
            }
        }
        places.sort_unstable();
        places.dedup();
        let mut marked = String::with_capacity(text.len() + places.len() * mark.len_utf8());
        let mut done = 0;
        for place in places {
            marked.push_str(text.get(done..place).unwrap_or_default());
            marked.push(mark);
            done = place;
        }
        marked.push_str(text.get(done..).unwrap_or_default());
        marked
    }

    fn some_control(&self, is: impl Fn(&str) -> bool) -> bool {
        self.control_texts.iter().any(|control| is(control))
    }

    pub(super) fn has_control(&self, text: &str) -> bool {
        self.some_control(|control| control == text)
    }

    /// The id of the control token `text`.
    pub(super) fn control(&self, text: &str) -> Option<u32> {
        let place = self.control_texts.iter().position(|control| control == text)?;
        self.control.ids.get(place).copied()
    }

    pub(super) fn bos_text(&self) -> &str {
        &self.bos_text
    }
}

/// Where the character that begins at `start` ends.
fn after_first(text: &str, start: usize) -> usize {
    let first = text.get(start..).and_then(|rest| rest.chars().next());
    start + first.map_or(1, char::len_utf8)
}

impl std::fmt::Debug for SpecialTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpecialTokens").field("tokens", &self.all.ids.len()).finish_non_exhaustive()
    }
}

impl Finder {
    fn new(tokens: &[(&str, u32)]) -> Result<Self, TokenizerError> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|(text, _)| text))
            .map_err(|error| TokenizerError::Algorithm {
                action: "index its special tokens",
                source: Box::new(error),
            })?;
        Ok(Self { automaton, ids: tokens.iter().map(|(_, id)| *id).collect() })
    }
}

/// The tokens that end an answer.
#[derive(Debug)]
pub(super) struct EndTokens {
    ids: Vec<u32>,
    eos_text: String,
}

impl EndTokens {
    pub(super) fn new(
        metadata: &Metadata,
        tokens: &[String],
        kinds: &[TokenKind],
    ) -> Result<Self, TokenizerError> {
        let mut ids = Vec::new();
        let eos = find_id(metadata, "tokenizer.ggml.eos_token_id", tokens.len())?;
        ids.extend(eos);
        for key in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
            ids.extend(find_id(metadata, key, tokens.len())?);
        }
        let stands_whole = |kind: &TokenKind| matches!(kind, TokenKind::Control | TokenKind::UserDefined);
        for ((text, kind), id) in tokens.iter().zip(kinds).zip(0_u32..) {
            if stands_whole(kind) && END_TEXTS.contains(&text.as_str()) {
                ids.push(id);
            }
        }
        let mut seen = Vec::with_capacity(ids.len());
        ids.retain(|id| {
            let is_new = !seen.contains(id);
            seen.push(*id);
            is_new
        });
        let text_of = |id: u32| tokens.get(id as usize).cloned().unwrap_or_default();
        Ok(Self { ids, eos_text: eos.map(text_of).unwrap_or_default() })
    }

    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(super) fn eos_text(&self) -> &str {
        &self.eos_text
    }
}
