//! What a request is known by: its id, its place in a trace, and the name of its key.
//!
//! Owns: which ids of clients are taken, and the tracing span that puts the id into each log line.
//! Never: trusts a header's form.
//! Flow: `http::trace` reads it and gives it to the request; a principal carries it to runs and sockets.
//! Source: W3C Trace Context, section 3.2 (`traceparent`).

use super::ids::Ids;
use axum::http::HeaderMap;
use opentelemetry::trace::TraceState;
use opentelemetry::{SpanId, TraceId};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use tracing::Span;

/// The header of the id, in both directions.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The longest id of a client that is taken, in bytes.
const ID_BYTES_MAX: usize = 128;

/// One request's identity; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestContext {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    id: Box<str>,
    trace: Option<TraceContext>,
    key: OnceLock<Arc<str>>,
}

impl RequestContext {
    /// The client's id if it is an acceptable one, else a new one.
    pub(super) fn read(headers: &HeaderMap, ids: &Ids, trace: Option<TraceContext>) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
        let id = given.map_or_else(|| ids.request().into(), Box::from);
        Self { inner: Arc::new(Inner { id, trace, key: OnceLock::new() }) }
    }

    /// That of a run whose request is over, perhaps in another process: who asked is all that is known of it.
    pub(crate) fn of_owner(owner: Option<&str>) -> Self {
        let context = Self::default();
        context.identify(&Arc::from(owner.unwrap_or("anonymous")));
        context
    }

    /// The id: 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
    pub(crate) fn id(&self) -> &str {
        &self.inner.id
    }

    /// The request's own span; `None` if spans go nowhere, or its caller wants none of this trace.
    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.inner.trace.as_ref().filter(|trace| trace.is_sampled)
    }

    /// Notes who asks, for the log.
    pub(crate) fn identify(&self, key: &Arc<str>) {
        // A request is admitted once; a second name would be a mistake, and the first stays.
        drop(self.inner.key.set(Arc::clone(key)));
    }

    /// The name of the key; empty if the request was refused before one was known.
    pub(crate) fn key(&self) -> &str {
        self.inner.key.get().map_or("", |key| key)
    }

    /// The span for the log lines of this request. It counts as an error so that no filter but `off` drops it,
    /// and a warning keeps its id.
    pub(crate) fn span(&self) -> Span {
        let trace_id = self.trace().map(|trace| tracing::field::display(trace.trace_id));
        tracing::error_span!(parent: None, "request", request_id = self.id(), trace_id)
    }
}

fn is_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_allowed)
}

/// A span's place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// The caller's span; invalid if this is the first.
    pub(crate) parent_id: SpanId,
    pub(crate) is_parent_remote: bool,
    pub(crate) is_sampled: bool,
    pub(crate) state: TraceState,
}

impl TraceContext {
    /// A span under the one that the headers name, or the first of a new trace.
    pub(super) fn read(headers: &HeaderMap, ids: &Ids) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some((trace_id, parent_id, is_sampled)) = text("traceparent").and_then(parse) else {
            return Self {
                trace_id: ids.trace(),
                span_id: ids.span(),
                parent_id: SpanId::INVALID,
                is_parent_remote: false,
                is_sampled: true,
                state: TraceState::default(),
            };
        };
        let state = text("tracestate").and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
        Self { trace_id, span_id: ids.span(), parent_id, is_parent_remote: true, is_sampled, state }
    }

    /// A span under this one.
    pub(super) fn child(&self, ids: &Ids) -> Self {
        Self { span_id: ids.span(), parent_id: self.span_id, is_parent_remote: false, ..self.clone() }
    }
}

/// The trace, the caller's span, and whether it is recorded.
fn parse(header: &str) -> Option<(TraceId, SpanId, bool)> {
    let mut parts = header.trim().split('-');
    let mut part = |chars: usize| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == chars && part.bytes().all(is_digit))
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    // Version 00 has four parts; a later one may have more, 255 is none.
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some((trace, span, is_sampled))
}
