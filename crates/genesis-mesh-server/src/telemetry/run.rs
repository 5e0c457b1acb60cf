//! The measure of one run: when it started, spoke and ended, and what it cost.
//!
//! Owns: what a run adds to the metrics, its line in the log, and its span.
//! Never: reads the clock or touches an atomic for a token that was ready: only when the run was waited for, and
//! at its end.
//! Flow: `served` tells it each poll; dropping it before an end counts as `dropped`.

use super::Telemetry;
use super::context::{RequestContext, TraceContext};
use super::convention as name;
use super::metrics::AgentMetrics;
use super::spans::SpanRecord;
use crate::clock;
use genesis_mesh::{Ask, FinishReason, Usage};
use opentelemetry::trace::SpanKind;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Span;

/// Who made the answer, as far as the conventions of traces want to know.
const PROVIDER: &str = "genesis_mesh";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome<'a> {
    Finished(FinishReason),
    Cancelled,
    /// After it had started.
    Failed(&'a str),
    /// Before it had started.
    Refused(&'a str),
    /// Its client left.
    Dropped,
}

impl<'a> Outcome<'a> {
    fn label(self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Dropped => "dropped",
        }
    }

    fn error(self) -> Option<&'a str> {
        match self {
            Self::Failed(error) | Self::Refused(error) => Some(error),
            _ => None,
        }
    }

    fn finish_reason(self) -> Option<&'static str> {
        match self {
            Self::Finished(FinishReason::Stop) => Some("stop"),
            Self::Finished(FinishReason::Length) => Some("length"),
            Self::Finished(FinishReason::ToolCalls) => Some("tool_calls"),
            Self::Finished(FinishReason::ContentFilter) => Some("content_filter"),
            Self::Finished(FinishReason::Cancelled) | Self::Cancelled => Some("cancelled"),
            _ => None,
        }
    }
}

/// What was asked for, as far as a span tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Asked {
    max_tokens: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    seed: Option<i64>,
}

impl Asked {
    pub(crate) fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Input { value } => Self {
                max_tokens: value.get("max_tokens").and_then(serde_json::Value::as_i64),
                temperature: value.get("temperature").and_then(serde_json::Value::as_f64),
                top_p: value.get("top_p").and_then(serde_json::Value::as_f64),
                seed: value.get("seed").and_then(serde_json::Value::as_i64),
            },
            Ask::Chat { request } => Self {
                max_tokens: request.max_tokens.map(i64::from),
                temperature: Some(request.sampling.temperature.into()),
                top_p: Some(request.sampling.top_p.into()),
                seed: request.sampling.seed.and_then(|seed| i64::try_from(seed).ok()),
            },
            Ask::Answer { .. } | Ask::Answers { .. } | Ask::GoOn => Self::default(),
        }
    }
}

/// One run, measured.
#[derive(Debug)]
pub(crate) struct RunMeasure {
    telemetry: Arc<Telemetry>,
    agent: Arc<AgentMetrics>,
    surface: &'static str,
    request: RequestContext,
    span: Span,
    asked: Option<Box<Asked>>,
    started_at: Instant,
    first_after: Option<Duration>,
    /// When pieces were last waited for and came.
    ready_at: Instant,
    pieces: u64,
    is_waiting: bool,
    is_ended: bool,
}

impl RunMeasure {
    pub(super) fn begin(
        telemetry: Arc<Telemetry>,
        agent: Arc<AgentMetrics>,
        surface: &'static str,
        request: RequestContext,
    ) -> Self {
        agent.in_flight.inc();
        let started_at = clock::instant();
        Self {
            telemetry,
            agent,
            surface,
            span: request.span(),
            request,
            asked: None,
            started_at,
            first_after: None,
            ready_at: started_at,
            pieces: 0,
            is_waiting: true,
            is_ended: false,
        }
    }

    /// Keeps what was asked for, if the run's span goes anywhere.
    pub(crate) fn asks(&mut self, ask: impl FnOnce() -> Ask) {
        if self.request.trace().is_some() {
            self.asked = Some(Box::new(Asked::of(&ask())));
        }
    }

    /// The span of the run's log lines.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Whether the last poll found nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// A poll found nothing.
    pub(crate) fn waits(&mut self) {
        self.is_waiting = true;
    }

    /// A poll found a piece. For all but the first of those that come together this is an addition.
    pub(crate) fn speaks(&mut self) {
        self.pieces += 1;
        if self.is_waiting {
            self.is_waiting = false;
            self.waited();
        }
    }

    /// The run told its end.
    pub(crate) fn finishes(&mut self, usage: Usage, finish_reason: FinishReason) {
        match finish_reason {
            FinishReason::Cancelled => self.end(Outcome::Cancelled, Some(usage)),
            reason => self.end(Outcome::Finished(reason), Some(usage)),
        }
    }

    /// The run ended with an error of this code.
    pub(crate) fn fails(&mut self, code: &str) {
        self.end(Outcome::Failed(code), None);
    }

    /// The run did not start.
    pub(crate) fn is_refused(&mut self, code: &'static str) {
        self.end(Outcome::Refused(code), None);
    }

    #[cold]
    fn waited(&mut self) {
        let now = clock::instant();
        if self.first_after.is_none() {
            let after = now.duration_since(self.started_at);
            self.first_after = Some(after);
            self.agent.first_token.observe(after.as_secs_f64());
        } else {
            self.agent.gap.observe(now.duration_since(self.ready_at).as_secs_f64());
        }
        self.ready_at = now;
    }

    #[cold]
    fn end(&mut self, outcome: Outcome<'_>, usage: Option<Usage>) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let duration = clock::instant().duration_since(self.started_at);
        // A run that told no usage made at least one token for each piece.
        let usage = usage.unwrap_or_else(|| Usage::new(0, self.pieces));
        self.agent.in_flight.dec();
        self.agent.input_tokens.inc_by(usage.input_tokens);
        self.agent.output_tokens.inc_by(usage.output_tokens);
        self.agent.duration.observe(duration.as_secs_f64());
        self.agent.count_run(self.surface, outcome.label());
        if let Some(error) = outcome.error() {
            self.agent.count_error(error);
        }
        self.log(outcome, usage, duration);
        if let Some(trace) = self.request.trace() {
            let trace = self.telemetry.child(trace);
            self.telemetry.export(duration, || self.record(trace, outcome, usage));
        }
    }

    fn log(&self, outcome: Outcome<'_>, usage: Usage, duration: Duration) {
        let _in_span = self.span.enter();
        let ttft_ms = self.first_after.map(millis);
        let Usage { input_tokens, output_tokens, .. } = usage;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    agent = &*self.agent.name,
                    surface = self.surface,
                    outcome = outcome.label(),
                    finish_reason = outcome.finish_reason(),
                    error = outcome.error(),
                    input_tokens,
                    output_tokens,
                    ttft_ms,
                    duration_ms = millis(duration),
                    key = self.request.key(),
                    "run ended"
                )
            };
        }
        match outcome {
            Outcome::Failed(_) => line!(warn),
            _ => line!(info),
        }
    }

    fn record(&self, trace: TraceContext, outcome: Outcome<'_>, usage: Usage) -> SpanRecord {
        let is_bare_model = *self.agent.name == *self.agent.model;
        let (operation, target) =
            if is_bare_model { ("chat", &*self.agent.model) } else { ("invoke_agent", &*self.agent.name) };
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let mut attributes = vec![
            KeyValue::new(name::OPERATION_NAME, operation),
            KeyValue::new(name::PROVIDER_NAME, PROVIDER),
            KeyValue::new(name::AGENT_NAME, self.agent.name.to_string()),
            KeyValue::new(name::REQUEST_MODEL, self.agent.model.clone()),
            KeyValue::new(name::RESPONSE_MODEL, self.agent.model_own_name.clone()),
            KeyValue::new(name::USAGE_INPUT_TOKENS, count(usage.input_tokens)),
            KeyValue::new(name::USAGE_OUTPUT_TOKENS, count(usage.output_tokens)),
            KeyValue::new(name::SURFACE, self.surface),
            KeyValue::new(name::REQUEST_ID, self.request.id().to_owned()),
            KeyValue::new(name::KEY_NAME, self.request.key().to_owned()),
        ];
        let mut add = |key: &'static str, value: Option<Value>| {
            attributes.extend(value.map(|value| KeyValue::new(key, value)));
        };
        let reasons = |reason: &'static str| Value::Array(Array::String(vec![StringValue::from(reason)]));
        add(name::RESPONSE_FINISH_REASONS, outcome.finish_reason().map(reasons));
        add(name::RESPONSE_FIRST_CHUNK, self.first_after.map(|after| after.as_secs_f64().into()));
        add(name::ERROR_TYPE, outcome.error().map(|error| Value::from(error.to_owned())));
        let asked = self.asked.as_deref().cloned().unwrap_or_default();
        add(name::REQUEST_MAX_TOKENS, asked.max_tokens.map(Value::from));
        add(name::REQUEST_TEMPERATURE, asked.temperature.map(Value::from));
        add(name::REQUEST_TOP_P, asked.top_p.map(Value::from));
        add(name::REQUEST_SEED, asked.seed.map(Value::from));
        SpanRecord {
            trace,
            kind: SpanKind::Internal,
            name: format!("{operation} {target}"),
            attributes,
            is_error: outcome.error().is_some(),
        }
    }
}

impl Drop for RunMeasure {
    fn drop(&mut self) {
        self.end(Outcome::Dropped, None);
    }
}

/// Milliseconds to three places, as a log shows them.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
