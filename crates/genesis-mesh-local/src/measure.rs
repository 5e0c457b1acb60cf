//! Measures: the engine's own speed, without text, tasks or sockets.
//!
//! Owns: the loads that benches run and what they report.
//! Never: runs in a server.
//! Flow: `cargo xtask bench` calls `Probe::run`, which feeds the scheduler as the engine's thread does.

use crate::model::{LoadError, LocalModel, LocalOptions};
use crate::sample::Sampler;
use crate::scheduler::Scheduler;
use crate::sequence::{Reply, Sequence};
use genesis_mesh_core::Sampling;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A model to be measured.
pub struct Probe {
    scheduler: Scheduler,
    vocab_len: u32,
    /// Makes every prompt new, so that none finds its prefix in the cache.
    prompts: u32,
}

/// What to compute: greedy answers that no end token ends.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Sequences at a time, at most the slots.
    pub sequences: usize,
    /// Tokens of each prompt.
    pub prompt_tokens: usize,
    /// Tokens of each answer, 2 or more.
    pub answer_tokens: usize,
}

/// How long it took.
#[derive(Debug, Clone)]
pub struct Measured {
    /// From the start to the first token of the last sequence.
    pub prefill: Duration,
    /// Tokens of all sequences a second, from then to the end of the first sequence.
    pub decode_tokens_per_s: f64,
    /// The time of each step in that span, sorted.
    pub steps: Vec<Duration>,
}

impl Probe {
    /// Loads the model at `path`.
    ///
    /// # Errors
    /// As [`LocalModel::load`].
    pub fn load(path: &Path, options: &LocalOptions) -> Result<Self, LoadError> {
        let (scheduler, vocab_len) = LocalModel::load_scheduler(path, options)?;
        Ok(Self { scheduler, vocab_len: u32::try_from(vocab_len).unwrap_or(u32::MAX), prompts: 0 })
    }

    /// Runs `load` to its end.
    pub fn run(&mut self, load: Load) -> Measured {
        let mut readers = Vec::new();
        for _ in 0..load.sequences {
            let (sequence, replies) = self.sequence(load);
            self.scheduler.enqueue(sequence);
            readers.push(Reader { replies, tokens: 0 });
        }
        let start = Instant::now();
        while readers.iter_mut().any(|reader| reader.read() == 0) {
            self.scheduler.turn();
        }
        let prefill = start.elapsed();
        let before: usize = readers.iter_mut().map(Reader::read).sum();
        let (start, mut steps) = (Instant::now(), Vec::new());
        while readers.iter_mut().all(|reader| reader.read() < load.answer_tokens) {
            let step = Instant::now();
            self.scheduler.turn();
            steps.push(step.elapsed());
        }
        let (time, after) = (start.elapsed(), readers.iter_mut().map(Reader::read).sum::<usize>());
        drop(readers);
        while !self.scheduler.is_idle() {
            self.scheduler.turn();
        }
        steps.sort();
        Measured { prefill, decode_tokens_per_s: (after - before) as f64 / time.as_secs_f64(), steps }
    }

    fn sequence(&mut self, load: Load) -> (Sequence, mpsc::Receiver<Reply>) {
        self.prompts += 1;
        let token = |i: u32| {
            self.prompts.wrapping_mul(131).wrapping_add(i).wrapping_mul(7919) % (self.vocab_len - 1000) + 1000
        };
        let tokens: Vec<u32> = (0..load.prompt_tokens as u32).map(token).collect();
        let (reply, replies) = mpsc::channel(load.answer_tokens + 1);
        let sequence = Sequence {
            prompt_len: tokens.len(),
            len_max: tokens.len() + load.answer_tokens,
            tokens,
            end_tokens: Arc::new([]),
            sampler: Sampler::new(&Sampling::default(), 0),
            grammar: None,
            logprobs: None,
            cancel: Arc::new(AtomicBool::new(false)),
            reply,
            pages: Default::default(),
            computed: 0,
            started: false,
        };
        (sequence, replies)
    }
}

struct Reader {
    replies: mpsc::Receiver<Reply>,
    tokens: usize,
}

impl Reader {
    /// Tokens that have come so far.
    fn read(&mut self) -> usize {
        while let Ok(reply) = self.replies.try_recv() {
            self.tokens += usize::from(matches!(reply, Reply::Token { .. }));
        }
        self.tokens
    }
}
