//! The stop: idle sockets first, runs until the deadline, and the words for each.

use crate::desk::Desk;
use futures_util::StreamExt;
use genesis_mesh_server::ServeOptions;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn idle_sockets_are_told_to_come_back_and_the_server_returns() {
    let mut desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.ask("echo hi").await;
    desk.stop();
    assert_eq!(client.closed().await, 1012);
    desk.stopped().await;
}

#[tokio::test]
async fn a_run_finishes_after_the_stop_and_nothing_new_begins() {
    let mut desk = Desk::open().await;
    let mut idle = desk.client("puppet").await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    desk.stop();
    assert_eq!(idle.closed().await, 1012);
    let (status, _, body) = desk.get("/health").await;
    assert_eq!((status, body["status"].as_str()), (503, Some("stopping")));
    let upgrade = "GET /ws/puppet HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n\
        Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";
    let (status, head, body) = desk.http(upgrade).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("stopping")));
    assert!(head.contains("retry-after: 1"), "{head}");
    client.send(json!({"prompt": "echo no"})).await;
    assert_eq!(client.error().await, "stopping");
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.next().await["finish_reason"], "cancelled");
    assert_eq!(client.closed().await, 1012);
    desk.stopped().await;
}

#[tokio::test]
async fn a_run_that_outlives_the_deadline_is_cut_with_an_error() {
    let mut options = ServeOptions::default();
    options.drain = Duration::from_millis(50);
    let mut desk = Desk::with(options).await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    desk.stop();
    assert_eq!((client.error().await.as_str(), client.closed().await), ("stopping", 1012));
    desk.puppet.live(0).await;
    desk.stopped().await;
}

#[tokio::test]
async fn clients_that_do_not_read_the_farewell_do_not_hold_the_server() {
    let mut options = ServeOptions::default();
    options.drain = Duration::from_millis(50);
    let mut desk = Desk::with(options).await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "flood"})).await;
    desk.puppet.live(1).await;
    desk.stop();
    // The run is gone before the farewell, which waits 2 s for this client.
    let gone = timeout(Duration::from_millis(1500), desk.puppet.live(0)).await;
    assert!(gone.is_ok(), "the run lives while its socket closes");
    desk.stopped().await;
    drop(client);
}

#[tokio::test]
async fn dropping_the_server_drops_every_connection_and_run() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    let puppet = desk.puppet.clone();
    desk.abort();
    puppet.live(0).await;
    // A farewell may still come, then the end.
    while let Some(Ok(_)) = client.socket.next().await {}
}
