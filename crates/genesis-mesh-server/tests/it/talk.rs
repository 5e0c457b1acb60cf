//! One client, one socket: streaming, several requests, cancel, and leaving.

use crate::desk::Desk;
use crate::frames::{frame, send_raw};
use futures_util::{SinkExt, StreamExt};
use genesis_mesh_server::ServeOptions;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn updates_stream_and_one_socket_serves_many_requests() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "echo hé"})).await;
    assert_eq!(client.next().await, json!({"type": "delta", "text": "h"}));
    assert_eq!(client.next().await, json!({"type": "delta", "text": "é"}));
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
    assert_eq!(client.next().await, json!({"type": "done", "usage": usage, "finish_reason": "stop"}));
    for n in 0..20 {
        let (text, end) = client.ask(&format!("echo number {n}")).await;
        assert_eq!((text, end["type"].as_str()), (format!("number {n}"), Some("done")));
    }
    desk.stopped().await;
}

#[tokio::test]
async fn a_pipeline_tells_its_output() {
    let desk = Desk::open().await;
    let mut client = desk.client("lines").await;
    client.send(json!({"topic": "- a\n- b"})).await;
    let (text, output) = client.answer().await;
    assert_eq!((text.as_str(), output), ("- a\n- b", json!({"type": "output", "value": ["a", "b"]})));
    assert_eq!(client.next().await["type"], "done");
}

#[tokio::test]
async fn cancel_ends_the_run_and_the_socket_goes_on() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    assert_eq!(client.next().await["text"], "started");
    client.send(json!({"type": "cancel"})).await;
    let end = client.next().await;
    assert_eq!((end["type"].as_str(), end["finish_reason"].as_str()), (Some("done"), Some("cancelled")));
    desk.puppet.live(0).await;
    // A cancel that comes too late is no mistake.
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.ask("echo on").await.0, "on");
}

#[tokio::test]
async fn cancel_reaches_a_run_that_floods_and_one_that_has_not_started() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    for prompt in ["flood", "hang"] {
        client.send(json!({"prompt": prompt})).await;
        desk.puppet.live(1).await;
        client.send(json!({"type": "cancel"})).await;
        assert_eq!(client.answer().await.1["finish_reason"], "cancelled", "{prompt}");
        desk.puppet.live(0).await;
    }
}

#[tokio::test]
async fn a_second_request_during_a_run_is_refused_and_the_run_goes_on() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    assert_eq!(client.next().await["text"], "started");
    client.send(json!({"prompt": "echo no"})).await;
    assert_eq!(client.error().await, "run_in_progress");
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.next().await["finish_reason"], "cancelled");
    assert_eq!(client.ask("echo yes").await.0, "yes");
}

#[tokio::test]
async fn what_the_model_says_is_wrong_becomes_an_error_and_the_socket_goes_on() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    for (prompt, code) in [("busy", "model_busy"), ("fail", "model_failed")] {
        client.send(json!({"prompt": prompt})).await;
        assert_eq!(client.error().await, code);
    }
    assert_eq!(client.ask("echo on").await.0, "on");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_run() {
    let desk = Desk::open().await;
    for prompt in ["wait", "flood", "hang"] {
        for says_goodbye in [true, false] {
            let mut client = desk.client("puppet").await;
            client.send(json!({"prompt": prompt})).await;
            desk.puppet.live(1).await;
            if says_goodbye {
                client.socket.send(Message::Close(None)).await.unwrap();
            }
            drop(client);
            desk.puppet.live(0).await;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_slows_nobody_else_and_is_given_up() {
    let mut options = ServeOptions::default();
    options.stall = Duration::from_millis(100);
    let desk = Desk::with(options).await;
    let mut slow = desk.client_with_window("puppet", 4096).await;
    slow.send(json!({"prompt": "flood"})).await;
    desk.puppet.live(1).await;
    let mut quick = desk.client("puppet").await;
    for _ in 0..20 {
        assert_eq!(quick.ask("echo quick").await.0, "quick");
    }
    // The slow one has read nothing; its run is stopped without anybody asking, and was not asked for more than
    // the kernel's buffers and two batches hold.
    desk.puppet.live(0).await;
    assert!(desk.puppet.pieces() < 1000, "{} pieces of 1 KiB were made for nobody", desk.puppet.pieces());
}

#[tokio::test]
async fn a_ping_is_answered_during_a_run() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    client.socket.send(Message::Ping("are you there".into())).await.unwrap();
    let answer = client.socket.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let mut options = ServeOptions::default();
    options.ping_interval = Duration::from_millis(50);
    let desk = Desk::with(options).await;
    let mut client = desk.client("puppet").await;
    // Reading past the WebSocket layer, so that no pong is sent.
    let mut heard = Vec::new();
    client.socket.get_mut().read_to_end(&mut heard).await.unwrap();
    let ping = [0x89, 0];
    assert_eq!(heard[..2], ping);
    assert_eq!(heard[2..6], [0x88, heard[3], 0x03, 0xF3], "a close with code 1011");
}

#[tokio::test]
async fn a_client_that_sends_a_message_slowly_is_not_silent() {
    let mut options = ServeOptions::default();
    options.ping_interval = Duration::from_millis(300);
    let desk = Desk::with(options).await;
    let mut client = desk.client("puppet").await;
    let message = frame(0x81, br#"{"prompt":"echo slow"}"#);
    let (slow, rest) = message.split_at(3);
    // No ping is answered but with the next byte of the message; the second unanswered one would be a close.
    for byte in slow {
        let mut ping = [0; 2];
        client.socket.get_mut().read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        send_raw(&mut client, &[*byte]).await;
    }
    send_raw(&mut client, rest).await;
    assert_eq!(client.answer().await.0, "slow");
}

#[tokio::test]
async fn many_clients_get_their_own_answers() {
    let desk = Desk::open().await;
    let mut clients = Vec::new();
    for n in 0..100 {
        let mut client = desk.client("puppet").await;
        client.send(json!({"prompt": format!("echo {}", format!("{n},").repeat(200))})).await;
        clients.push(client);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().await.0, format!("{n},").repeat(200));
    }
}

#[tokio::test]
async fn deltas_share_frames_for_a_client_that_reads_slowly() {
    // One piece of the flood; the first ones come one a frame, until the client's small window is full.
    const PIECE_BYTES: usize = 1024;
    let desk = Desk::open().await;
    let mut client = desk.client_with_window("puppet", 4096).await;
    client.send(json!({"prompt": "flood"})).await;
    let mut lengths = Vec::new();
    while lengths.last().is_none_or(|length| *length <= PIECE_BYTES) {
        assert!(lengths.len() < 5_000, "no frame holds more than one piece");
        lengths.push(client.next().await["text"].as_str().unwrap().len());
    }
    assert_eq!(lengths[0], PIECE_BYTES);
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.answer().await.1["finish_reason"], "cancelled");
}

#[tokio::test]
async fn pieces_wait_for_each_other_where_the_options_say_so() {
    let mut options = ServeOptions::default();
    options.linger = Duration::from_millis(10);
    let desk = Desk::with(options).await;
    let mut client = desk.client("puppet").await;
    for _ in 0..2 {
        client.send(json!({"prompt": "echo abc"})).await;
        assert_eq!(client.next().await, json!({"type": "delta", "text": "abc"}));
        assert_eq!(client.next().await["type"], "done");
    }
    // What waits for something else is told at once: the first piece never lingers.
    client.send(json!({"prompt": "wait"})).await;
    assert_eq!(client.next().await["text"], "started");
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.next().await["finish_reason"], "cancelled");
}
