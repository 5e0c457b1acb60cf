//! Clients that leave, servers that stop, and streams that say nothing for a while.

use super::speaker::saying;
use crate::desk::Desk;
use genesis_mesh_server::ServeOptions;
use serde_json::{Value, json};
use std::time::Duration;

fn streaming(prompt: &str) -> Value {
    saying(prompt, json!({"stream": true}))
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_its_runs() {
    let desk = Desk::open().await;
    let mut events = desk.events(&saying("wait", json!({"stream": true, "n": 3}))).await;
    events.json().await;
    desk.puppet.live(3).await;
    drop(events);
    desk.puppet.live(0).await;
    desk.stopped().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_its_run() {
    let desk = Desk::open().await;
    for body in [saying("wait", json!({})), saying("hang", json!({})), streaming("hang")] {
        let waiting = desk.begin(&body).await;
        desk.puppet.live(1).await;
        drop(waiting);
        desk.puppet.live(0).await;
    }
    desk.stopped().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_its_own_run() {
    let desk = Desk::open().await;
    let _events = desk.begin(&streaming("flood")).await;
    desk.puppet.live(1).await;
    let mut before = usize::MAX;
    // The kernel's buffers fill; then no piece is made any more.
    while before != desk.puppet.pieces() {
        before = desk.puppet.pieces();
        for _ in 0..100 {
            desk.chat(&saying("echo x", json!({}))).await;
        }
    }
    assert!(before > 0, "the flood began");
}

#[tokio::test]
async fn a_stream_finishes_after_the_stop_and_nothing_new_begins() {
    let mut desk = Desk::open().await;
    let mut events = desk.events(&streaming("wait")).await;
    events.json().await;
    assert_eq!(events.json().await["choices"][0]["delta"]["content"], "started");
    desk.stop();
    while desk.get("/health").await.0 == 200 {}
    let refused = desk.chat(&saying("echo x", json!({}))).await;
    assert_eq!((refused.status, refused.code()), (503, "stopping"));
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    desk.puppet.live(1).await;
    drop(events);
    desk.stopped().await;
}

#[tokio::test]
async fn an_answer_that_outlives_the_deadline_is_cut_with_an_error() {
    let mut options = ServeOptions::default();
    options.drain = Duration::from_millis(50);
    let mut desk = Desk::with(options).await;
    let mut events = desk.events(&streaming("wait")).await;
    events.json().await;
    let whole = desk.begin(&saying("wait", json!({}))).await;
    desk.puppet.live(2).await;
    desk.stop();
    let whole = whole.answer().await;
    assert_eq!((whole.status, whole.code()), (503, "stopping"));
    let (chunks, is_done) = events.rest().await;
    assert!(!is_done);
    assert_eq!(chunks.last().unwrap()["error"]["code"], "stopping");
    desk.puppet.live(0).await;
    desk.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_sends_comments() {
    let desk = Desk::open().await;
    let mut events = desk.events(&streaming("wait")).await;
    events.json().await;
    assert_eq!(events.json().await["choices"][0]["delta"]["content"], "started");
    for _ in 0..3 {
        assert_eq!(events.next().await.as_deref(), Some(":"));
    }
}
