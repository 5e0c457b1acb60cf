//! Charter: the local inference engine: GGUF models of the llama family, on the CPU, in pure Rust.
//!
//! Owns: the file format, the weights in memory, the kernels, the threads, the KV cache, the scheduler,
//! the tokenizer, sampling and grammars; the only crate of the workspace with `unsafe`.
//! Never: listens, knows an agent, a store or a wire protocol; only `fetch` reaches another machine.
//! Flow: `LocalModel::generate` tokenizes and queues; the engine thread batches, computes, samples and
//! sends tokens; the stream turns tokens into text.

pub mod fetch;
pub mod quant;
pub mod gguf;
pub mod tokenizer;
pub mod detokenize;
pub mod stop;
pub mod template;
pub mod grammar;
mod tools;
pub mod sample;
mod kernel;
mod pack;
mod config;
mod team;
mod kv;
mod weights;
mod forward;
mod pace;
mod sequence;
mod scheduler;
mod engine;
mod stream;
mod text;
mod model;
pub mod inspect;
pub mod measure;

pub use config::ConfigError;
pub use engine::EngineLoad;
pub use model::{LoadError, LocalModel, LocalOptions};
pub use weights::WeightsError;
