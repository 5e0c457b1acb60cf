//! Each HTTP exchange as it is told: its id, its line in the log, its numbers, its span.
//!
//! Owns: the outermost layer of the router, and the end of an exchange: the last byte of its answer.
//! Never: logs a query, a header or a body.
//! Flow: `observe` begins the exchange and gives the request its context; a body that streams carries it to its end.

use crate::clock;
use crate::telemetry::convention as name;
use crate::telemetry::{REQUEST_ID, RequestContext, SpanRecord, Telemetry, TraceContext, millis};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tracing::{Instrument, Span};

/// The route of a path that leads nowhere: one label for all of them.
const UNMATCHED: &str = "unmatched";

/// The status of an exchange whose client left before its answer; no client sees it. Nginx counts so too.
const CLIENT_LEFT: u16 = 499;

/// Routes that machines ask every few seconds: their lines are for debugging.
const QUIET_ROUTES: [&str; 4] = ["/health", "/ready", "/metrics", "/info"];

/// Gives a request its id and tells its exchange when it is over.
pub(crate) async fn observe(
    State(telemetry): State<Arc<Telemetry>>,
    mut request: Request,
    next: Next,
) -> Response {
    let exchange = Exchange::begin(telemetry, &request);
    request.extensions_mut().insert(exchange.context.clone());
    let mut response = next.run(request).instrument(exchange.span.clone()).await;
    // An id has only characters that a header may have.
    if let Ok(id) = HeaderValue::from_str(exchange.context.id()) {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    exchange.answer(response)
}

/// One request and its answer; dropping it is its end.
struct Exchange {
    telemetry: Arc<Telemetry>,
    context: RequestContext,
    span: Span,
    route: Box<str>,
    method: &'static str,
    /// For the span alone.
    path: Option<Box<str>>,
    status: u16,
    started_at: Instant,
}

impl Exchange {
    fn begin(telemetry: Arc<Telemetry>, request: &Request) -> Self {
        let context = telemetry.request(request.headers());
        let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
        Self {
            span: context.span(),
            route: route.into(),
            method: method_label(request.method()),
            path: context.trace().map(|_| request.uri().path().into()),
            status: CLIENT_LEFT,
            started_at: clock::instant(),
            telemetry,
            context,
        }
    }

    /// Ends with `response`: at once if it is whole, else with its body.
    fn answer(mut self, response: Response) -> Response {
        self.status = response.status().as_u16();
        if response.body().size_hint().exact().is_some() {
            return response;
        }
        response.map(|body| Body::new(ObservedBody { body, exchange: self }))
    }

    fn record(&self, trace: TraceContext) -> SpanRecord {
        let is_error = self.status >= 500;
        let mut attributes = vec![
            KeyValue::new(name::HTTP_METHOD, self.method),
            KeyValue::new(name::HTTP_ROUTE, self.route.to_string()),
            KeyValue::new(name::HTTP_STATUS, i64::from(self.status)),
            KeyValue::new(name::URL_PATH, self.path.as_deref().unwrap_or_default().to_owned()),
            KeyValue::new(name::REQUEST_ID, self.context.id().to_owned()),
            KeyValue::new(name::KEY_NAME, self.context.key().to_owned()),
        ];
        if is_error {
            attributes.push(KeyValue::new(name::ERROR_TYPE, self.status.to_string()));
        }
        let name = format!("{} {}", self.method, self.route);
        SpanRecord { trace, kind: SpanKind::Server, name, attributes, is_error }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let duration = clock::instant().duration_since(self.started_at);
        self.telemetry.count_http(&self.route, self.method, self.status, duration);
        if let Some(trace) = self.context.trace() {
            self.telemetry.export(duration, || self.record(trace.clone()));
        }
        let _in_span = self.span.enter();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = self.method,
                    route = &*self.route,
                    status = self.status,
                    duration_ms = millis(duration),
                    key = self.context.key(),
                    "request"
                )
            };
        }
        if QUIET_ROUTES.contains(&&*self.route) { line!(debug) } else { line!(info) }
    }
}

/// A body that is made while it is sent; its last frame ends the exchange.
struct ObservedBody {
    body: Body,
    exchange: Exchange,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, exchange } = &mut *self;
        let _in_span = exchange.span.enter();
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A method as a label: those of HTTP, and one for all that clients make up.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}
