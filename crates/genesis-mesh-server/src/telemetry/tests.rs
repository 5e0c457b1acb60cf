//! What headers become, which ids are taken, and what is measured of a run.

use super::context::{RequestContext, TraceContext};
use super::ids::Ids;
use super::*;
use genesis_mesh::{FinishReason, GenesisMesh, ScriptedModel, Usage};
use std::sync::atomic::{AtomicU8, Ordering};

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    headers
}

/// Ids whose bytes are 1, 2, 3, …
fn counting() -> Ids {
    let next = AtomicU8::new(1);
    Ids::new(move |bytes| bytes.iter_mut().for_each(|byte| *byte = next.fetch_add(1, Ordering::Relaxed)))
}

#[test]
fn an_id_is_made_of_the_bytes_that_were_drawn() {
    let ids = counting();
    // 0x0102030405 is 00000 00100 00001 00000 00110 00001 00000 00101.
    assert_eq!(ids.request(), "req_aebagbafaydqqcikbmga2dqp");
    assert_ne!(ids.request(), Ids::new(|bytes| bytes.fill(0)).request());
    let id = Ids::system().request();
    assert_eq!(id.len(), 28);
    assert_ne!(id, Ids::system().request());
}

#[test]
fn an_id_of_a_client_is_taken_only_in_a_form_that_is_safe_everywhere() {
    let read = |value: &str| RequestContext::read(&headers("x-request-id", value), &counting(), None);
    for good in ["a", "A-b_c.9", "x".repeat(128).as_str()] {
        assert_eq!(read(good).id(), good);
    }
    for bad in ["", "a b", "a\tb", "a;b", "{}", "\u{e9}", "%0d%0a", "x".repeat(129).as_str()] {
        assert!(read(bad).id().starts_with("req_"), "{bad}");
    }
    assert!(RequestContext::read(&HeaderMap::new(), &counting(), None).id().starts_with("req_"));
}

#[test]
fn a_span_has_the_parent_that_traceparent_names() {
    let read = |value: &str| TraceContext::read(&headers("traceparent", value), &counting());
    let parent = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let span = read(&format!("00-{parent}-01"));
    assert_eq!(span.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((span.parent_id.to_string().as_str(), span.is_sampled), ("00f067aa0ba902b7", true));
    assert!(span.is_parent_remote && span.span_id != span.parent_id);
    assert!(!read(&format!("00-{parent}-00")).is_sampled);
    assert!(read(&format!("cc-{parent}-01-more")).is_parent_remote, "a later version may have more parts");
    for bad in [
        String::new(),
        "00".into(),
        format!("00-{parent}"),
        format!("00-{parent}-01-more"),
        format!("ff-{parent}-01"),
        format!("00-{}-01", parent.to_uppercase()),
        format!("00-{}-01", parent.replace('4', "g")),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(),
    ] {
        let span = read(&bad);
        assert!(
            !span.is_parent_remote && span.is_sampled && span.parent_id == opentelemetry::SpanId::INVALID,
            "{bad}"
        );
    }
    let child = span.child(&counting());
    assert_eq!(
        (child.trace_id, child.parent_id, child.is_parent_remote),
        (span.trace_id, span.span_id, false)
    );
}

/// Telemetry of a mesh with the model `m`.
async fn telemetry() -> Arc<Telemetry> {
    let model = ScriptedModel::from_toml("[[rule]]\ntext = \"x\"").unwrap();
    let mesh = GenesisMesh::new().model("m", model).setup().await.unwrap();
    Arc::new(Telemetry::new(&mesh, &Tasks::new(), &TelemetryOptions::default()).unwrap())
}

fn sample(telemetry: &Telemetry, name: &str) -> f64 {
    let text = telemetry.scrape().unwrap();
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn pieces_that_come_together_are_one_gap_and_the_clock_measures_waits() {
    let telemetry = telemetry().await;
    let mut run = telemetry.run("m", "test", &RequestContext::default());
    assert_eq!(sample(&telemetry, "genesis_runs_in_flight{agent=\"m\"}"), 1.0);
    for wait_ms in [40, 7, 15] {
        run.waits();
        tokio::time::advance(Duration::from_millis(wait_ms)).await;
        for _ in 0..3 {
            run.speaks();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
    run.finishes(Usage::new(5, 9), FinishReason::Stop);
    drop(run);
    let sample = |name: &str| sample(&telemetry, name);
    assert_eq!(sample("genesis_runs_in_flight{agent=\"m\"}"), 0.0);
    assert_eq!(sample("genesis_time_to_first_token_seconds_sum{agent=\"m\"}"), 0.04);
    assert_eq!(sample("genesis_inter_token_gap_seconds_count{agent=\"m\"}"), 2.0);
    // 3 ms pass while pieces are ready, then 7 and 15 ms of waiting.
    assert_eq!(sample("genesis_inter_token_gap_seconds_sum{agent=\"m\"}"), 0.01 + 0.018);
    assert_eq!(sample("genesis_tokens_total{agent=\"m\",direction=\"output\"}"), 9.0);
    assert_eq!(sample("genesis_tokens_total{agent=\"m\",direction=\"input\"}"), 5.0);
    assert_eq!(sample("genesis_runs_total{agent=\"m\",surface=\"test\",outcome=\"finished\"}"), 1.0);
}

#[tokio::test]
async fn a_run_ends_once_and_a_dropped_one_counts_what_it_said() {
    let telemetry = telemetry().await;
    let begin = || telemetry.run("m", "test", &RequestContext::default());
    let mut run = begin();
    run.fails("model_failed");
    run.finishes(Usage::new(1, 1), FinishReason::Stop);
    drop(run);
    let mut run = begin();
    run.speaks();
    run.speaks();
    drop(run);
    begin().is_refused("model_busy");
    begin().finishes(Usage::new(0, 0), FinishReason::Cancelled);
    let sample = |name: &str| sample(&telemetry, name);
    for outcome in ["failed", "dropped", "refused", "cancelled"] {
        let name = format!("genesis_runs_total{{agent=\"m\",surface=\"test\",outcome=\"{outcome}\"}}");
        assert_eq!(sample(&name), 1.0, "{outcome}");
    }
    assert_eq!(sample("genesis_tokens_total{agent=\"m\",direction=\"output\"}"), 2.0);
    assert_eq!(sample("genesis_run_errors_total{agent=\"m\",code=\"model_busy\"}"), 1.0);
    assert_eq!(sample("genesis_run_errors_total{agent=\"m\",code=\"model_failed\"}"), 1.0);
}

#[tokio::test]
async fn agents_that_are_not_there_add_nothing_to_the_metrics() {
    let telemetry = telemetry().await;
    let before = telemetry.scrape().unwrap().lines().filter(|line| line.contains("agent=")).count();
    telemetry.run("made-up", "test", &RequestContext::default()).is_refused("agent_not_found");
    let after = telemetry.scrape().unwrap();
    assert_eq!(after.lines().filter(|line| line.contains("agent=")).count(), before);
    assert!(!after.contains("made-up") && !after.contains("unknown"));
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    for endpoint in ["collector:4318", "ftp://x", "http://", "http://a b"] {
        let error = Spans::connect(endpoint, "x").unwrap_err();
        assert!(error.to_string().contains(endpoint), "{error}");
    }
}
