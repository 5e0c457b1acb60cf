//! The tokenizer: text to token ids and token ids to bytes, from the vocabulary in a model's file.
//!
//! Owns: the choice of algorithm, control tokens in text, the tokens that begin and end a text.
//! Never: splits a character across strings (that is the detokenizer's care), or knows a chat template.
//! Flow: `encode` cuts control tokens out of the text, the algorithm encodes what is between them.
//! Source: behaves like llama.cpp on the same file; `tests/golden/tokenizer.json` holds it to that.

mod error;
mod vocabulary;
mod special;
mod pre;
mod bpe;
mod spm;
#[cfg(test)]
pub(crate) mod tests;

use crate::gguf::Metadata;
use bpe::ByteLevelBpe;
pub use error::TokenizerError;
use special::{EndTokens, Piece, SpecialTokens};
use spm::SentencePiece;
use vocabulary::{Spelling, Vocabulary};

/// The tokenizer of one model: immutable, `Send + Sync`, without locks; share it in an `Arc`.
///
/// Token ids are the indices of the vocabulary, from 0.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    algorithm: Algorithm,
    specials: SpecialTokens,
    bos: Option<u32>,
    starts_with_bos: bool,
    ends: EndTokens,
}

#[derive(Debug)]
enum Algorithm {
    ByteLevelBpe(Box<ByteLevelBpe>),
    SentencePiece(Box<SentencePiece>),
}

/// Tokens on their way out.
struct Encoded {
    ids: Vec<u32>,
    /// Whether a special token or nothing is before the next text.
    after_special: bool,
}

impl Tokenizer {
    /// Builds the tokenizer that `metadata` describes.
    ///
    /// # Errors
    /// `UnknownModel` and `UnknownPre` name what is not supported; every other error names the key
    /// that is missing or malformed.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let model = metadata.string("tokenizer.ggml.model")?;
        let spelling = match model {
            "gpt2" => Spelling::ByteLevel,
            "llama" => Spelling::SentencePiece,
            other => return Err(TokenizerError::UnknownModel { found: other.to_owned() }),
        };
        let tokens = metadata.strings("tokenizer.ggml.tokens")?;
        let kinds = vocabulary::kinds(metadata, tokens.len())?;
        let vocabulary = Vocabulary::new(tokens, &kinds, spelling)?;
        let pre = metadata.find_string("tokenizer.ggml.pre")?;
        let algorithm = match spelling {
            Spelling::ByteLevel => {
                Algorithm::ByteLevelBpe(Box::new(ByteLevelBpe::new(metadata, tokens, &kinds)?))
            }
            Spelling::SentencePiece => {
                Algorithm::SentencePiece(Box::new(SentencePiece::new(metadata, &vocabulary, &kinds)?))
            }
        };
        let bos = special::find_id(metadata, "tokenizer.ggml.bos_token_id", tokens.len())?;
        let asks_for_bos = metadata.find_bool("tokenizer.ggml.add_bos_token")?;
        let starts_with_bos = asks_for_bos.unwrap_or_else(|| match spelling {
            Spelling::ByteLevel => pre.is_some_and(pre::starts_with_bos),
            Spelling::SentencePiece => true,
        });
        let specials = SpecialTokens::new(tokens, &kinds, bos)?;
        let ends = EndTokens::new(metadata, tokens, &kinds)?;
        Ok(Self { vocabulary, algorithm, specials, bos, starts_with_bos, ends })
    }

    /// The tokens of `text`, without a begin token in front (see [`Tokenizer::bos`]).
    ///
    /// With `special`, control tokens such as `<|im_end|>` are found in the text; without it they are
    /// plain characters, as they must be in anything that a user wrote. Tokens that the vocabulary
    /// calls user-defined are found in both cases. Characters that the vocabulary can't express are
    /// left out, as llama.cpp does.
    ///
    /// # Errors
    /// `Algorithm` if the library below fails.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizerError> {
        self.encode_marked(text, special, None)
    }

    /// The same, for text in which `mark` stands inside whatever must not become a control token;
    /// marks are dropped.
    pub(crate) fn encode_marked(
        &self,
        text: &str,
        special: bool,
        mark: Option<char>,
    ) -> Result<Vec<u32>, TokenizerError> {
        // English text takes about four bytes a token.
        let mut encoded = Encoded { ids: Vec::with_capacity(text.len() / 3 + 1), after_special: true };
        self.extend(&mut encoded, text, special, mark)?;
        Ok(encoded.ids)
    }

    fn extend(
        &self,
        encoded: &mut Encoded,
        text: &str,
        special: bool,
        mark: Option<char>,
    ) -> Result<(), TokenizerError> {
        self.specials.cut(text, special, |piece| match piece {
            Piece::Token(id) => {
                encoded.ids.push(id);
                encoded.after_special = true;
                Ok(())
            }
            Piece::Text(part) => match mark.filter(|mark| part.contains(*mark)) {
                Some(mark) => self.extend(encoded, &part.replace(mark, ""), false, None),
                None => self.extend_plain(encoded, part),
            },
        })
    }

    /// The tokens of `text` as it continues a text: nothing is found in it, nothing is put before it.
    pub(crate) fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut encoded = Encoded { ids: Vec::with_capacity(text.len() / 3 + 1), after_special: false };
        self.extend_plain(&mut encoded, text)?;
        Ok(encoded.ids)
    }

    fn extend_plain(&self, encoded: &mut Encoded, text: &str) -> Result<(), TokenizerError> {
        let after_special = std::mem::take(&mut encoded.after_special);
        match &self.algorithm {
            Algorithm::ByteLevelBpe(bpe) => bpe.encode(text, &mut encoded.ids),
            Algorithm::SentencePiece(pieces) => {
                pieces.encode(&self.vocabulary, text, after_special, &mut encoded.ids);
                Ok(())
            }
        }
    }

    /// The bytes that a token stands for, which may be a part of a character.
    ///
    /// Empty for control, unknown and unused tokens, and for ids outside of the vocabulary.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocabulary.bytes(id)
    }

    /// How many tokens there are; every id is below.
    #[must_use]
    pub fn vocab_len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Whether `id` ends an answer.
    #[must_use]
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.ids().contains(&id)
    }

    /// The tokens that end an answer, the file's own end token first; may be empty.
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        self.ends.ids()
    }

    /// The token that every prompt of this model begins with, or `None` if it wants none.
    ///
    /// [`Tokenizer::encode`] doesn't add it.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos.filter(|_| self.starts_with_bos)
    }

    /// The text of the begin token, also where prompts don't begin with it; empty if there is none.
    pub(crate) fn bos_text(&self) -> &str {
        self.specials.bos_text()
    }

    /// The text of the file's own end token; empty if there is none.
    pub(crate) fn eos_text(&self) -> &str {
        self.ends.eos_text()
    }

    /// Whether `text` is a control token.
    pub(crate) fn has_control(&self, text: &str) -> bool {
        self.specials.has_control(text)
    }

    /// The control token that `text` is.
    pub(crate) fn control(&self, text: &str) -> Option<u32> {
        self.specials.control(text)
    }

    /// `text` with marks that keep it from giving a control token in [`Tokenizer::encode_marked`], alone
    /// or together with the text around it; `mark` must not be in `text`.
    pub(crate) fn mark_controls(&self, text: &str, mark: char) -> String {
        self.specials.mark(text, mark)
    }
}
