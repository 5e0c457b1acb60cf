//! Policies of nodes: when to try again, how long to wait, what to keep.
//!
//! Owns: the settings, with their defaults and reasons.
//! Never: applies them; `drive/attempt.rs` does.
//! Source: the defaults are LangGraph's, so that graphs move over without a surprise.

use genesis_mesh_core::run::Failure;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// When a failed node is tried again.
#[derive(Clone)]
pub struct RetryPolicy {
    /// The wait before the second try.
    pub initial_interval: Duration,
    /// What each wait is multiplied with for the next one.
    pub backoff_factor: f64,
    /// The longest wait.
    pub max_interval: Duration,
    /// How often the node is tried, the first time included; 1 or more.
    pub max_attempts: u32,
    /// Whether up to a second is added to each wait, so that many that failed together come back apart.
    pub has_jitter: bool,
    /// Which failures are worth another try.
    pub retry_on: Arc<dyn Fn(&Failure) -> bool + Send + Sync>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(500),
            backoff_factor: 2.0,
            max_interval: Duration::from_secs(128),
            max_attempts: 3,
            has_jitter: true,
            retry_on: Arc::new(|failure| failure.is_retryable),
        }
    }
}

impl RetryPolicy {
    /// The default policy with this many tries.
    #[must_use]
    pub fn attempts(max_attempts: u32) -> Self {
        Self { max_attempts, ..Self::default() }
    }

    /// Says which failures are worth another try; without it those that are retryable.
    #[must_use]
    pub fn on(mut self, is_worth_it: impl Fn(&Failure) -> bool + Send + Sync + 'static) -> Self {
        self.retry_on = Arc::new(is_worth_it);
        self
    }

    /// The wait after the attempt `attempt`, from 1, without jitter.
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        let factor = self.backoff_factor.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.initial_interval.as_secs_f64() * factor).min(self.max_interval.as_secs_f64());
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(self.max_interval)
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy").field("max_attempts", &self.max_attempts).finish_non_exhaustive()
    }
}

/// How long one attempt of a node may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeoutPolicy {
    /// From its begin to its end.
    pub run: Option<Duration>,
    /// From one sign of life to the next: a piece of a message, a custom write, or `Context::heartbeat`.
    pub idle: Option<Duration>,
    /// Whether only `Context::heartbeat` is a sign of life.
    pub is_heartbeat_only: bool,
}

/// How long the writes of a node are kept for an equal input.
#[derive(Clone, Default)]
pub struct CachePolicy {
    /// For how long; `None` is for as long as the process lives.
    pub ttl: Option<Duration>,
    /// What of the input makes it equal to another; without it all of it.
    pub key: Option<CacheKey>,
}

/// A function from an input to what makes it equal to another.
pub type CacheKey = Arc<dyn Fn(&Value) -> String + Send + Sync>;

impl CachePolicy {
    /// When what is kept at `now_ms` is too old; `None` for never.
    pub(crate) fn until(&self, now_ms: i64) -> Option<i64> {
        let ttl_ms = i64::try_from(self.ttl?.as_millis()).unwrap_or(i64::MAX);
        Some(now_ms.saturating_add(ttl_ms))
    }
}

impl fmt::Debug for CachePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachePolicy").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What a call does to the world outside, and so whether its code may run again after a stop in the middle of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing that matters: it may run again.
    #[default]
    Pure,
    /// The world takes it once for each key, however often it runs: see [`Context::idempotency_key`](super::Context).
    Idempotent,
    /// It runs once at most. That it begins is kept before it does. If the process stopped in the middle of it, it took
    /// too long or panicked, a person is asked what came of it. So is one if it was dropped in the middle, as by
    /// `tokio::try_join!` when another call fails; `tokio::join!` lets it end.
    AtMostOnce,
}

/// How a call is tried.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// What it does to the world outside.
    pub effect: Effect,
    /// What the call works on, as streams show it and a cache knows it by.
    pub input: Value,
    /// For how long its result is kept for an equal input; without it not at all.
    pub cache: Option<CachePolicy>,
    /// When it is tried again; without any it is tried once.
    pub retry: Vec<RetryPolicy>,
    /// How long an attempt may take.
    pub timeout: TimeoutPolicy,
}

impl CallOptions {
    /// Says what the call does to the world outside.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}
