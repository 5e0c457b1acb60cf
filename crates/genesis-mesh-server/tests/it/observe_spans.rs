//! The spans of requests and runs, as a collector receives them.

use crate::desk::Desk;
use genesis_mesh_server::ServeOptions;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that keeps the spans that it gets.
struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::default();
        let kept = Arc::clone(&spans);
        #[expect(clippy::disallowed_methods, reason = "it ends with its test")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(collect(stream, Arc::clone(&kept)));
            }
        });
        Self { endpoint, spans }
    }

    fn options(&self) -> ServeOptions {
        let mut options = ServeOptions::default();
        options.telemetry.otlp_endpoint = Some(self.endpoint.clone());
        options.telemetry.service_name = "named-by-test".to_owned();
        options
    }

    /// The only span of this name.
    fn span(&self, name: &str) -> Span {
        let spans = self.spans.lock().unwrap();
        let mut found = spans.iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no span {name} in {spans:?}"));
        assert!(found.next().is_none(), "two spans {name}");
        span.clone()
    }
}

/// Reads requests of one connection: POSTs with a length.
async fn collect(mut stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let (start, length) = (end + 4, length.parse::<usize>().unwrap());
        while bytes.len() < start + length {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "a request was cut");
        }
        let request = ExportTraceServiceRequest::decode(&bytes[start..start + length]).unwrap();
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(text(&resource.attributes, "service.name"), "named-by-test");
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        bytes.drain(..start + length);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

fn number(attributes: &[KeyValue], key: &str) -> i64 {
    match value(attributes, key) {
        Some(Value::IntValue(number)) => number,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_run_is_a_span_under_its_handshake_under_the_clients_span() {
    let collector = Collector::open().await;
    let desk = Desk::with(collector.options()).await;
    let mut client =
        desk.client_with("puppet", &[("traceparent", PARENT), ("x-request-id", "shake-1")]).await;
    client.send(json!({"prompt": "echo secret words", "max_tokens": 7, "temperature": 0.5})).await;
    client.answer().await;
    drop(client);
    desk.stopped().await;

    let handshake = collector.span("GET /ws/{agent}");
    assert_eq!(hex(&handshake.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((hex(&handshake.parent_span_id).as_str(), handshake.kind), ("00f067aa0ba902b7", 2));
    assert_eq!(number(&handshake.attributes, "http.response.status_code"), 101);
    assert_eq!(text(&handshake.attributes, "http.request.method"), "GET");
    assert_eq!(text(&handshake.attributes, "http.route"), "/ws/{agent}");
    assert_eq!(text(&handshake.attributes, "url.path"), "/ws/puppet");
    let run = collector.span("chat puppet");
    assert_eq!((&run.trace_id, &run.parent_span_id), (&handshake.trace_id, &handshake.span_id));
    assert!(run.span_id != handshake.span_id && run.end_time_unix_nano >= run.start_time_unix_nano);
    for (key, expected) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "genesis_mesh"),
        ("gen_ai.request.model", "puppet"),
        ("gen_ai.response.model", "puppet"),
        ("gen_ai.agent.name", "puppet"),
        ("genesis_mesh.request_id", "shake-1"),
        ("genesis_mesh.surface", "plain_socket"),
    ] {
        assert_eq!(text(&run.attributes, key), expected, "{key}");
    }
    assert_eq!(number(&run.attributes, "gen_ai.usage.input_tokens"), 1);
    assert_eq!(number(&run.attributes, "gen_ai.usage.output_tokens"), 1);
    assert_eq!(number(&run.attributes, "gen_ai.request.max_tokens"), 7);
    assert_eq!(value(&run.attributes, "gen_ai.request.temperature"), Some(Value::DoubleValue(0.5)));
    let Some(Value::ArrayValue(reasons)) = value(&run.attributes, "gen_ai.response.finish_reasons") else {
        panic!("no reasons in {run:?}");
    };
    assert_eq!(reasons.values[0].value, Some(Value::StringValue("stop".into())));
    let first = value(&run.attributes, "gen_ai.response.time_to_first_chunk");
    assert!(matches!(first, Some(Value::DoubleValue(seconds)) if seconds >= 0.0), "{first:?}");
    let all = format!("{:?}", collector.spans.lock().unwrap());
    assert!(!all.contains("secret"), "what a prompt says stays here");
}

#[tokio::test]
async fn a_failed_run_has_its_code_and_a_pipeline_is_an_invoked_agent() {
    let collector = Collector::open().await;
    let desk = Desk::with(collector.options()).await;
    desk.client("puppet").await.ask("fail").await;
    let mut client = desk.client("lines").await;
    client.send(json!({"topic": "a"})).await;
    while client.next().await["type"] != "done" {}
    drop(client);
    desk.get("/health?key=hidden").await;
    desk.stopped().await;
    let failed = collector.span("chat puppet");
    assert_eq!(text(&failed.attributes, "error.type"), "model_failed");
    assert_eq!(failed.status.unwrap().code, 2);
    assert!(value(&failed.attributes, "gen_ai.response.finish_reasons").is_none());
    let agent = collector.span("invoke_agent lines");
    assert_eq!(text(&agent.attributes, "gen_ai.request.model"), "puppet");
    assert_eq!(agent.status.map_or(0, |status| status.code), 0);
    let health = collector.span("GET /health");
    assert!(health.parent_span_id.is_empty(), "the first span of its trace");
    assert!(!format!("{:?}", collector.spans.lock().unwrap()).contains("hidden"));
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_record_is_not_sent() {
    let collector = Collector::open().await;
    let desk = Desk::with(collector.options()).await;
    let unsampled = PARENT.replace("-01", "-00");
    let mut client = desk.client_with("puppet", &[("traceparent", &unsampled)]).await;
    client.ask("echo hi").await;
    drop(client);
    desk.get("/info").await;
    desk.stopped().await;
    let names: Vec<String> = collector.spans.lock().unwrap().iter().map(|span| span.name.clone()).collect();
    assert_eq!(names, ["GET /info"]);
}

#[tokio::test]
async fn a_server_stops_although_its_collector_is_gone() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = ServeOptions::default();
    options.telemetry.otlp_endpoint = Some(format!("http://{}", gone.local_addr().unwrap()));
    drop(gone);
    let desk = Desk::with(options).await;
    assert_eq!(desk.get("/health").await.0, 200);
    desk.stopped().await;
}
