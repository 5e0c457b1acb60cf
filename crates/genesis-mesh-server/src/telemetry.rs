//! Telemetry: what a server tells of itself: ids, logs, metrics and traces.
//!
//! Owns: the randomness of ids and the sinks that requests and runs report to.
//! Never: changes what a request gets, reads a body, or keeps a prompt.
//! Flow: `http::trace` begins each request here, `served` each run; `/metrics` reads what they counted.

mod ids;
mod context;
pub(crate) mod convention;
mod spans;
mod process;
mod scrape;
mod metrics;
mod run;

pub(crate) use context::{REQUEST_ID, RequestContext, TraceContext};
pub(crate) use run::{RunMeasure, millis};
pub(crate) use spans::SpanRecord;
pub use spans::TelemetryError;

use crate::clock;
use crate::options::TelemetryOptions;
use crate::tasks::Tasks;
use axum::http::HeaderMap;
use genesis_mesh::Mesh;
use ids::Ids;
use metrics::{HttpLabels, Metrics};
use spans::Spans;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The media type of [`Telemetry::scrape`].
pub(crate) const SCRAPE_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The sinks of one server.
#[derive(Debug)]
pub(crate) struct Telemetry {
    ids: Ids,
    metrics: Metrics,
    spans: Option<Spans>,
    started_at: Instant,
}

impl Telemetry {
    /// The telemetry of a server of `mesh`; with an OTLP endpoint spans go there.
    ///
    /// # Errors
    /// The endpoint is no URL, or its client can't be made.
    pub(crate) fn new(
        mesh: &Mesh,
        tasks: &Tasks,
        options: &TelemetryOptions,
    ) -> Result<Self, TelemetryError> {
        let spans = options.otlp_endpoint.as_deref();
        let spans = spans.map(|endpoint| Spans::connect(endpoint, &options.service_name)).transpose()?;
        let metrics = Metrics::new(mesh, tasks);
        Ok(Self { ids: Ids::system(), metrics, spans, started_at: clock::instant() })
    }

    /// How long this server has been up.
    pub(crate) fn uptime(&self) -> Duration {
        clock::instant().duration_since(self.started_at)
    }

    /// What a request with these headers is known by.
    pub(crate) fn request(&self, headers: &HeaderMap) -> RequestContext {
        let trace = self.spans.is_some().then(|| TraceContext::read(headers, &self.ids));
        RequestContext::read(headers, &self.ids, trace)
    }

    /// Counts an HTTP exchange that is over.
    pub(crate) fn count_http(&self, route: &str, method: &'static str, status: u16, duration: Duration) {
        let labels = HttpLabels { route: route.to_owned(), method, status };
        self.metrics.count_http(&labels, duration);
    }

    /// Hands a span that lasted `duration` until now to the exporter; without one it does nothing.
    pub(crate) fn export(&self, duration: Duration, record: impl FnOnce() -> SpanRecord) {
        if let Some(spans) = &self.spans {
            spans.export(record(), clock::wall(), duration);
        }
    }

    /// A span under `trace`.
    fn child(&self, trace: &TraceContext) -> TraceContext {
        trace.child(&self.ids)
    }

    /// Begins to measure a run of `agent`.
    pub(crate) fn run(
        self: &Arc<Self>,
        agent: &str,
        surface: &'static str,
        request: &RequestContext,
    ) -> RunMeasure {
        RunMeasure::begin(Arc::clone(self), self.metrics.agent(agent), surface, request.clone())
    }

    /// All metrics as `OpenMetrics` text.
    pub(crate) fn scrape(&self) -> Option<String> {
        self.metrics.encode()
    }

    /// Sends the spans that wait and stops the exporter; blocks for at most `limit`.
    pub(crate) fn shut_down(&self, limit: Duration) {
        if let Some(spans) = &self.spans {
            spans.shut_down(limit);
        }
    }

    /// Whether `shut_down` has something to wait for.
    pub(crate) fn is_exporting(&self) -> bool {
        self.spans.is_some()
    }
}

#[cfg(test)]
mod tests;
