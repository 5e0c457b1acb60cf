//! The vocabulary: what each token stands for, in one block of memory.
//!
//! Owns: token kinds, the bytes of every token, and the way a file spells them.
//! Never: knows merges, scores or control tokens' meaning.

use super::error::TokenizerError;
use crate::gguf::Metadata;

/// More than any known vocabulary (262,144), few enough that every id fits everywhere.
const TOKENS_MAX: usize = 1 << 24;

/// How a file spells the bytes of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Every byte is one printable character, as in GPT-2.
    ByteLevel,
    /// Text, with U+2581 for a space and `<0x0A>` for a byte.
    SentencePiece,
}

/// What a token is for. Source: `llama_token_type` in llama.cpp's `llama.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// The kind of each of `tokens` tokens, at least one; all are normal where the file doesn't say.
pub(super) fn kinds(metadata: &Metadata, tokens: usize) -> Result<Vec<TokenKind>, TokenizerError> {
    const KEY: &str = "tokenizer.ggml.token_type";
    if !(1..=TOKENS_MAX).contains(&tokens) {
        return Err(TokenizerError::VocabularySize { found: tokens });
    }
    let Some(numbers) = metadata.find_u32s(KEY)? else { return Ok(vec![TokenKind::Normal; tokens]) };
    if numbers.len() != tokens {
        return Err(TokenizerError::WrongLength { key: KEY, expected: tokens, found: numbers.len() });
    }
    let kind = |(index, number): (usize, &u32)| match number {
        0 | 1 => Ok(TokenKind::Normal),
        2 => Ok(TokenKind::Unknown),
        3 => Ok(TokenKind::Control),
        4 => Ok(TokenKind::UserDefined),
        5 => Ok(TokenKind::Unused),
        6 => Ok(TokenKind::Byte),
        found => Err(TokenizerError::TokenType { index, found: *found }),
    };
    numbers.iter().enumerate().map(kind).collect()
}

/// The bytes of every token, one after the other.
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
}

impl Vocabulary {
    pub(super) fn new(
        tokens: &[String],
        kinds: &[TokenKind],
        spelling: Spelling,
    ) -> Result<Self, TokenizerError> {
        let mut bytes = Vec::with_capacity(tokens.iter().map(String::len).sum());
        let mut ends = Vec::with_capacity(tokens.len());
        for (index, (token, kind)) in tokens.iter().zip(kinds).enumerate() {
            match (kind, spelling) {
                (TokenKind::Control | TokenKind::Unknown | TokenKind::Unused, _) => {}
                (TokenKind::Byte, _) => bytes.push(spelled_byte(index, token)?),
                (TokenKind::UserDefined, Spelling::ByteLevel) => bytes.extend_from_slice(token.as_bytes()),
                (TokenKind::Normal, Spelling::ByteLevel) => extend_byte_level(&mut bytes, token),
                (_, Spelling::SentencePiece) => {
                    bytes.extend_from_slice(token.replace('\u{2581}', " ").as_bytes());
                }
            }
            ends.push(bytes.len());
        }
        bytes.shrink_to_fit();
        Ok(Self { bytes, ends })
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of token `id`; empty if it stands for none, or doesn't exist.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let index = id as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("tokens", &self.ends.len()).finish_non_exhaustive()
    }
}

fn spelled_byte(index: usize, token: &str) -> Result<u8, TokenizerError> {
    let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>')).filter(|hex| hex.len() == 2);
    hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())
        .ok_or_else(|| TokenizerError::ByteToken { index, found: token.to_owned() })
}

/// Appends what `token` spells; a token with a character that spells no byte stands for its own text.
fn extend_byte_level(bytes: &mut Vec<u8>, token: &str) {
    let start = bytes.len();
    for character in token.chars() {
        match byte_of_char(character) {
            Some(byte) => bytes.push(byte),
            None => {
                bytes.truncate(start);
                bytes.extend_from_slice(token.as_bytes());
                return;
            }
        }
    }
}

/// The character that spells `byte`. Source: `bytes_to_unicode` in GPT-2's `encoder.py`: printable
/// Latin-1 bytes spell themselves, the 68 others take the characters from U+0100 on, in their order.
pub(super) fn char_of_byte(byte: u8) -> char {
    let code = match byte {
        0..=0x20 => 0x100 + u32::from(byte),
        0x7F..=0xA0 => 0x121 + u32::from(byte - 0x7F),
        0xAD => 0x143,
        printable => u32::from(printable),
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of_char(character: char) -> Option<u8> {
    let byte = match u32::from(character) {
        code @ 0x100..=0x120 => code - 0x100,
        code @ 0x121..=0x142 => code - 0x121 + 0x7F,
        0x143 => 0xAD,
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => code,
        _ => return None,
    };
    u8::try_from(byte).ok()
}
