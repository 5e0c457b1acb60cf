//! Errors of servers, as they write them.

use super::super::secret::ApiKey;
use super::*;
use http::HeaderValue;
use serde_json::json;

fn redactor() -> Redactor {
    Redactor::new(Some(&ApiKey::new("sk-secret")), &[])
}

fn failure(status: u16, body: &str) -> Failure {
    let status = StatusCode::from_u16(status).expect("a status");
    Told::read(body.as_bytes(), &redactor()).into_failure(status, None)
}

fn error(status: u16, body: &Value) -> ModelError {
    failure(status, &body.to_string()).error
}

#[test]
fn each_status_has_its_code_and_says_whether_a_retry_helps() {
    let table = [
        (400, "invalid_request", false),
        (422, "invalid_request", false),
        (401, "model_refused", false),
        (403, "model_refused", false),
        (404, "model_refused", false),
        (408, "model_unreachable", true),
        (409, "model_unreachable", true),
        (429, "model_rate_limited", true),
        (529, "model_rate_limited", true),
        (500, "model_failed", true),
        (501, "model_failed", true),
        (502, "model_unreachable", true),
        (503, "model_unreachable", true),
        (504, "model_unreachable", true),
        (405, "model_failed", false),
        (418, "model_failed", false),
    ];
    for (status, code, is_worth_retry) in table {
        let failure = failure(status, "");
        assert_eq!((failure.error.code(), failure.is_worth_retry), (code, is_worth_retry), "{status}");
    }
}

#[test]
fn a_server_that_is_overloaded_and_says_for_how_long_limits_the_rate() {
    let wait = Some(Duration::from_secs(3));
    let failure = Told::default().into_failure(StatusCode::SERVICE_UNAVAILABLE, wait);
    assert_eq!(failure.error.retry_after(), wait);
    assert_eq!(failure.wait, wait);
}

#[test]
fn a_quota_that_is_used_up_is_not_tried_again() {
    let failure = failure(429, r#"{"error": {"message": "pay", "code": "insufficient_quota"}}"#);
    assert!(!failure.is_worth_retry);
    assert_eq!(failure.error.code(), "model_rate_limited");
}

#[test]
fn the_servers_words_and_field_are_told_without_the_key() {
    let body = json!({"error": {"message": "bad key sk-secret", "param": "stop", "type": "x", "code": null}});
    let told = ModelError::InvalidRequest {
        param: Some("stop".to_owned()),
        message: "bad key [removed]".to_owned(),
    };
    assert_eq!(error(400, &body), told);
    let words = |body: &str| failure(401, body).error.to_string();
    assert!(words(r#"{"detail": "no sk-secret"}"#).ends_with(": no [removed]"));
    assert!(words(r#"{"error": "no"}"#).ends_with(": no"));
    assert!(words("plain words").ends_with(": plain words"));
    assert!(words("<html>a page</html>").ends_with(": it answered 401"));
    assert!(words("").ends_with(": it answered 401"));
}

#[test]
fn a_prompt_that_is_too_long_is_told_with_its_numbers_if_they_can_be_found() {
    let openai =
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 5360 tokens.";
    let vllm = "This model's maximum context length is 4097 tokens. However, you requested 6000 tokens \
                (5360 in the messages, 640 in the completion).";
    let exceeded = ModelError::ContextExceeded { prompt_tokens: 5360, context_tokens: 4097 };
    for message in [openai, vllm] {
        let body = json!({"error": {"message": message, "code": "context_length_exceeded"}});
        assert_eq!(error(400, &body), exceeded);
    }
    let body = json!({"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error",
        "n_prompt_tokens": 5360, "n_ctx": 4097}});
    assert_eq!(error(400, &body), exceeded);
    // The prompt alone would fit: it is `max_tokens` that is too high.
    let fits = vllm.replace("5360 in", "4000 in");
    let body = json!({"error": {"message": fits, "code": "context_length_exceeded"}});
    assert_eq!(error(400, &body).code(), "invalid_request");
    let body = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    assert_eq!(error(400, &body).code(), "invalid_request");
}

#[test]
fn an_error_in_a_stream_is_told_by_its_status_or_its_names() {
    let table = [
        (json!({"message": "x", "code": 429}), "model_rate_limited"),
        (json!({"message": "x", "code": 400}), "invalid_request"),
        (json!({"message": "x", "code": "rate_limit_exceeded"}), "model_rate_limited"),
        (json!({"message": "x", "type": "invalid_request_error"}), "invalid_request"),
        (json!({"message": "x", "type": "authentication_error"}), "model_refused"),
        (json!({"message": "x", "type": "server_error"}), "model_failed"),
        (json!("x"), "model_failed"),
        (json!({}), "model_failed"),
    ];
    for (told, code) in table {
        assert_eq!(Told::from_value(&told, &redactor()).into_error().code(), code, "{told}");
    }
}

#[test]
fn a_wait_is_read_in_milliseconds_seconds_and_as_a_date() {
    let wait = |pairs: &[(&'static str, &'static str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        wait_asked(&pairs.collect())
    };
    let date = ("date", "Sun, 22 Nov 2026 10:00:00 GMT");
    assert_eq!(wait(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
    assert_eq!(wait(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
    assert_eq!(wait(&[("retry-after-ms", "40"), ("retry-after", "2")]), Some(Duration::from_millis(40)));
    let later = ("retry-after", "Sun, 22 Nov 2026 10:00:07 GMT");
    assert_eq!(wait(&[date, later]), Some(Duration::from_secs(7)));
    assert_eq!(wait(&[date, ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
    for nonsense in [[later].as_slice(), &[("retry-after", "soon")], &[("retry-after", "-1")], &[]] {
        assert_eq!(wait(nonsense), None);
    }
}
