//! Retries: what is tried again, how often, and after which wait.
//!
//! Owns: failures before an answer begins.
//! Never: waits longer than a millisecond for a retry.

use crate::upstream::*;
use genesis_mesh_core::{Model as _, ModelError};
use std::time::Duration;

/// The answers' summaries and the requests that came for them, with two retries.
async fn asked(scripts: Vec<Vec<Step>>) -> ((String, &'static str), usize) {
    let mut upstream = FaultUpstream::start(scripts).await;
    let items = answer_of(&upstream.model(|_| {})).await;
    (summary(&items), upstream.request_count())
}

fn clean() -> (String, &'static str) {
    ("Hi".to_owned(), "done")
}

fn failed(code: &'static str) -> (String, &'static str) {
    (String::new(), code)
}

fn limited(headers: &str) -> Vec<Step> {
    vec![answer(429, headers, r#"{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}"#)]
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    assert_eq!(asked(vec![limited("retry-after-ms: 1\r\n"), good()]).await, (clean(), 2));
    assert_eq!(asked(vec![limited("retry-after: 0\r\n"), good()]).await, (clean(), 2));
    assert_eq!(asked(vec![limited(""), good()]).await, (clean(), 2));
    for status in [408, 409, 500, 502, 503, 504] {
        assert_eq!(asked(vec![vec![answer(status, "", "")], good()]).await, (clean(), 2), "{status}");
    }
    assert_eq!(asked(vec![vec![Step::Close], vec![Step::Reset], good()]).await, (clean(), 3));
}

#[tokio::test]
async fn what_does_not_pass_is_told_after_two_retries() {
    assert_eq!(asked(vec![vec![answer(500, "", "")]]).await, (failed("model_failed"), 3));
    assert_eq!(asked(vec![vec![answer(502, "", "")]]).await, (failed("model_unreachable"), 3));
    assert_eq!(asked(vec![limited("retry-after-ms: 1\r\n")]).await, (failed("model_rate_limited"), 3));
    assert_eq!(asked(vec![vec![Step::Close]]).await, (failed("model_unreachable"), 3));
}

#[tokio::test]
async fn what_cannot_pass_is_told_at_once() {
    let table =
        [(400, "invalid_request"), (401, "model_refused"), (404, "model_refused"), (405, "model_failed")];
    for (status, code) in table {
        assert_eq!(asked(vec![vec![answer(status, "", "")], good()]).await, (failed(code), 1), "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_has_begun_is_never_asked_for_again() {
    assert_eq!(asked(vec![vec![head(), Step::Close], good()]).await, (failed("model_truncated"), 1));
    let script = vec![head(), chunk(&piece("a")), Step::Reset];
    assert_eq!(asked(vec![script, good()]).await, (("a".to_owned(), "model_truncated"), 1));
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_told_and_not_waited_for() {
    let mut upstream = FaultUpstream::start(vec![limited("retry-after: 11\r\n"), good()]).await;
    let items = answer_of(&upstream.model(|_| {})).await;
    assert_eq!(items.len(), 1);
    let error = items[0].as_ref().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
    assert!(error.to_string().ends_with(": slow down"));
    assert_eq!(upstream.request_count(), 1);

    // The same for a wait beyond the limit of the whole answer.
    let mut upstream = FaultUpstream::start(vec![limited("retry-after: 9\r\n"), good()]).await;
    let model = upstream.model(|options| options.timeouts.total = Duration::from_secs(8));
    assert_eq!(summary(&answer_of(&model).await), failed("model_rate_limited"));
    assert_eq!(upstream.request_count(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_costs_no_answer() {
    let mut closing = good();
    closing.push(Step::Close);
    let mut upstream = FaultUpstream::start(vec![closing, good()]).await;
    let model = upstream.model(|_| {});
    assert_eq!(summary(&answer_of(&model).await), clean());
    assert_eq!(summary(&answer_of(&model).await), clean());
    assert_eq!(upstream.request_count(), 2);
}

#[tokio::test]
async fn a_request_beyond_the_bound_is_refused_until_another_ends() {
    let mut upstream = FaultUpstream::start(vec![vec![Step::Hold], good()]).await;
    let model = upstream.model(|options| options.in_flight_max = 1);
    let first = model.generate(ask()).await.unwrap();
    assert_eq!(model.generate(ask()).await.err(), Some(ModelError::Busy { queued: 1 }));
    drop(first);
    assert_eq!(upstream.request_count(), 0, "a stream that is not polled sends nothing");
    let hasty = upstream.model(|options| options.timeouts.first_piece = Duration::from_millis(50));
    assert_eq!(summary(&answer_of(&hasty).await), failed("model_timeout"));
    assert_eq!(summary(&answer_of(&model).await), clean());
}
