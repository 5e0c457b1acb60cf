//! Inspecting: what a GGUF file is, without loading it.
//!
//! Owns: `Inspection`: the model's shape, its packings, the memory that it will take, and whether the engine can
//! compute it.
//! Never: packs a weight or starts a thread: a file of any size takes as long as its header and vocabulary.

use crate::config::ModelConfig;
use crate::forward::Forward;
use crate::gguf::{Gguf, GgufError, Metadata};
use crate::kernel::PAGE_POSITIONS;
use crate::model::LoadError;
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What a packing is called whose number is not known here.
const UNKNOWN_TYPE: &str = "unknown";

/// What a GGUF file is. Fields that the file does not tell, or tells wrongly, are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// `general.architecture`, for example `llama`.
    pub architecture: Option<String>,
    /// `general.name`.
    pub name: Option<String>,
    /// Numbers in all tensors.
    pub parameter_count: u64,
    /// Layers.
    pub layer_count: Option<u32>,
    /// Numbers in a token's embedding.
    pub embedding_len: Option<u32>,
    /// Query heads of a layer.
    pub head_count: Option<u32>,
    /// Heads of keys and values of a layer.
    pub kv_head_count: Option<u32>,
    /// Tokens of prompt and answer that the model was trained for.
    pub context_tokens: Option<u32>,
    /// Tokens that the vocabulary has.
    pub vocabulary_tokens: Option<u64>,
    /// How the tensors are packed, most bytes first.
    pub packings: Vec<Packing>,
    /// Whether the file has a chat template of its own.
    pub has_chat_template: bool,
    /// Whether that template speaks of tools.
    pub has_tools: bool,
    /// Bytes of the weights once they are loaded; `None` if the engine can't compute the model.
    pub memory_bytes: Option<u64>,
    /// Bytes of keys and values for each token of a conversation; `None` if the shape can't be computed.
    pub kv_bytes_per_token: Option<u64>,
    /// Why the engine can't compute the model; `None` if it can.
    pub obstacle: Option<Obstacle>,
}

/// The tensors that are packed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packing {
    /// The packing, as ggml spells it; `unknown` for one that is not known here.
    pub block_type: String,
    /// Tensors.
    pub tensor_count: u64,
    /// Their bytes in the file; `None` for a packing that the engine doesn't read.
    pub bytes: Option<u64>,
}

/// Why a file can't be computed: the error that loading it would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// The error's stable name.
    pub code: &'static str,
    /// What it says, with its causes.
    pub message: String,
}

impl Inspection {
    /// Looks at the file at `path`.
    ///
    /// # Errors
    /// The file can't be read, or is no whole GGUF file. A model that the engine can't compute is no error.
    pub fn of(path: &Path) -> Result<Self, GgufError> {
        let file = Gguf::open(path)?;
        let metadata = file.metadata();
        let text = |key: &str| metadata.find_string(key).ok().flatten().map(str::to_owned);
        let architecture = text("general.architecture");
        let number = |key: &str| {
            let key = format!("{}.{key}", architecture.as_deref().unwrap_or_default());
            metadata.find_u32(&key).ok().flatten()
        };
        let template = text("tokenizer.chat_template");
        let (memory_bytes, obstacle) = match fit(&file) {
            Ok(bytes) => (Some(bytes as u64), None),
            Err(error) => (None, Some(Obstacle::of(&error))),
        };
        Ok(Self {
            file_bytes: file.bytes() as u64,
            name: text("general.name"),
            parameter_count: parameter_count(&file),
            layer_count: number("block_count"),
            embedding_len: number("embedding_length"),
            head_count: number("attention.head_count"),
            kv_head_count: number("attention.head_count_kv").or_else(|| number("attention.head_count")),
            context_tokens: number("context_length"),
            vocabulary_tokens: vocabulary_tokens(metadata),
            packings: packings(&file),
            has_chat_template: template.is_some(),
            has_tools: template.is_some_and(|template| template.contains("tools")),
            memory_bytes,
            kv_bytes_per_token: kv_bytes_per_token(metadata),
            obstacle,
            architecture,
        })
    }
}

impl Obstacle {
    fn of(error: &LoadError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { code: error.code(), message }
    }
}

/// Bytes of the weights in memory, after all checks of `LocalModel::load` that depend on the file alone.
fn fit(file: &Gguf) -> Result<usize, LoadError> {
    let bytes = Weights::bytes_of(file)?;
    let tokenizer = Tokenizer::from_metadata(file.metadata())?;
    ChatTemplate::new(file.metadata(), &tokenizer)?;
    let embedding = file.tensor("token_embd.weight")?.dims.get(1).copied().unwrap_or(0);
    let vocabulary = tokenizer.vocab_len();
    if vocabulary == embedding { Ok(bytes) } else { Err(LoadError::Vocabulary { vocabulary, embedding }) }
}

fn kv_bytes_per_token(metadata: &Metadata) -> Option<u64> {
    let config = ModelConfig::from_metadata(metadata).ok()?;
    Some((Forward::page_len(&config) / PAGE_POSITIONS * size_of::<u16>()) as u64)
}

fn vocabulary_tokens(metadata: &Metadata) -> Option<u64> {
    let tokens = metadata.find_strings("tokenizer.ggml.tokens").ok().flatten()?;
    Some(tokens.len() as u64)
}

fn parameter_count(file: &Gguf) -> u64 {
    let count = |dims: &[usize]| dims.iter().fold(1u64, |count, dim| count.saturating_mul(*dim as u64));
    file.shapes().fold(0, |sum, tensor| sum.saturating_add(count(tensor.dims)))
}

fn packings(file: &Gguf) -> Vec<Packing> {
    let mut found: BTreeMap<&str, (u64, Option<u64>)> = BTreeMap::new();
    for tensor in file.shapes() {
        let entry = found.entry(tensor.type_name.unwrap_or(UNKNOWN_TYPE)).or_insert((0, Some(0)));
        entry.0 += 1;
        entry.1 = entry.1.zip(tensor.bytes).map(|(sum, bytes)| sum + bytes as u64);
    }
    let packing = |(name, (tensor_count, bytes)): (&str, _)| Packing {
        block_type: name.to_owned(),
        tensor_count,
        bytes,
    };
    let mut packings: Vec<Packing> = found.into_iter().map(packing).collect();
    packings.sort_by_key(|packing| std::cmp::Reverse(packing.bytes));
    packings
}
