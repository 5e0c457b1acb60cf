//! One step, as each member of the team runs it.
//!
//! Owns: the phases and what each of them reads and writes.
//! Never: allocates; buffers are as large as the largest step.

use super::{Buffers, FEW_ROWS, Row};
use crate::kernel::{
    Activations, Attend, BLOCK_COLUMNS, GROUP_ROWS, Kernels, Matrix, PAGE_POSITIONS, Rows, Target,
};
use crate::team::Member;
use crate::weights::{Layer, Weights};
use std::ops::Range;
use std::slice;

/// Groups of 16 rows of a matrix that a member claims at a time: small against a phase, large against a claim.
const GRAIN: usize = 4;

/// With up to this many rows a step waits for memory, not for arithmetic.
const MEMORY_BOUND_ROWS: usize = 16;
/// What is asked for before a phase begins: a third of the first-level cache.
const AHEAD_BYTES: usize = 16 << 10;

pub(super) struct Step<'a> {
    pub(super) weights: &'a Weights,
    pub(super) kernels: &'static Kernels,
    pub(super) buffers: &'a Buffers,
    /// The memory of page 0 and the length of a page.
    pub(super) pool: (*mut u16, usize),
    pub(super) rows: &'a [Row],
    pub(super) sequences: &'a [&'a [u32]],
    /// The rows whose logits are wanted.
    pub(super) outputs: &'a [usize],
    /// No sequence has two rows: each row's keys are its own unit's business.
    pub(super) one_row_each: bool,
    pub(super) score_stride: usize,
}

// SAFETY: the pool is memory shared as `Shared` is: a page's part of one layer and head is written by the
// unit of work that owns the row, and read by others only after a barrier.
unsafe impl Sync for Step<'_> {}

impl Step<'_> {
    /// All phases, on one member.
    pub(super) fn run(&self, member: &Member<'_>) {
        member.each(self.rows.len(), 1, |rows| rows.for_each(|row| self.embed(row)));
        for (index, layer) in self.weights.layers.iter().enumerate() {
            self.attention(member, index, layer);
            let next = self.weights.layers.get(index + 1).map_or(self.weights.head(), |next| &next.query);
            self.feed_forward(member, layer, next);
        }
        self.head(member);
    }

    /// The token's embedding becomes the row's hidden state.
    fn embed(&self, row: usize) {
        let (len, token) = (self.weights.config.embedding_len, self.token(row));
        // SAFETY: each row is one member's alone in this phase.
        let hidden = unsafe { slice::from_raw_parts_mut(self.buffers.hidden.at(row * len), len) };
        self.weights.embedding.row(token.token as usize, hidden);
    }

    fn attention(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        let config = &self.weights.config;
        let (query_len, kv_len) = (config.query_len(), config.kv_len());
        let normed = self.norm(member, &layer.attention_norm, self.rows.len(), |row| row);
        let parts = [(&layer.query, 0), (&layer.key, query_len), (&layer.value, query_len + kv_len)];
        let stride = query_len + 2 * kv_len;
        let multiply = |groups: Range<usize>| {
            for (matrix, column) in parts {
                let first = column / GROUP_ROWS;
                let groups = groups.start.max(first)..groups.end.min(first + matrix.groups());
                if !groups.is_empty() {
                    let target = Target { start: self.buffers.qkv.at(column), stride, accumulate: false };
                    self.gemm(matrix, normed, target, groups.start - first..groups.end - first);
                }
            }
        };
        member.each_then(stride / GROUP_ROWS, GRAIN, multiply, || self.ahead(member, &[&layer.output]));
        // A unit is a row with one key-value head; its neighbours in the batch may need its keys.
        let units = self.rows.len() * config.kv_head_count;
        if self.one_row_each {
            member.each(units, 1, |units| {
                for unit in units {
                    self.store(index, unit);
                    self.attend(member, index, unit);
                }
            });
        } else {
            member.each(units, GRAIN, |units| units.for_each(|unit| self.store(index, unit)));
            member.each(units, 1, |units| units.for_each(|unit| self.attend(member, index, unit)));
        }
        let multiply = |groups| self.gemm(&layer.output, &self.buffers.attended, self.residual(), groups);
        let ahead = || self.ahead(member, &[&layer.gate, &layer.up]);
        member.each_then(layer.output.groups(), GRAIN, multiply, ahead);
    }

    fn feed_forward(&self, member: &Member<'_>, layer: &Layer, next: &Matrix) {
        let normed = self.norm(member, &layer.feed_forward_norm, self.rows.len(), |row| row);
        let rows = Rows { input: normed, first: 0, count: self.rows.len() };
        let multiply = |blocks| {
            // SAFETY: the kernels' instructions exist; each block of outputs is one member's alone.
            unsafe { (self.kernels.gated)((&layer.gate, &layer.up), rows, &self.buffers.gated, blocks) };
        };
        let blocks = layer.gate.rows() / BLOCK_COLUMNS;
        member.each_then(blocks, 1, multiply, || self.ahead(member, &[&layer.down]));
        let multiply = |groups| self.gemm(&layer.down, &self.buffers.gated, self.residual(), groups);
        member.each_then(layer.down.groups(), GRAIN, multiply, || self.ahead(member, &[next]));
    }

    /// Asks for the start of this member's share of the next matrices, while it waits for the others.
    fn ahead(&self, member: &Member<'_>, matrices: &[&Matrix]) {
        if self.rows.len() <= MEMORY_BOUND_ROWS {
            for matrix in matrices {
                matrix.prefetch(member.share(matrix.groups()), AHEAD_BYTES / matrices.len());
            }
        }
    }

    /// Logits of the rows that want them.
    fn head(&self, member: &Member<'_>) {
        if self.outputs.is_empty() {
            return;
        }
        let source = |output: usize| self.outputs.get(output).copied().unwrap_or_default();
        let normed = self.norm(member, &self.weights.output_norm, self.outputs.len(), source);
        let head = self.weights.head();
        let target = Target {
            start: self.buffers.logits.at(0),
            stride: head.groups() * GROUP_ROWS,
            accumulate: false,
        };
        let rows = Rows { input: normed, first: 0, count: self.outputs.len() };
        member.each(head.groups(), 8 * GRAIN, |groups| {
            // SAFETY: as in `gemm`.
            unsafe { (self.kernels.gemm)(head, rows, target, groups) };
        });
    }

    /// Norms `count` rows (row `i` from hidden state `source(i)`), and gives where they are.
    fn norm<'b>(
        &'b self,
        member: &Member<'_>,
        weight: &[f32],
        count: usize,
        source: impl Fn(usize) -> usize,
    ) -> &'b Activations {
        let len = self.weights.config.embedding_len;
        let norm = |row: usize, to: &Activations| {
            let (hidden, epsilon) =
                (self.buffers.hidden.at(source(row) * len), self.weights.config.norm_epsilon);
            // SAFETY: the kernels' instructions exist; hidden states are not written in this phase, and each
            // row of the output is one member's alone.
            unsafe { (self.kernels.norm)(hidden, weight.as_ptr(), epsilon, to, row) };
        };
        if count <= FEW_ROWS
            && let Some(own) = self.buffers.own_normed.get(member.index)
        {
            (0..count).for_each(|row| norm(row, own));
            return own;
        }
        member.each(count, 1, |rows| rows.for_each(|row| norm(row, &self.buffers.normed)));
        &self.buffers.normed
    }

    /// The hidden states, to be added to.
    fn residual(&self) -> Target {
        let stride = self.weights.config.embedding_len;
        Target { start: self.buffers.hidden.at(0), stride, accumulate: true }
    }

    fn gemm(&self, matrix: &Matrix, input: &Activations, target: Target, groups: Range<usize>) {
        let rows = Rows { input, first: 0, count: self.rows.len() };
        // SAFETY: the kernels' instructions exist; the target has room for all rows and groups, and each
        // group is one member's alone.
        unsafe { (self.kernels.gemm)(matrix, rows, target, groups) };
    }

    /// The row and key-value head of a unit.
    fn unit(&self, unit: usize) -> (usize, usize) {
        let heads = self.weights.config.kv_head_count;
        (unit / heads, unit % heads)
    }

    fn token(&self, row: usize) -> Row {
        self.rows.get(row).copied().unwrap_or(Row { token: 0, position: 0, sequence: 0, output: false })
    }

    /// The pages of a row's sequence, and where this layer's and head's part of a page starts.
    fn pages(&self, row: Row, layer: usize, head: usize) -> (&[u32], usize) {
        let config = &self.weights.config;
        let part = 2 * config.head_len * PAGE_POSITIONS;
        let pages = self.sequences.get(row.sequence).copied().unwrap_or_default();
        (pages, (layer * config.kv_head_count + head) * part)
    }

    fn rotation(&self, position: usize) -> *const f32 {
        let len = self.weights.config.head_len;
        self.weights.rotations.get(position * len..(position + 1) * len).unwrap_or_default().as_ptr()
    }

    /// Writes the key and value of a unit into its page.
    fn store(&self, layer: usize, unit: usize) {
        let config = &self.weights.config;
        let (row, head) = self.unit(unit);
        let token = self.token(row);
        let (pages, part) = self.pages(token, layer, head);
        let Some(&page) = pages.get(token.position / PAGE_POSITIONS) else { return };
        let stride = config.query_len() + 2 * config.kv_len();
        let key = self.buffers.qkv.at(row * stride + config.query_len() + head * config.head_len);
        // SAFETY: the page belongs to the sequence, its slot to this unit; value follows `kv_len` after key.
        unsafe {
            let value = key.add(config.kv_len());
            let page = self.pool.0.add(page as usize * self.pool.1 + part);
            let rotation = (config.head_len, self.rotation(token.position));
            (self.kernels.store)(key, value, rotation, page, token.position % PAGE_POSITIONS);
        }
    }

    /// Attends with the query heads of a unit.
    fn attend(&self, member: &Member<'_>, layer: usize, unit: usize) {
        let config = &self.weights.config;
        let (row, head) = self.unit(unit);
        let token = self.token(row);
        let (pages, part) = self.pages(token, layer, head);
        let Some(scores) = self.buffers.scores.get(member.index) else { return };
        let query_heads = config.head_count / config.kv_head_count;
        let column = head * query_heads * config.head_len;
        let stride = config.query_len() + 2 * config.kv_len();
        // SAFETY: all pages up to the position hold stored keys and values; the queries and the output
        // columns are this unit's alone, the scores this member's.
        unsafe {
            (self.kernels.attend)(&Attend {
                queries: self.buffers.qkv.at(row * stride + column),
                query_heads,
                head_len: config.head_len,
                rotation: self.rotation(token.position),
                pages,
                pool: (self.pool.0.add(part), self.pool.1),
                positions: token.position + 1,
                scores: scores.at(0),
                score_stride: self.score_stride,
                output: &self.buffers.attended,
                row,
                column,
            });
        }
    }
}
