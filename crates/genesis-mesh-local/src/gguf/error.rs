//! Why a GGUF file can't be read, written or used: every error names the field at fault.
//!
//! Owns: `GgufError` and the names of fields in its messages.
//! Never: repeats hostile text at full length or with control characters.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a GGUF file can't be read, written or used.
///
/// `field` names a header field, a metadata key or a tensor, as text for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file can't be opened or mapped.
    #[error("can't read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is of another format.
    #[error("header field `magic`: expected \"GGUF\", found \"{}\"", found.escape_ascii())]
    Foreign {
        /// The first bytes of the file, at most four.
        found: Vec<u8>,
    },
    /// The file has a version that this reader doesn't know, or the wrong byte order.
    #[error("header field `version`: expected 2 or 3 (little-endian), found {found}{}", big_endian_note(*.found))]
    Version {
        /// The version, read as little-endian.
        found: u32,
    },
    /// The file ends within a field, or declares more than it can hold.
    #[error("{field}: needs {needed} bytes, but only {left} are left in the file")]
    Truncated {
        /// The field that doesn't fit.
        field: String,
        /// Bytes that the field takes, at least.
        needed: u128,
        /// Bytes from the field's start to the end of the file.
        left: u64,
    },
    /// A field has a value that the format forbids.
    #[error("{field}: expected {expected}, found {found}")]
    Invalid {
        /// The field.
        field: String,
        /// What is allowed there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Two metadata entries or two tensors have the same name.
    #[error("{field} stands twice in the file")]
    Duplicate {
        /// The key or tensor.
        field: String,
    },
    /// A tensor reaches beyond the end of the file.
    #[error(
        "tensor `{tensor}`: its {size} bytes at offset {offset} don't fit into the {available} bytes of data"
    )]
    OutOfFile {
        /// The tensor's name.
        tensor: String,
        /// Where it starts, counted from the start of the data section.
        offset: u64,
        /// Bytes that its dimensions and type take.
        size: u64,
        /// Bytes of the data section.
        available: u64,
    },
    /// A metadata key that is needed is absent.
    #[error("metadata key `{key}`: expected {expected}, found nothing")]
    MissingKey {
        /// The key.
        key: String,
        /// The type that is needed.
        expected: &'static str,
    },
    /// A metadata value has another type than the reader needs.
    #[error("metadata key `{key}`: expected {expected}, found {found}")]
    WrongType {
        /// The key.
        key: String,
        /// The type that is needed.
        expected: &'static str,
        /// The type, and for a number the value, that the file has.
        found: String,
    },
    /// A tensor that is needed is absent.
    #[error("tensor `{tensor}` is missing from the file")]
    MissingTensor {
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor that is asked for is packed in a way that the engine can't read.
    #[error("tensor `{tensor}`: ggml type {number}{} is not supported", name.map(|name| format!(" ({name})")).unwrap_or_default())]
    UnsupportedType {
        /// The tensor's name.
        tensor: String,
        /// The number of the type in the file.
        number: u32,
        /// Its name in ggml, if it is a known one.
        name: Option<&'static str>,
    },
}

impl GgufError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "gguf_io",
            Self::Foreign { .. } => "gguf_foreign",
            Self::Version { .. } => "gguf_version",
            Self::Truncated { .. } => "gguf_truncated",
            Self::Invalid { .. } => "gguf_invalid",
            Self::Duplicate { .. } => "gguf_duplicate",
            Self::OutOfFile { .. } => "gguf_out_of_file",
            Self::MissingKey { .. } => "gguf_missing_key",
            Self::WrongType { .. } => "gguf_wrong_type",
            Self::MissingTensor { .. } => "gguf_missing_tensor",
            Self::UnsupportedType { .. } => "gguf_unsupported_type",
        }
    }

    /// Whether the same call may succeed later: never, the file has to change first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

fn big_endian_note(version: u32) -> &'static str {
    if matches!(version.swap_bytes(), 1..=3) { ", which is a big-endian file" } else { "" }
}

/// A field of the file, while it is read; becomes text only in an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    /// A field of the fixed header.
    Header(&'static str),
    /// The key of the metadata entry with this index.
    Key(usize),
    /// The value of a metadata key.
    Value(&'a str),
    /// The name of the tensor with this index.
    TensorName(usize),
    /// A part of a tensor's description.
    Tensor(&'a str, &'static str),
}

impl Field<'_> {
    /// The error of a value that the format forbids here.
    pub(super) fn invalid(self, expected: impl Into<String>, found: impl fmt::Display) -> GgufError {
        GgufError::Invalid { field: self.to_string(), expected: expected.into(), found: found.to_string() }
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header field `{name}`"),
            Self::Key(index) => write!(f, "key of metadata entry {index}"),
            Self::Value(key) => write!(f, "metadata key `{}`", shown(key)),
            Self::TensorName(index) => write!(f, "name of tensor {index}"),
            Self::Tensor(name, part) => write!(f, "tensor `{}`, {part}", shown(name)),
        }
    }
}

/// `name` as it stands in messages: one line, at most 80 characters.
pub(super) fn shown(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    let mut text: String = name.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}
