//! The weights of a model in memory, packed for the kernels.
//!
//! Owns: which tensors a llama model has, their shapes, and the table of rotations.
//! Never: keeps the file: packed weights are all that stays.
//! Flow: `LocalModel::load` opens the file, loads the weights here and drops the mapping.

use crate::config::{ConfigError, ModelConfig};
use crate::gguf::{Gguf, GgufError, Tensor};
use crate::kernel::{Layout, Matrix};
use crate::pack::{RowOrder, pack, packed_bytes};
use crate::quant::decode_row;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Everything that a forward pass multiplies with.
pub(crate) struct Weights {
    pub(crate) config: ModelConfig,
    pub(crate) layers: Vec<Layer>,
    pub(crate) output_norm: Vec<f32>,
    /// A row for each token of the vocabulary.
    pub(crate) embedding: Matrix,
    /// The output matrix, where it is not the embedding.
    pub(crate) head: Option<Matrix>,
    /// For each position the cosines, then the sines: `head_len` numbers.
    pub(crate) rotations: Vec<f32>,
}

/// One decoder layer; `M` stands for a matrix, or for what is asked of one.
pub(crate) struct Layer<M = Matrix> {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query: M,
    pub(crate) key: M,
    pub(crate) value: M,
    pub(crate) output: M,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) gate: M,
    pub(crate) up: M,
    pub(crate) down: M,
}

impl<M> Layer<M> {
    fn matrices(&self) -> [&M; 7] {
        [&self.query, &self.key, &self.value, &self.output, &self.gate, &self.up, &self.down]
    }
}

/// Why a file's weights can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file is broken, or a tensor is missing or of an unknown type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The model's shape can't be computed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A tensor doesn't have the shape that the metadata asks for.
    #[error("tensor {tensor} has the shape {found:?}; the metadata asks for {expected:?} (columns first)")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// Columns, then rows.
        expected: Vec<usize>,
        /// What the file says.
        found: Vec<usize>,
    },
}

impl Weights {
    /// Packs the weights of `file` on `threads` threads, without rotations.
    pub(crate) fn load(file: &Gguf, threads: usize) -> Result<Self, WeightsError> {
        let config = ModelConfig::from_metadata(file.metadata())?;
        let source = Source { file, config: &config };
        let (names, embedding_dims) = source.tables()?;
        let has_head = names.len() > 1;
        // The largest pieces come first, so that the threads end together.
        let (mut tables, mut layers) = (Vec::new(), Vec::new());
        for part in in_parallel(names.len() + config.layer_count, threads, |part| match names.get(part) {
            Some(name) => {
                source.matrix(name, embedding_dims).map(|table| Part::Table(pack(&table, RowOrder::Plain)))
            }
            None => source.layer(part - names.len(), pack).map(|layer| Part::Layer(Box::new(layer))),
        }) {
            match part? {
                Part::Table(matrix) => tables.push(matrix),
                Part::Layer(layer) => layers.push(*layer),
            }
        }
        let head = if has_head { tables.pop() } else { None };
        let embedding = tables.pop().unwrap_or_else(|| Matrix::zeros(Layout::Single, 0, 0));
        let output_norm = source.vector("output_norm.weight")?;
        Ok(Self { layers, output_norm, embedding, head, rotations: Vec::new(), config })
    }

    /// Bytes of all matrices that `load` would make; it checks what `load` checks, and packs nothing.
    pub(crate) fn bytes_of(file: &Gguf) -> Result<usize, WeightsError> {
        let config = ModelConfig::from_metadata(file.metadata())?;
        let source = Source { file, config: &config };
        let (names, embedding_dims) = source.tables()?;
        let mut bytes = 0;
        for name in names {
            bytes += packed_bytes(&source.matrix(name, embedding_dims)?);
        }
        for index in 0..config.layer_count {
            let layer = source.layer(index, |tensor, _| packed_bytes(tensor))?;
            bytes += layer.matrices().into_iter().sum::<usize>();
        }
        source.vector("output_norm.weight")?;
        source.rotary_factors()?;
        Ok(bytes)
    }

    /// Prepares the rotations of `positions` positions.
    pub(crate) fn rotate_up_to(&mut self, file: &Gguf, positions: usize) -> Result<(), WeightsError> {
        let factors = Source { file, config: &self.config }.rotary_factors()?;
        self.rotations = rotations(&self.config, factors.as_deref(), positions);
        Ok(())
    }

    /// The matrix that turns the last layer's output into logits.
    pub(crate) fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// Whether any matrix multiplies plain floats.
    pub(crate) fn has_floats(&self) -> bool {
        self.matrices().any(|matrix| !matrix.layout().is_integer())
    }

    /// Bytes of all matrices.
    pub(crate) fn bytes(&self) -> usize {
        self.matrices().map(Matrix::bytes).sum()
    }

    fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        self.layers.iter().flat_map(Layer::matrices).chain([&self.embedding]).chain(&self.head)
    }
}

/// What one thread packs at a time.
enum Part {
    Table(Matrix),
    Layer(Box<Layer>),
}

/// Calls `work` for 0 to `count - 1` on `threads` threads; gives the results in order.
fn in_parallel<T: Send>(count: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let claim = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            let result = work(index);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // Fewer threads than asked for are slower and nothing else.
            if thread::Builder::new().spawn_scoped(scope, claim).is_err() {
                break;
            }
        }
        claim();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The file with the shape that its tensors must have.
struct Source<'a> {
    file: &'a Gguf,
    config: &'a ModelConfig,
}

impl Source<'_> {
    /// The tables with a row for each token: the embedding, and the output matrix if it has its own; their shape.
    fn tables(&self) -> Result<(&'static [&'static str], [usize; 2]), WeightsError> {
        let vocab_len = match self.file.tensor("token_embd.weight")?.dims {
            [_, rows] => *rows,
            _ => 0,
        };
        // A count of layers that the file doesn't have is told by the last one, before work is shared out.
        self.file.tensor(&format!("blk.{}.attn_norm.weight", self.config.layer_count - 1))?;
        let has_head = self.file.find_tensor("output.weight")?.is_some();
        let names: &[&str] =
            if has_head { &["token_embd.weight", "output.weight"] } else { &["token_embd.weight"] };
        Ok((names, [self.config.embedding_len, vocab_len]))
    }

    /// The layer, with what `make` makes of each matrix.
    fn layer<M>(
        &self,
        index: usize,
        make: impl Fn(&Tensor<'_>, RowOrder) -> M,
    ) -> Result<Layer<M>, WeightsError> {
        let config = self.config;
        let (embedding, feed_forward) = (config.embedding_len, config.feed_forward_len);
        let (query_len, kv_len) = (config.query_len(), config.kv_len());
        let name = |part: &str| format!("blk.{index}.{part}.weight");
        let ordered = |part: &str, dims, order| -> Result<M, WeightsError> {
            Ok(make(&self.matrix(&name(part), dims)?, order))
        };
        let plain = |part: &str, dims| ordered(part, dims, RowOrder::Plain);
        let rotary = |part: &str, dims| ordered(part, dims, RowOrder::Rotary(config.head_len));
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm"))?,
            query: rotary("attn_q", [embedding, query_len])?,
            key: rotary("attn_k", [embedding, kv_len])?,
            value: plain("attn_v", [embedding, kv_len])?,
            output: plain("attn_output", [query_len, embedding])?,
            feed_forward_norm: self.vector(&name("ffn_norm"))?,
            gate: plain("ffn_gate", [embedding, feed_forward])?,
            up: plain("ffn_up", [embedding, feed_forward])?,
            down: plain("ffn_down", [feed_forward, embedding])?,
        })
    }

    fn matrix(&self, name: &str, dims: [usize; 2]) -> Result<Tensor<'_>, WeightsError> {
        self.tensor(name, &dims)
    }

    /// A vector of the embedding's length.
    fn vector(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        self.floats(name, self.config.embedding_len)
    }

    fn floats(&self, name: &str, len: usize) -> Result<Vec<f32>, WeightsError> {
        let tensor = self.tensor(name, &[len])?;
        let mut values = vec![0.0; len];
        decode_row(tensor.block_type, tensor.data, &mut values);
        Ok(values)
    }

    /// What llama 3 divides each rotary frequency by, if the file has it.
    fn rotary_factors(&self) -> Result<Option<Vec<f32>>, WeightsError> {
        let name = "rope_freqs.weight";
        self.file.find_tensor(name)?.map(|_| self.floats(name, self.config.head_len / 2)).transpose()
    }

    fn tensor(&self, name: &str, dims: &[usize]) -> Result<Tensor<'_>, WeightsError> {
        let tensor = self.file.tensor(name)?;
        if tensor.dims == dims {
            return Ok(tensor);
        }
        Err(WeightsError::Shape {
            tensor: name.to_owned(),
            expected: dims.to_vec(),
            found: tensor.dims.to_vec(),
        })
    }
}

/// Cosines and sines of every position: rotary pair `i` turns by `position / base^(2 i / head_len)`.
fn rotations(config: &ModelConfig, factors: Option<&[f32]>, positions: usize) -> Vec<f32> {
    let half = config.head_len / 2;
    let frequency = |i: usize| {
        let factor = factors.and_then(|factors| factors.get(i)).map_or(1.0, |factor| f64::from(*factor));
        config.rope_base.powf(-2.0 * i as f64 / config.head_len as f64) / factor / config.rope_scale
    };
    let frequencies: Vec<f64> = (0..half).map(frequency).collect();
    let mut table = Vec::with_capacity(positions * config.head_len);
    for position in 0..positions {
        let angles = frequencies.iter().map(|frequency| position as f64 * frequency);
        table.extend(angles.clone().map(|angle| angle.cos() as f32));
        table.extend(angles.map(|angle| angle.sin() as f32));
    }
    table
}
