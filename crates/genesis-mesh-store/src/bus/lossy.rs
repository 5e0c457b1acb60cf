//! A bus that does what a bus may: it drops hints, repeats them, and tells them in another order.
//!
//! Owns: which hint is lost; a seed says so, for each subscription on its own.
//! Never: part of a running program; tests wrap a bus in it, and everything must still work, later.

use futures_util::{Stream, StreamExt as _};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, BusError, Hint, Hints, Topic};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// How often what goes wrong: of a thousand hints, so many. Their sum is at most 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossyOptions {
    /// These are never told.
    pub dropped: u32,
    /// These are told twice.
    pub repeated: u32,
    /// These are told after the next one, or never if there is none.
    pub delayed: u32,
}

impl Default for LossyOptions {
    /// A third is dropped, a sixth repeated, a sixth delayed.
    fn default() -> Self {
        Self { dropped: 333, repeated: 167, delayed: 167 }
    }
}

impl LossyOptions {
    /// Nothing is ever told.
    #[must_use]
    pub fn deaf() -> Self {
        Self { dropped: 1_000, repeated: 0, delayed: 0 }
    }

    /// With so many of a thousand hints dropped, repeated and delayed.
    #[must_use]
    pub fn per_mille(dropped: u32, repeated: u32, delayed: u32) -> Self {
        Self { dropped, repeated, delayed }
    }
}

/// A bus around another one that loses hints, by a seed.
#[derive(Debug)]
pub struct LossyBus {
    bus: Arc<dyn Bus>,
    options: LossyOptions,
    seed: u64,
    subscriptions: AtomicU64,
}

impl LossyBus {
    /// A lossy bus around `bus`. The same seed loses the same hints of the same subscriptions.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, seed: u64) -> Self {
        Self::with(bus, seed, LossyOptions::default())
    }

    /// With options.
    #[must_use]
    pub fn with(bus: Arc<dyn Bus>, seed: u64, options: LossyOptions) -> Self {
        Self { bus, options, seed, subscriptions: AtomicU64::new(0) }
    }
}

impl Bus for LossyBus {
    fn publish(&self, hint: Hint) {
        self.bus.publish(hint);
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<Hints, BusError>> {
        let number = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let draws = Draws(mix(self.seed ^ mix(number)));
            let hints = self.bus.subscribe(topic).await?;
            let lossy: Hints = Box::pin(Lossy {
                hints,
                options: self.options,
                draws,
                ready: VecDeque::new(),
                delayed: None,
            });
            Ok(lossy)
        })
    }
}

struct Lossy {
    hints: Hints,
    options: LossyOptions,
    draws: Draws,
    ready: VecDeque<Hint>,
    delayed: Option<Hint>,
}

impl Lossy {
    /// Decides what becomes of a hint.
    fn decide(&mut self, hint: Hint) {
        let LossyOptions { dropped, repeated, delayed } = self.options;
        let draw = self.draws.per_mille();
        if draw < dropped {
            return;
        }
        if draw < dropped + repeated {
            self.ready.push_back(hint);
        } else if draw < dropped + repeated + delayed && self.delayed.is_none() {
            self.delayed = Some(hint);
            return;
        }
        self.ready.push_back(hint);
        self.ready.extend(self.delayed.take());
    }
}

impl Stream for Lossy {
    type Item = Hint;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        loop {
            if let Some(hint) = self.ready.pop_front() {
                return Poll::Ready(Some(hint));
            }
            let Some(hint) = ready!(self.hints.poll_next_unpin(context)) else { return Poll::Ready(None) };
            self.decide(hint);
        }
    }
}

/// Draws of a seed: SplitMix64.
struct Draws(u64);

impl Draws {
    fn per_mille(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        u32::try_from(mix(self.0) % 1_000).unwrap_or(0)
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
