//! Spans on their way to a collector, over OTLP.
//!
//! Owns: the exporter with its thread and its bounded queue; a full queue drops spans, it never waits.
//! Never: sees a span before its end: makers keep times and hand over a finished record.
//! Source: OTLP 1.x over HTTP with protobuf; the SDK's batch processor (2,048 spans, a batch each 5 s).

use super::context::TraceContext;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfig, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as Export, SpanLinks, SpanProcessor,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Where a collector takes traces, under its endpoint.
const TRACES_PATH: &str = "/v1/traces";

/// The name of what makes the spans, whatever the service is called.
const SCOPE: &str = "genesis-mesh";

/// Why telemetry can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The OTLP endpoint can't be used.
    #[error("the OTLP endpoint `{endpoint}` can't be used")]
    Endpoint {
        /// The endpoint as it was given.
        endpoint: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TelemetryError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "otlp_endpoint_invalid",
        }
    }

    /// Whether the same may succeed later: never, the endpoint must change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Endpoint { .. } => false,
        }
    }
}

/// A span that is over.
#[derive(Debug)]
pub(crate) struct SpanRecord {
    pub(crate) trace: TraceContext,
    pub(crate) kind: SpanKind,
    pub(crate) name: String,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) is_error: bool,
}

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Spans {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Spans {
    /// Makes the client; a collector that is not there is told in the log when spans are sent.
    ///
    /// # Errors
    /// `endpoint` is no URL, or the client can't be made.
    pub(super) fn connect(endpoint: &str, service_name: &str) -> Result<Self, TelemetryError> {
        // The client asks for the process's TLS provider; a program that has chosen one keeps it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let url = format!("{}{TRACES_PATH}", endpoint.trim_end_matches('/'));
        let fault = |source| TelemetryError::Endpoint { endpoint: endpoint.to_owned(), source };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(fault("it must begin with http:// or https://".into()));
        }
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).build();
        let exporter = Told {
            exporter: exporter.map_err(|error| fault(error.into()))?,
            is_failing: AtomicBool::new(false),
        };
        let mut processor = BatchSpanProcessor::new(exporter, BatchConfig::default());
        processor.set_resource(&resource(service_name));
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, scope })
    }

    /// Puts a span that lasted `duration` until `end` into the queue.
    pub(super) fn export(&self, record: SpanRecord, end: SystemTime, duration: Duration) {
        let trace = record.trace;
        let flags = if trace.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(trace.trace_id, trace.span_id, flags, false, trace.state),
            parent_span_id: trace.parent_id,
            parent_span_is_remote: trace.is_parent_remote,
            span_kind: record.kind,
            name: record.name.into(),
            start_time: end.checked_sub(duration).unwrap_or(end),
            end_time: end,
            attributes: record.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if record.is_error { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }

    pub(super) fn shut_down(&self, limit: Duration) {
        if let Err(error) = self.processor.shutdown_with_timeout(limit) {
            tracing::warn!(%error, "the last spans may not have reached the collector");
        }
    }
}

/// Who sends: the service's name, and what `OTEL_RESOURCE_ATTRIBUTES` adds.
fn resource(service_name: &str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_attribute(version).with_service_name(service_name.to_owned()).build()
}

/// An exporter whose first failure and recovery are told; the SDK itself is silent.
#[derive(Debug)]
struct Told {
    exporter: SpanExporter,
    is_failing: AtomicBool,
}

impl Export for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "spans do not reach the collector; they are dropped until they do");
            }
            Ok(()) if was_failing => tracing::info!("spans reach the collector again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
