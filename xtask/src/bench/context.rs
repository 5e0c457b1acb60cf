//! The context: what all measured things are given.
//!
//! Owns: the options as they are meant, and the words about progress.
//! Never: changes while a bench runs.

use super::children::Children;
use genesis_mesh_local::LocalOptions;
use std::path::PathBuf;

/// What a measured thing may use.
pub(crate) struct Context {
    /// The command that asks for this bench, as others would write it.
    pub(crate) command: String,
    /// The program of `--against`.
    pub(crate) against: Option<PathBuf>,
    /// The Python that should have llama-cpp-python.
    pub(crate) python: PathBuf,
    /// The script that it runs.
    pub(crate) driver: PathBuf,
    /// How often each side is measured, 1 or more.
    pub(crate) rounds: usize,
    /// Threads of each engine.
    pub(crate) threads: usize,
    /// The default model, cached.
    pub(crate) model: PathBuf,
    pub(crate) children: Children,
}

impl Context {
    /// The engine's defaults with the threads of the bench and the kernels called `kernel`.
    pub(crate) fn options(&self, kernel: Option<&str>) -> LocalOptions {
        LocalOptions { threads: Some(self.threads), kernel: kernel.map(str::to_owned), ..Default::default() }
    }

    /// Says what a round of `what` (from 0) gave, on standard error.
    pub(crate) fn tell(&self, what: &str, round: usize, gave: &str) {
        eprintln!("bench: {what}, round {} of {}: {gave}", round + 1, self.rounds);
    }
}
