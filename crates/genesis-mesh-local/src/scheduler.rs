//! The scheduler: which tokens of which sequences the next step computes.
//!
//! Owns: the waiting and the running sequences, the forward pass, and the order of service.
//! Never: touches text or waits for a client; a reply goes to a channel that has room.
//! Flow: the engine thread calls `admit` and `advance` while there is work: end, admit, batch, step, pick.
//!
//! Sequences that answer come first, a token each; then prompts share a budget, first come first served.
//! When pages run out the youngest gives its own back and is computed again later: equal bits, so the
//! client sees a pause and nothing else.

use crate::forward::{Batch, Forward, Row};
use crate::pace::Pace;
use crate::sequence::Sequence;
use genesis_mesh_core::{FinishReason, ModelError};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Prompt tokens in a step while others answer, for each prompt that waits: about 10 ms of work, which
/// delays an answer's next token by a few times its usual gap.
const PROMPT_SHARE: usize = 32;
/// The most prompt tokens in a step, which also bounds how late a cancel is seen.
pub(crate) const PROMPT_TOKENS_MAX: usize = 128;

/// Sequences in service.
pub(crate) struct Scheduler {
    forward: Forward,
    pace: Pace,
    waiting: VecDeque<Sequence>,
    /// In order of admission, the oldest first.
    running: Vec<Sequence>,
    slots: usize,
}

/// One sequence's part in a batch.
#[derive(Clone, Copy)]
struct Part {
    running: usize,
    tokens: usize,
    output: bool,
}

impl Scheduler {
    /// A scheduler that runs up to `slots` sequences at a time.
    pub(crate) fn new(forward: Forward, slots: usize) -> Self {
        let pace = Pace::new(forward.team_size());
        let slots = slots.min(forward.limits().outputs);
        Self { forward, pace, waiting: VecDeque::new(), running: Vec::new(), slots }
    }

    pub(crate) fn enqueue(&mut self, sequence: Sequence) {
        self.waiting.push_back(sequence);
    }
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }
    pub(crate) fn pages_in_use(&mut self) -> usize {
        self.forward.cache().pages_in_use()
    }

    /// Ends what is cancelled, admits what fits, and computes one step.
    pub(crate) fn turn(&mut self) {
        self.admit();
        self.advance();
    }

    /// Ends what is cancelled and gives free slots to those who wait.
    pub(crate) fn admit(&mut self) {
        self.end_stopped();
        while self.running.len() < self.slots
            && let Some(sequence) = self.waiting.pop_front()
        {
            self.running.push(sequence);
        }
    }

    /// Computes one step for those who run.
    pub(crate) fn advance(&mut self) {
        let parts = self.compose();
        if parts.is_empty() && !self.running.is_empty() {
            // The oldest alone fits into all pages there are: some are lost, and waiting brings none back.
            let message = "no memory is left for keys and values; this is a bug".to_owned();
            self.finish(0, Err(ModelError::Failed { message }));
            return;
        }
        self.step(&parts);
    }

    fn end_stopped(&mut self) {
        self.waiting.retain(|sequence| match sequence.stopped() {
            Some(reason) => {
                sequence.end(Ok(reason));
                false
            }
            None => true,
        });
        for index in (0..self.running.len()).rev() {
            if let Some(reason) = self.running.get(index).and_then(Sequence::stopped) {
                self.finish(index, Ok(reason));
            }
        }
    }

    fn finish(&mut self, index: usize, end: Result<FinishReason, ModelError>) {
        let mut sequence = self.running.remove(index);
        self.forward.cache().release(&mut sequence.pages);
        sequence.end(end);
    }

    /// What the next step computes, with pages for all of it.
    fn compose(&mut self) -> Vec<Part> {
        let decoding = self.running.iter().filter(|sequence| sequence.is_decoding()).count();
        let prompts = self.running.len() - decoding;
        let mut budget =
            if decoding > 0 { (PROMPT_SHARE * prompts).min(PROMPT_TOKENS_MAX) } else { PROMPT_TOKENS_MAX };
        let mut parts = Vec::with_capacity(self.running.len());
        // Answers first; within both groups the oldest first.
        for is_answer in [true, false] {
            let mut index = 0;
            while index < self.running.len() {
                let taken = self.take_part(index, is_answer, budget);
                match taken {
                    Some(part) => {
                        if !is_answer {
                            budget -= part.tokens;
                        }
                        parts.push(part);
                    }
                    None if self
                        .running
                        .get(index)
                        .is_some_and(|sequence| sequence.is_decoding() == is_answer) =>
                    {
                        // No pages, or no budget: an older sequence may take pages of the youngest.
                        let out_of_pages = budget > 0 || is_answer;
                        if out_of_pages && self.preempt_youngest(index, &mut parts) {
                            continue;
                        }
                    }
                    None => {}
                }
                index += 1;
            }
        }
        parts
    }

    /// The part of sequence `index` in the step, if it is of this kind and has budget and pages.
    fn take_part(&mut self, index: usize, is_answer: bool, budget: usize) -> Option<Part> {
        let cache = self.forward.cache();
        let sequence = self.running.get_mut(index)?;
        if sequence.is_decoding() != is_answer || (!is_answer && budget == 0) {
            return None;
        }
        if !sequence.started {
            (sequence.pages, sequence.computed) = cache.take_prefix(&sequence.tokens);
            sequence.started = true;
        }
        let pending = sequence.pending();
        let tokens = if is_answer { 1 } else { pending.min(budget) };
        cache.grow(&mut sequence.pages, sequence.computed + tokens).then_some(Part {
            running: index,
            tokens,
            output: tokens == pending,
        })
    }

    /// Takes the pages of the youngest sequence after `index` that has any; it starts again later.
    fn preempt_youngest(&mut self, index: usize, parts: &mut Vec<Part>) -> bool {
        let youngest = (index + 1..self.running.len())
            .rev()
            .find(|&at| self.running.get(at).is_some_and(|sequence| !sequence.pages.ids().is_empty()));
        let Some(youngest) = youngest else { return false };
        parts.retain(|part| part.running != youngest);
        if let Some(sequence) = self.running.get_mut(youngest) {
            self.forward.cache().release(&mut sequence.pages);
            (sequence.computed, sequence.started) = (0, false);
        }
        true
    }

    /// Computes `parts` and hands out the logits.
    fn step(&mut self, parts: &[Part]) {
        let (mut rows, mut pages) = (Vec::new(), Vec::with_capacity(parts.len()));
        for (slot, part) in parts.iter().enumerate() {
            let Some(sequence) = self.running.get(part.running) else { continue };
            let end = sequence.computed + part.tokens;
            let tokens = sequence.tokens.get(sequence.computed..end).unwrap_or_default();
            rows.extend(tokens.iter().enumerate().map(|(i, &token)| Row {
                token,
                position: sequence.computed + i,
                sequence: slot,
                output: part.output && i + 1 == part.tokens,
            }));
            pages.push(sequence.pages.ids());
        }
        if rows.is_empty() {
            return;
        }
        let width = self.pace.width(rows.len());
        let start = Instant::now();
        self.forward.step(&Batch { rows: &rows, sequences: &pages }, width);
        self.pace.took(rows.len(), width, start.elapsed());
        let cache = self.forward.cache();
        for part in parts {
            let Some(sequence) = self.running.get_mut(part.running) else { continue };
            sequence.computed += part.tokens;
            let computed = sequence.computed;
            cache.register(&mut sequence.pages, &sequence.tokens, computed);
        }
        self.pick(parts, width);
    }

    /// Lets every sequence whose logits are there pick its next token, and ends those that are done.
    fn pick(&mut self, parts: &[Part], width: usize) {
        let outputs: Vec<usize> = parts.iter().filter(|part| part.output).map(|part| part.running).collect();
        let kernels = self.forward.kernels();
        let mut order: Vec<(usize, &mut Sequence)> = self.running.iter_mut().enumerate().collect();
        order.retain(|(index, _)| outputs.contains(index));
        order.sort_by_key(|(index, _)| outputs.iter().position(|output| output == index));
        let picks: Vec<_> =
            order.into_iter().map(|(index, sequence)| Mutex::new((index, sequence, None))).collect();
        self.forward.each_output(picks.len(), width, &|output, logits| {
            if let Some(pick) = picks.get(output) {
                let mut pick = pick.lock().unwrap_or_else(PoisonError::into_inner);
                pick.2 = pick.1.pick(kernels, logits);
            }
        });
        let mut ended: Vec<(usize, Result<FinishReason, ModelError>)> = picks
            .into_iter()
            .filter_map(|pick| {
                let (index, _, end) = pick.into_inner().unwrap_or_else(PoisonError::into_inner);
                Some((index, end?))
            })
            .collect();
        // From the last to the first, so that removing one moves none of the others.
        ended.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (index, end) in ended {
            self.finish(index, end);
        }
    }
}
