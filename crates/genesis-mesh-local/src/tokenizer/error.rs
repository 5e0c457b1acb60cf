//! Why a model's file gives no tokenizer: every error names the metadata key at fault.
//!
//! Owns: `TokenizerError`.
//! Never: repeats hostile text at full length.

use crate::gguf::GgufError;

/// Why a tokenizer can't be built, or a text can't be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A key is missing or has the wrong type.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// The file uses an algorithm that is not supported.
    #[error("metadata key `tokenizer.ggml.model`: expected \"gpt2\" or \"llama\", found {:?}", shown(found))]
    UnknownModel {
        /// What the file says.
        found: String,
    },
    /// The file splits text into words in a way that is not supported.
    #[error("metadata key `tokenizer.ggml.pre`: the pre-tokenizer {:?} is not supported", shown(found))]
    UnknownPre {
        /// What the file says.
        found: String,
    },
    /// There are no tokens, or more than ids can count.
    #[error("metadata key `tokenizer.ggml.tokens`: expected 1 to 16777216 tokens, found {found}")]
    VocabularySize {
        /// How many tokens there are.
        found: usize,
    },
    /// An array doesn't have one item for each token.
    #[error("metadata key `{key}`: expected {expected} items, one for each token, found {found}")]
    WrongLength {
        /// The key.
        key: &'static str,
        /// How many tokens there are.
        expected: usize,
        /// How many items the array has.
        found: usize,
    },
    /// An id names no token.
    #[error("metadata key `{key}`: token {id} is not one of the {tokens} in the vocabulary")]
    IdOutOfRange {
        /// The key.
        key: &'static str,
        /// The id.
        id: u32,
        /// How many tokens there are.
        tokens: usize,
    },
    /// An entry of the token types is no type.
    #[error("metadata key `tokenizer.ggml.token_type`: item {index} is {found}, expected 0 to 6")]
    TokenType {
        /// The token.
        index: usize,
        /// What the file says.
        found: u32,
    },
    /// A token is called a byte but is not spelled as one, as in `<0x0A>`.
    #[error(
        "metadata key `tokenizer.ggml.tokens`: item {index} is a byte token, but spelled {:?}",
        shown(found)
    )]
    ByteToken {
        /// The token.
        index: usize,
        /// How it is spelled.
        found: String,
    },
    /// Not all 256 bytes have a token, and there is no unknown token to stand in for them.
    #[error(
        "metadata key `tokenizer.ggml.token_type`: byte {byte:#04X} has no token, and there is no unknown token"
    )]
    MissingByte {
        /// The first byte without a token.
        byte: u8,
    },
    /// A merge is not two tokens whose joined text is a token.
    #[error(
        "metadata key `tokenizer.ggml.merges`: item {index} {:?} doesn't join two tokens into a token",
        shown(found)
    )]
    Merge {
        /// The merge's rank.
        index: usize,
        /// What the file says.
        found: String,
    },
    /// A library below failed.
    #[error("the tokenizer can't {action}")]
    Algorithm {
        /// What it was doing.
        action: &'static str,
        /// What the library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TokenizerError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Metadata(error) => error.code(),
            Self::UnknownModel { .. } => "tokenizer_unknown_model",
            Self::UnknownPre { .. } => "tokenizer_unknown_pre",
            Self::VocabularySize { .. } => "tokenizer_vocabulary_size",
            Self::WrongLength { .. } => "tokenizer_wrong_length",
            Self::IdOutOfRange { .. } => "tokenizer_id_out_of_range",
            Self::TokenType { .. } => "tokenizer_token_type",
            Self::ByteToken { .. } => "tokenizer_byte_token",
            Self::MissingByte { .. } => "tokenizer_missing_byte",
            Self::Merge { .. } => "tokenizer_merge",
            Self::Algorithm { .. } => "tokenizer_algorithm",
        }
    }

    /// Whether the same call may succeed later: never, the file has to change first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// The first 40 characters of `text`: enough to find it, too few to flood a log.
fn shown(text: &str) -> &str {
    text.char_indices().nth(40).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
