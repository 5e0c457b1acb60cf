//! The forward pass: one step of the model for a batch of rows of many sequences.
//!
//! Owns: the order of the phases, the buffers between them, and which memory each phase may write.
//! Never: decides what is in a batch or picks a token.
//! Flow: the scheduler fills a `Batch`; every member of the team runs `Step::run`; logits stand in `logits`.
//! Source: llama (Touvron et al., 2023): norm, attention, residual, norm, gated feed-forward, residual.
//!
//! A row's numbers depend on its own sequence alone: each is computed in one lane, in one order, whatever
//! the batch, the chunking of the prompt or the number of threads. Between phases stands a barrier.
#![expect(unsafe_code, reason = "phases write disjoint parts of shared buffers and call vector kernels")]

mod step;
#[cfg(test)]
pub(crate) mod tests;

use crate::config::ModelConfig;
use crate::kernel::{Activations, GROUP_ROWS, Kernels, PAGE_POSITIONS, Shared};
use crate::kv::PageCache;
use crate::team::Team;
use crate::weights::Weights;
use std::slice;
use std::sync::Arc;
use step::Step;

/// One token of one sequence, to be computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) token: u32,
    /// 0-based place in the sequence; all places before are computed already or stand before in the batch.
    pub(crate) position: usize,
    /// Index into `Batch::sequences`.
    pub(crate) sequence: usize,
    /// Whether the logits after this token are wanted.
    pub(crate) output: bool,
}

/// What one step computes.
pub(crate) struct Batch<'a> {
    /// Rows of one sequence stand together, in order of position.
    pub(crate) rows: &'a [Row],
    /// The pages of each sequence, with room for every position in the batch.
    pub(crate) sequences: &'a [&'a [u32]],
}

/// The most of everything that a step can hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForwardLimits {
    pub(crate) rows: usize,
    pub(crate) outputs: usize,
    /// Positions of one sequence.
    pub(crate) positions: usize,
    pub(crate) pages: usize,
}

/// Rows up to which every member norms all rows for itself, which costs less than a barrier.
const FEW_ROWS: usize = 4;

/// A model that can take steps.
pub(crate) struct Forward {
    weights: Arc<Weights>,
    kernels: &'static Kernels,
    team: Team,
    cache: PageCache,
    buffers: Buffers,
    limits: ForwardLimits,
}

/// Memory between the phases, for the largest step.
struct Buffers {
    /// The residual stream: `embedding_len` a row.
    hidden: Shared<f32>,
    /// Queries, keys and values of each row.
    qkv: Shared<f32>,
    normed: Activations,
    /// The same for each member alone, when rows are few.
    own_normed: Vec<Activations>,
    attended: Activations,
    gated: Activations,
    /// Attention scores of each member.
    scores: Vec<Shared<f32>>,
    logits: Shared<f32>,
}

impl Forward {
    pub(crate) fn new(
        weights: Arc<Weights>,
        kernels: &'static Kernels,
        team: Team,
        limits: ForwardLimits,
    ) -> Self {
        let config = &weights.config;
        let floats = weights.has_floats();
        let activations = |rows: usize, columns: usize| Activations::zeros(rows, columns, floats);
        let group = config.head_count / config.kv_head_count;
        let buffers = Buffers {
            hidden: Shared::zeros(limits.rows * config.embedding_len),
            qkv: Shared::zeros(limits.rows * (config.query_len() + 2 * config.kv_len())),
            normed: activations(limits.rows, config.embedding_len),
            own_normed: (0..team.size()).map(|_| activations(FEW_ROWS, config.embedding_len)).collect(),
            attended: activations(limits.rows, config.query_len()),
            gated: activations(limits.rows, config.feed_forward_len),
            scores: (0..team.size()).map(|_| Shared::zeros(group * score_stride(limits.positions))).collect(),
            logits: Shared::zeros(limits.outputs * weights.head().groups() * GROUP_ROWS),
        };
        let cache = PageCache::new(limits.pages, Self::page_len(config));
        Self { kernels, team, cache, buffers, limits, weights }
    }

    /// Numbers in a page: keys and values of 16 positions, for all layers and heads.
    pub(crate) fn page_len(config: &ModelConfig) -> usize {
        config.layer_count * config.kv_head_count * 2 * config.head_len * PAGE_POSITIONS
    }

    pub(crate) fn cache(&mut self) -> &mut PageCache {
        &mut self.cache
    }
    pub(crate) fn limits(&self) -> ForwardLimits {
        self.limits
    }
    pub(crate) fn team_size(&self) -> usize {
        self.team.size()
    }
    /// Tokens of the vocabulary.
    pub(crate) fn vocab_len(&self) -> usize {
        self.weights.head().rows()
    }

    /// Computes `batch` on `width` threads; the logits of its `i`-th output row are then at `logits(i)`.
    ///
    /// Rows or outputs beyond the limits, and tokens or positions out of range, are a mistake of the
    /// scheduler: they are cut off or replaced, never read out of bounds.
    pub(crate) fn step(&mut self, batch: &Batch<'_>, width: usize) {
        debug_assert!(batch.rows.len() <= self.limits.rows, "{} rows", batch.rows.len());
        let rows: Vec<Row> =
            batch.rows.iter().take(self.limits.rows).map(|row| self.checked(batch, *row)).collect();
        let outputs: Vec<usize> = (0..rows.len())
            .filter(|&row| rows.get(row).is_some_and(|row| row.output))
            .take(self.limits.outputs)
            .collect();
        let one_row_each = rows.windows(2).all(|pair| matches!(pair, [a, b] if a.sequence != b.sequence));
        let step = Step {
            weights: &self.weights,
            kernels: self.kernels,
            buffers: &self.buffers,
            pool: (self.cache.start(), self.cache.page_len()),
            rows: &rows,
            sequences: batch.sequences,
            outputs: &outputs,
            one_row_each,
            score_stride: score_stride(self.limits.positions),
        };
        self.team.run(width, &|member| step.run(member));
    }

    /// Calls `pick` for the logits of the first `count` outputs of the last step, on `width` threads.
    pub(crate) fn each_output(
        &mut self,
        count: usize,
        width: usize,
        pick: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) {
        let (stride, vocab_len) = (self.weights.head().groups() * GROUP_ROWS, self.vocab_len());
        let logits = &self.buffers.logits;
        self.team.run(width.min(count), &|member| {
            member.each(count, 1, |outputs| {
                for output in outputs {
                    // SAFETY: each output is one member's alone, and no step runs meanwhile.
                    let row = unsafe { slice::from_raw_parts_mut(logits.at(output * stride), vocab_len) };
                    pick(output, row);
                }
            });
        });
    }

    /// The index of the largest of `logits`.
    pub(crate) fn argmax(kernels: &Kernels, logits: &[f32]) -> u32 {
        // SAFETY: a table of kernels exists only where its instructions do.
        unsafe { (kernels.argmax)(logits) }
    }

    pub(crate) fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    fn checked(&self, batch: &Batch<'_>, row: Row) -> Row {
        let room = batch.sequences.get(row.sequence).map_or(0, |pages| pages.len() * PAGE_POSITIONS);
        let token_ok = (row.token as usize) < self.weights.embedding.rows();
        debug_assert!(token_ok && row.position < room.min(self.limits.positions), "{row:?} of {room}");
        Row {
            token: if token_ok { row.token } else { 0 },
            position: row.position.min(room.min(self.limits.positions).saturating_sub(1)),
            ..row
        }
    }
}

/// Scores of one head: positions in whole pages.
fn score_stride(positions: usize) -> usize {
    positions.next_multiple_of(PAGE_POSITIONS)
}
