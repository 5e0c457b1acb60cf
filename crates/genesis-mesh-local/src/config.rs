//! The shape of a llama model, as its metadata gives it, checked once.
//!
//! Owns: the hyperparameters and the table of rotary frequencies' inputs.
//! Never: reads a tensor.

use crate::gguf::{GgufError, Metadata};

/// The shape of a model of the llama architecture. All counts are above zero and fit each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelConfig {
    /// The model's name in its file, or `llama`.
    pub(crate) name: String,
    /// Decoder layers.
    pub(crate) layer_count: usize,
    /// Numbers in a token's embedding; a multiple of 32.
    pub(crate) embedding_len: usize,
    /// Numbers between the two halves of the feed-forward part; a multiple of 32.
    pub(crate) feed_forward_len: usize,
    /// Query heads.
    pub(crate) head_count: usize,
    /// Key and value heads; divides `head_count`.
    pub(crate) kv_head_count: usize,
    /// Numbers in a head; a multiple of 32.
    pub(crate) head_len: usize,
    /// Tokens of prompt and answer that the model was trained for.
    pub(crate) context_tokens: usize,
    /// The base of the rotary frequencies.
    pub(crate) rope_base: f64,
    /// Divides positions (linear scaling); 1 for none.
    pub(crate) rope_scale: f64,
    /// Added to the mean square in a norm.
    pub(crate) norm_epsilon: f32,
}

/// Why a file's shape can't be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A field is missing or has the wrong type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The architecture is not one that the engine knows.
    #[error("general.architecture is `{found}`; this engine computes `llama` models")]
    Architecture {
        /// What the file says.
        found: String,
    },
    /// A number is out of range, or doesn't fit the others.
    #[error("{key} is {found}; it must be {expected}")]
    Value {
        /// The metadata key.
        key: String,
        /// What the file says.
        found: String,
        /// What would be right.
        expected: String,
    },
}

/// The most that any count of a real model reaches; a larger one is a broken file.
const COUNT_MAX: usize = 1 << 20;

impl ModelConfig {
    /// Reads and checks the shape.
    ///
    /// # Errors
    /// Names the key that is missing, of the wrong type, or out of range.
    pub(crate) fn from_metadata(metadata: &Metadata) -> Result<Self, ConfigError> {
        let architecture = metadata.string("general.architecture")?;
        if architecture != "llama" {
            return Err(ConfigError::Architecture { found: architecture.to_owned() });
        }
        let config = Self {
            name: metadata.find_string("general.name")?.unwrap_or(architecture).to_owned(),
            layer_count: count(metadata, "llama.block_count", 1)?,
            embedding_len: count(metadata, "llama.embedding_length", 32)?,
            feed_forward_len: count(metadata, "llama.feed_forward_length", 32)?,
            head_count: count(metadata, "llama.attention.head_count", 1)?,
            kv_head_count: match metadata.find_u32("llama.attention.head_count_kv")? {
                Some(_) => count(metadata, "llama.attention.head_count_kv", 1)?,
                None => count(metadata, "llama.attention.head_count", 1)?,
            },
            head_len: 0,
            context_tokens: count(metadata, "llama.context_length", 1)?,
            rope_base: f64::from(metadata.find_f32("llama.rope.freq_base")?.unwrap_or(10_000.0)),
            rope_scale: rope_scale(metadata)?,
            norm_epsilon: metadata.f32("llama.attention.layer_norm_rms_epsilon")?,
        };
        config.checked(metadata)
    }

    fn checked(mut self, metadata: &Metadata) -> Result<Self, ConfigError> {
        let head_len = match metadata.find_u32("llama.attention.key_length")? {
            Some(_) => count(metadata, "llama.attention.key_length", 32)?,
            None => self.embedding_len / self.head_count,
        };
        let rotated =
            metadata.find_u32("llama.rope.dimension_count")?.map_or(head_len, |count| count as usize);
        let experts = metadata.find_u32("llama.expert_count")?.unwrap_or(0);
        let value_len =
            metadata.find_u32("llama.attention.value_length")?.map_or(head_len, |len| len as usize);
        let rules = [
            (
                head_len.is_multiple_of(32) && head_len > 0,
                "llama.attention.key_length",
                head_len,
                "a multiple of 32",
            ),
            (rotated == head_len, "llama.rope.dimension_count", rotated, "the length of a head"),
            (value_len == head_len, "llama.attention.value_length", value_len, "the length of a key"),
            (
                self.head_count.is_multiple_of(self.kv_head_count),
                "llama.attention.head_count_kv",
                self.kv_head_count,
                "a divisor of llama.attention.head_count",
            ),
            (
                experts == 0,
                "llama.expert_count",
                experts as usize,
                "0 (mixtures of experts are not computed)",
            ),
        ];
        for (holds, key, found, expected) in rules {
            if !holds {
                return Err(value(key, found, expected));
            }
        }
        if !(self.rope_base.is_finite() && self.rope_base > 0.0) {
            return Err(value("llama.rope.freq_base", self.rope_base, "a number above 0"));
        }
        if !(self.norm_epsilon.is_finite() && self.norm_epsilon >= 0.0) {
            return Err(value("llama.attention.layer_norm_rms_epsilon", self.norm_epsilon, "0 or more"));
        }
        self.head_len = head_len;
        Ok(self)
    }

    /// Numbers in the keys (or values) of one position of one layer.
    pub(crate) fn kv_len(&self) -> usize {
        self.kv_head_count * self.head_len
    }

    /// Numbers in the queries of one position of one layer.
    pub(crate) fn query_len(&self) -> usize {
        self.head_count * self.head_len
    }
}

fn value(key: &str, found: impl std::fmt::Display, expected: &str) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), found: found.to_string(), expected: expected.to_owned() }
}

/// A count that is a positive multiple of `unit`.
fn count(metadata: &Metadata, key: &str, unit: usize) -> Result<usize, ConfigError> {
    let found = metadata.u32(key)? as usize;
    if found == 0 || found > COUNT_MAX || !found.is_multiple_of(unit) {
        let expected = if unit == 1 {
            "above 0 and at most 1048576".to_owned()
        } else {
            format!("a multiple of {unit}")
        };
        return Err(value(key, found, &expected));
    }
    Ok(found)
}

fn rope_scale(metadata: &Metadata) -> Result<f64, ConfigError> {
    let kind = metadata.find_string("llama.rope.scaling.type")?.unwrap_or("none");
    let factor = f64::from(metadata.find_f32("llama.rope.scaling.factor")?.unwrap_or(1.0));
    match kind {
        "none" => Ok(1.0),
        "linear" if factor.is_finite() && factor >= 1.0 => Ok(factor),
        "linear" => Err(value("llama.rope.scaling.factor", factor, "1 or more")),
        _ => Err(value("llama.rope.scaling.type", kind, "`none` or `linear`")),
    }
}
