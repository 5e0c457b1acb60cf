//! Faults of an upstream in one answer: none gives a clean end for an answer that was cut.
//!
//! Owns: one test for each fault; those of retries are in `retries.rs`.
//! Never: waits for a limit that is longer than 50 ms.

use crate::upstream::*;
use genesis_mesh_core::{ModelError, Wait};
use genesis_mesh_models::{OpenAiModel, OpenAiOptions, OpenAiTimeouts};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

/// What one answer of `script` tells, without retries.
async fn told(script: Vec<Step>, edit: impl FnOnce(&mut OpenAiOptions)) -> Vec<Item> {
    let upstream = FaultUpstream::start(vec![script]).await;
    let model = upstream.model(|options| {
        options.retries_max = 0;
        edit(options);
    });
    answer_of(&model).await
}

#[track_caller]
fn expect(items: &[Item], text: &str, end: &str) {
    assert_eq!(summary(items), (text.to_owned(), end_name(end)), "{items:?}");
}

fn end_name(end: &str) -> &'static str {
    let names = ["done", "model_truncated", "model_unreachable", "model_failed", "model_rate_limited"];
    names.into_iter().find(|name| *name == end).unwrap()
}

#[track_caller]
fn expect_timeout(items: &[Item], text: &str, wait: Wait) {
    assert_eq!(summary(items).0, text);
    let limit = SHORT;
    assert_eq!(items.last(), Some(&Err(ModelError::Timeout { wait, limit })), "{items:?}");
}

fn limit(edit: impl FnOnce(&mut OpenAiTimeouts)) -> impl FnOnce(&mut OpenAiOptions) {
    |options| edit(&mut options.timeouts)
}

/// A stream that sends `chunks`, then does `end`.
fn stream(chunks: &[&str], end: Step) -> Vec<Step> {
    let chunks = chunks.iter().map(|text| chunk(text));
    std::iter::once(head()).chain(chunks).chain([end]).collect()
}

#[tokio::test]
async fn a_good_answer_is_clean() {
    expect(&told(good(), |_| {}).await, "Hi", "done");
}

#[tokio::test]
async fn a_stall_before_the_headers_is_a_timeout_of_the_first_piece() {
    let items = told(vec![Step::Hold], limit(|limits| limits.first_piece = SHORT)).await;
    expect_timeout(&items, "", Wait::FirstPiece);
}

#[tokio::test]
async fn a_stall_before_the_first_piece_is_a_timeout_of_the_first_piece() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let items = told(stream(&[role], Step::Hold), limit(|limits| limits.first_piece = SHORT)).await;
    expect_timeout(&items, "", Wait::FirstPiece);
}

#[tokio::test]
async fn a_stall_between_pieces_is_a_timeout_of_the_next_piece() {
    let script = stream(&[&piece("a")], Step::Hold);
    expect_timeout(&told(script, limit(|limits| limits.next_piece = SHORT)).await, "a", Wait::NextPiece);
}

#[tokio::test]
async fn a_stall_after_the_reason_is_a_timeout_and_no_end() {
    let script = stream(&[&piece("a"), FINISH], Step::Hold);
    expect_timeout(&told(script, limit(|limits| limits.next_piece = SHORT)).await, "a", Wait::NextPiece);
}

#[tokio::test]
async fn an_error_that_never_ends_is_a_timeout() {
    let head = "HTTP/1.1 500 X\r\ncontent-length: 100000\r\n\r\n";
    let script = vec![Step::Send(head.into()), Step::Hold];
    let items = told(script, limit(|limits| limits.first_piece = SHORT)).await;
    expect_timeout(&items, "", Wait::FirstPiece);
}

#[tokio::test]
async fn the_whole_answer_has_a_limit_that_pieces_do_not_move() {
    let mut script = stream(&[&piece("a")], Step::Flood(b"1\r\n:\r\n1\r\n\n\r\n".to_vec()));
    let late = Some(Err(ModelError::Timeout { wait: Wait::End, limit: SHORT }));
    let items = told(script.clone(), limit(|limits| limits.total = SHORT)).await;
    assert_eq!(items.last(), late.as_ref(), "{items:?}");
    // The same where the pieces don't end.
    const PIECE: &[u8] = b"2f\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\r\n";
    *script.last_mut().unwrap() = Step::Flood(PIECE.to_vec());
    let items = told(script, limit(|limits| limits.total = SHORT)).await;
    assert_eq!(items.last(), late.as_ref());
}

#[tokio::test]
async fn a_slow_drip_of_whole_pieces_is_clean() {
    let Step::Send(bytes) = chunk(&format!("{}{FINISH}{DONE}", piece("é and more"))) else { panic!() };
    let script = vec![head(), Step::Drip(bytes), last_chunk()];
    expect(&told(script, |_| {}).await, "é and more", "done");
}

#[tokio::test]
async fn a_drip_of_signs_of_life_without_pieces_is_a_timeout() {
    let script = stream(&[&piece("a")], Step::Flood(b"6\r\n: hi\n\n\r\n".to_vec()));
    expect_timeout(&told(script, limit(|limits| limits.next_piece = SHORT)).await, "a", Wait::NextPiece);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_timeout_of_the_connection() {
    // The server takes no part in TLS: it reads the client's greeting and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = OpenAiOptions::new(format!("https://{}", listener.local_addr().unwrap()), "m");
    options.retries_max = 0;
    options.timeouts.connect = SHORT;
    let model = OpenAiModel::new(options).unwrap();
    expect_timeout(&answer_of(&model).await, "", Wait::Connection);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    // Bound and not listened on, so that no other test gets it meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let mut options = OpenAiOptions::new(format!("http://{address}"), "m");
    options.retry_wait = Duration::from_millis(1);
    let model = OpenAiModel::new(options).unwrap();
    expect(&answer_of(&model).await, "", "model_unreachable");
}

#[tokio::test]
async fn a_cut_before_the_headers_and_in_them_is_unreachable() {
    let half = Step::Send(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec());
    for end in [Step::Close, Step::Reset] {
        expect(&told(vec![end.clone()], |_| {}).await, "", "model_unreachable");
        expect(&told(vec![half.clone(), end], |_| {}).await, "", "model_unreachable");
    }
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let script = vec![
        Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Step::Flood(format!("x-more: {}\r\n", "x".repeat(8_000)).into()),
    ];
    expect(&told(script, |_| {}).await, "", "model_unreachable");
}

#[tokio::test]
async fn a_cut_anywhere_in_the_body_is_truncated() {
    let a = piece("a");
    let half = &a[..a.len() / 2];
    for end in [Step::Close, Step::Reset] {
        expect(&told(stream(&[], end.clone()), |_| {}).await, "", "model_truncated");
        expect(&told(stream(&[&a, half], end.clone()), |_| {}).await, "a", "model_truncated");
        expect(&told(stream(&[&a], end.clone()), |_| {}).await, "a", "model_truncated");
        // After the reason, but without `[DONE]` and without the last chunk.
        expect(&told(stream(&[&a, FINISH], end), |_| {}).await, "a", "model_truncated");
    }
}

#[tokio::test]
async fn an_orderly_end_is_clean_after_the_reason_alone() {
    let a = piece("a");
    expect(&told(stream(&[&a], last_chunk()), |_| {}).await, "a", "model_truncated");
    expect(&told(stream(&[&a, FINISH], last_chunk()), |_| {}).await, "a", "done");
}

#[tokio::test]
async fn after_done_nothing_is_missing_however_the_body_ends() {
    for end in [Step::Close, Step::Reset, Step::Hold] {
        expect(&told(stream(&[&piece("a"), FINISH, DONE], end), |_| {}).await, "a", "done");
    }
}

#[tokio::test]
async fn an_end_that_http_does_not_tell_is_clean_after_done_alone() {
    let head = Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec());
    let body = |text: String| vec![head.clone(), Step::Send(text.into()), Step::Close];
    let a = piece("a");
    expect(&told(body(format!("{a}{FINISH}")), |_| {}).await, "a", "model_truncated");
    expect(&told(body(format!("{a}{FINISH}{DONE}")), |_| {}).await, "a", "done");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_truncated() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 5000\r\n\r\n";
    let script =
        vec![Step::Send(head.into()), Step::Send(format!("{}{FINISH}", piece("a")).into()), Step::Close];
    expect(&told(script, |_| {}).await, "a", "model_truncated");
}

#[tokio::test]
async fn a_done_without_a_reason_is_truncated_first_or_in_the_middle() {
    expect(&told(stream(&[DONE], last_chunk()), |_| {}).await, "", "model_truncated");
    let script = stream(&[&piece("a"), DONE, &piece("b"), FINISH, DONE], last_chunk());
    expect(&told(script, |_| {}).await, "a", "model_truncated");
}

#[tokio::test]
async fn malformed_json_and_malformed_events_are_truncated() {
    let a = piece("a");
    for wrong in ["data: {\"choices\":[{\n\n", "data: nonsense\n\n", "dta: {}\n\n", "{\"choices\":[]}\n\n"] {
        let script = stream(&[&a, wrong, FINISH, DONE], last_chunk());
        expect(&told(script, |_| {}).await, "a", "model_truncated");
    }
    let wrong_chunk = Step::Send(b"zz\r\nno length\r\n".to_vec());
    expect(&told(stream(&[&a], wrong_chunk), |_| {}).await, "a", "model_truncated");
}

#[tokio::test]
async fn an_error_in_the_stream_is_told_and_ends_it() {
    let error = format!(r#"data: {{"error": {{"message": "no {KEY}", "type": "server_error"}}}}"#) + "\n\n";
    let script = stream(&[&piece("a"), &error, FINISH, DONE], last_chunk());
    let items = told(script, |_| {}).await;
    expect(&items, "a", "model_failed");
    assert_eq!(items.last(), Some(&Err(ModelError::Failed { message: "no [removed]".to_owned() })));
    let limited = "event: error\ndata: {\"error\": {\"message\": \"slow down\", \"code\": 429}}\n\n";
    expect(&told(stream(&[limited], last_chunk()), |_| {}).await, "", "model_rate_limited");
}

#[tokio::test]
async fn an_event_larger_than_the_bound_fails() {
    let script =
        stream(&[&piece("a"), "data: "], Step::Flood(format!("4000\r\n{}\r\n", "x".repeat(0x4000)).into()));
    expect(&told(script, |_| {}).await, "a", "model_failed");
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_fails() {
    let page = answer(200, "content-type: text/html\r\n", "<html>Sign in</html>");
    expect(&told(vec![page], |_| {}).await, "", "model_failed");
    // Also if it says that it were a stream, or JSON.
    let page = answer(200, "content-type: text/event-stream\r\n", "<html>Sign in</html>\n\n");
    expect(&told(vec![page], |_| {}).await, "", "model_truncated");
    let page = answer(200, "content-type: application/json\r\n", "<html>Sign in</html>");
    expect(&told(vec![page], |_| {}).await, "", "model_truncated");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut target = FaultUpstream::start(vec![good()]).await;
    let location = format!("location: http://{}/v1/chat/completions?token={KEY}\r\n", target.address);
    let items = told(vec![answer(307, &location, "")], |_| {}).await;
    expect(&items, "", "model_failed");
    assert!(format!("{items:?}").contains(&format!("http://{}/v1/chat/completions,", target.address)));
    assert_eq!(target.request_count(), 0);
}
