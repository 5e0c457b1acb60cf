//! The guard on a paused clock, between a client and the HTTP layer's place.

use super::*;
use crate::http::turn::Answering;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, advance};

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(30);

/// A client, the guard of its connection, and the connection's turns; `room` bytes fit between them.
fn pair(room: usize) -> (DuplexStream, Guard<DuplexStream>, Turns) {
    let (client, stream) = duplex(room);
    let turns = Turns::default();
    let bounds = Bounds { header_bytes: 100, header_timeout: HEADER, idle_timeout: IDLE, stall: STALL };
    (client, Guard::new(stream, bounds, turns.clone()), turns)
}

async fn read(guard: &mut Guard<DuplexStream>) -> Vec<u8> {
    let mut buffer = [0; 100];
    let bytes = guard.read(&mut buffer).await.unwrap();
    buffer[..bytes].to_vec()
}

async fn told(client: &mut DuplexStream) -> String {
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    told
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_left_without_a_word() {
    let (mut client, mut guard, _turns) = pair(1000);
    let start = Instant::now();
    assert_eq!(read(&mut guard).await, b"");
    assert_eq!(start.elapsed().as_secs(), IDLE.as_secs());
    drop(guard);
    assert_eq!(told(&mut client).await, "");
}

#[tokio::test(start_paused = true)]
async fn headers_that_drip_have_one_deadline_from_the_first_byte() {
    let (mut client, mut guard, _turns) = pair(1000);
    advance(HEADER * 2).await;
    let start = Instant::now();
    for _ in 0..9 {
        client.write_all(b"G").await.unwrap();
        assert_eq!(read(&mut guard).await, b"G");
        drop(tokio::time::timeout(Duration::from_secs(1), read(&mut guard)).await);
    }
    assert_eq!(read(&mut guard).await, b"", "the end");
    assert_eq!(start.elapsed().as_secs(), HEADER.as_secs());
    drop(guard);
    let told = told(&mut client).await;
    assert!(told.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{told}");
    assert!(told.contains("connection: close\r\n") && told.contains("\"code\":\"header_timeout\""), "{told}");
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_any_time_and_then_the_client_has_its_own_again() {
    let (mut client, mut guard, turns) = pair(1000);
    client.write_all(b"GET").await.unwrap();
    assert_eq!(read(&mut guard).await, b"GET");
    let answering = turns.answer();
    let waited = tokio::time::timeout(IDLE * 10, read(&mut guard)).await;
    assert!(waited.is_err(), "the server answers");
    drop(answering);
    let start = Instant::now();
    assert_eq!(read(&mut guard).await, b"");
    assert_eq!(start.elapsed().as_secs(), IDLE.as_secs(), "not the deadline of headers");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_dropped_and_one_that_takes_a_little_is_not() {
    let (mut client, mut guard, turns) = pair(10);
    let _answering: Answering = turns.answer();
    guard.write_all(&[b'x'; 10]).await.unwrap();
    for _ in 0..5 {
        let slow = async {
            sleep(STALL - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        };
        let (written, ()) = tokio::join!(guard.write_all(b"x"), slow);
        written.unwrap();
    }
    let start = Instant::now();
    let error = guard.write_all(b"x").await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, STALL.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_takes_its_answer_is_not_idle() {
    let (mut client, mut guard, _turns) = pair(10);
    guard.write_all(&[b'x'; 10]).await.unwrap();
    for _ in 0..4 {
        let mut buffer = [0; 1];
        // The HTTP layer waits for the next request while the last bytes go out.
        let both = std::future::poll_fn(|context| {
            let written = Pin::new(&mut guard).poll_write(context, b"x");
            let mut buffer = ReadBuf::new(&mut buffer);
            let read = Pin::new(&mut guard).poll_read(context, &mut buffer);
            assert!(read.is_pending(), "the end was told");
            written
        });
        let slow = async {
            sleep(STALL - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        };
        let (written, ()) = tokio::join!(both, slow);
        written.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_of_the_http_layer_gets_a_body_and_an_answer_of_a_route_stays() {
    for (status, code) in
        [("400 Bad Request", "malformed_request"), ("431 x", "headers_too_large"), ("414 x", "uri_too_long")]
    {
        let (mut client, mut guard, turns) = pair(1000);
        let own = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: x\r\n\r\n");
        let answering = turns.answer();
        guard.write_all(own.as_bytes()).await.unwrap();
        drop(answering);
        guard.write_all(own.as_bytes()).await.unwrap();
        drop(guard);
        let told = told(&mut client).await;
        let replaced = told.strip_prefix(&own).expect("a route's answer is as it was");
        assert!(replaced.starts_with(&format!("HTTP/1.1 {}", &status[..3])), "{replaced}");
        assert!(replaced.contains(&format!("\"code\":\"{code}\"")), "{replaced}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_client_still_sends_is_taken_for_a_moment() {
    let (mut client, mut guard, _turns) = pair(64 * 1024);
    client.write_all(&[b'x'; 1000]).await.unwrap();
    let start = Instant::now();
    guard.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), LINGER);
    // One that is done sending is not waited for.
    let (mut client, mut guard, _turns) = pair(64 * 1024);
    client.write_all(&[b'x'; 1000]).await.unwrap();
    client.shutdown().await.unwrap();
    let start = Instant::now();
    guard.shutdown().await.unwrap();
    let (_client, mut quiet, _turns) = pair(64);
    quiet.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
