//! Frames that break the protocol or a limit: an error where possible, then the documented close code.

use crate::desk::{Client, Desk};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A masked frame; the mask is zero, so the payload stands in it as it is.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Sends bytes past the WebSocket layer.
pub(crate) async fn send_raw(client: &mut Client, bytes: &[u8]) {
    client.socket.get_mut().write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn frames_that_break_the_protocol_get_an_error_and_their_close_code() {
    let desk = Desk::open().await;
    let cases: [(&str, Vec<u8>, &str, u16); 10] = [
        ("unmasked", vec![0x81, 2, b'{', b'}'], "protocol_error", 1002),
        ("reserved bit", frame(0xC1, b"{}"), "protocol_error", 1002),
        ("reserved opcode", frame(0x83, b"{}"), "protocol_error", 1002),
        ("reserved control", frame(0x8B, b""), "protocol_error", 1002),
        ("long ping", frame(0x89, &[0; 126]), "protocol_error", 1002),
        ("fragmented ping", frame(0x09, b""), "protocol_error", 1002),
        ("lone continuation", frame(0x80, b"x"), "protocol_error", 1002),
        (
            "text in a fragmented text",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            "protocol_error",
            1002,
        ),
        ("bad utf-8", frame(0x81, b"\xFF"), "invalid_utf8", 1007),
        ("bad utf-8 in pieces", [frame(0x01, b"\xC3"), frame(0x80, b"\x28")].concat(), "invalid_utf8", 1007),
    ];
    for (name, bytes, code, close) in cases {
        let mut client = desk.client("puppet").await;
        send_raw(&mut client, &bytes).await;
        assert_eq!((client.error().await.as_str(), client.closed().await), (code, close), "{name}");
    }
    assert_eq!(desk.client("puppet").await.ask("echo on").await.0, "on");
    desk.stopped().await;
}

#[tokio::test]
async fn a_message_over_the_limit_gets_an_error_and_1009_even_while_it_is_still_sent() {
    const MIB: usize = 1024 * 1024;
    let desk = Desk::open().await;
    let half = vec![b'x'; MIB / 2 + 1];
    let in_pieces = [frame(0x01, &half), frame(0x80, &half)].concat();
    let mut header_alone = frame(0x81, b"");
    header_alone.splice(1..2, [0x80 | 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    for bytes in
        [frame(0x81, &vec![b'x'; MIB + 1]), frame(0x81, &vec![b'x'; 8 * MIB]), in_pieces, header_alone]
    {
        let mut client = desk.client("puppet").await;
        send_raw(&mut client, &bytes).await;
        assert_eq!((client.error().await.as_str(), client.closed().await), ("message_too_large", 1009));
    }
    let mut client = desk.client("puppet").await;
    let text = "y".repeat(MIB - 100);
    assert_eq!(client.ask(&format!("{text} hi")).await.0, "hi", "the limit itself is fine");
    drop(client);
    desk.stopped().await;
}

#[tokio::test]
async fn a_message_in_pieces_with_a_ping_between_is_one_message() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    let (head, tail) = (&b"{\"prompt\":\"ec"[..], &b"ho hi\"}"[..]);
    let pieces = [frame(0x01, head), frame(0x89, b"p"), frame(0x80, tail)].concat();
    for byte in pieces {
        send_raw(&mut client, &[byte]).await;
    }
    assert_eq!(client.answer().await.0, "hi");
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_error_that_it_caused() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    send_raw(&mut client, &frame(0x81, b"[]").repeat(10_000)).await;
    for _ in 0..10_000 {
        assert_eq!(client.error().await, "invalid_input");
    }
    client.send(json!({"prompt": "echo on"})).await;
    assert_eq!(client.answer().await.0, "on");
}

#[tokio::test]
async fn errors_that_a_client_never_reads_do_not_pile_up() {
    // A client with a small window sends mistakes and reads nothing. Once its errors fill the bound, the server
    // stops reading, so the kernel's small buffers fill and the client can send no more.
    const BLOCKED: Duration = Duration::from_millis(300);
    let desk = Desk::open().await;
    let mut client = desk.client_with_window("puppet", 4096).await;
    let mistakes = frame(0x81, b"[]").repeat(10_000);
    let mut sent_bytes = 0;
    while timeout(BLOCKED, send_raw(&mut client, &mistakes)).await.is_ok() {
        sent_bytes += mistakes.len();
        assert!(sent_bytes < 4_000_000, "the server still takes mistakes that it must answer");
    }
    assert_eq!(desk.client("puppet").await.ask("echo on").await.0, "on");
}

#[tokio::test]
async fn a_client_that_closes_gets_its_code_back() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.ask("echo a").await;
    let farewell = CloseFrame { code: CloseCode::Library(4000), reason: "enough".into() };
    client.socket.close(Some(farewell)).await.unwrap();
    assert_eq!(client.closed().await, 4000);
}
