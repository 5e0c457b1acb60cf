//! Clients that leave: the upstream sees its socket closed, whatever it was doing.
//!
//! Owns: dropping a stream and cancelling it, in each state of an answer.
//! Never: waits by the clock: the upstream tells when the client is gone.

use crate::upstream::*;
use futures_util::StreamExt as _;
use genesis_mesh_core::{FinishReason, Model as _, ModelEvent, ModelStream, Usage};
use genesis_mesh_models::OpenAiModel;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// Reads `stream` until the upstream has a request; nothing may come meanwhile.
async fn until_asked(stream: &mut ModelStream, upstream: &mut FaultUpstream) {
    tokio::select! {
        item = stream.next() => panic!("{item:?}"),
        _ = upstream.request() => {}
    }
}

async fn start(model: &OpenAiModel) -> ModelStream {
    model.generate(ask()).await.unwrap()
}

fn cancelled(pieces: u64) -> Option<Item> {
    let usage = Usage::new(0, pieces);
    Some(Ok(ModelEvent::Done { usage, finish_reason: FinishReason::Cancelled }))
}

/// Counts how often a stream wakes its reader.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Cancels `stream` while its reader sleeps, which must wake the reader.
fn cancel_while_waited_for(stream: &mut ModelStream) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    let before = wakes.0.load(Ordering::SeqCst);
    stream.cancel_handle().cancel();
    assert_eq!(wakes.0.load(Ordering::SeqCst), before + 1);
}

/// Drops one answer and cancels another, both when `pieces` pieces of it were read.
async fn check_leaving(script: Vec<Step>, pieces: u64) {
    let mut upstream = FaultUpstream::start(vec![script]).await;
    let model = upstream.model(|_| {});
    for is_cancel in [false, true] {
        let mut stream = start(&model).await;
        if pieces == 0 {
            until_asked(&mut stream, &mut upstream).await;
        }
        for _ in 0..pieces {
            assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Text { .. }))));
        }
        if is_cancel {
            cancel_while_waited_for(&mut stream);
            assert_eq!(stream.next().await, cancelled(pieces));
            upstream.left().await;
            assert_eq!(stream.next().await, None);
        } else {
            drop(stream);
            upstream.left().await;
        }
    }
}

#[tokio::test]
async fn leaving_before_the_headers_closes_the_socket() {
    check_leaving(vec![Step::Hold], 0).await;
}

#[tokio::test]
async fn leaving_before_the_first_piece_closes_the_socket() {
    check_leaving(vec![head(), chunk(": wait\n\n"), Step::Hold], 0).await;
}

#[tokio::test]
async fn leaving_in_the_middle_closes_the_socket() {
    check_leaving(vec![head(), chunk(&piece("a")), chunk(&piece("b")), Step::Hold], 2).await;
}

#[tokio::test]
async fn leaving_in_the_middle_of_an_event_closes_the_socket() {
    check_leaving(vec![head(), chunk(&format!("{}data: {{\"cho", piece("a"))), Step::Hold], 1).await;
}

#[tokio::test]
async fn leaving_while_the_upstream_reads_an_error_closes_the_socket() {
    let head = "HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\nhalf of an err";
    check_leaving(vec![Step::Send(head.into()), Step::Hold], 0).await;
}

#[tokio::test]
async fn leaving_between_tries_ends_the_answer_and_asks_no_more() {
    // The server wants its connection closed: that it is gone says that the try is over and the wait has begun.
    let failing = vec![answer(500, "connection: close\r\n", ""), Step::Hold];
    let mut upstream = FaultUpstream::start(vec![failing]).await;
    let model = upstream.model(|options| options.retry_wait = Duration::from_secs(10));
    for is_cancel in [false, true] {
        let mut stream = start(&model).await;
        until_asked(&mut stream, &mut upstream).await;
        tokio::select! {
            item = stream.next() => panic!("{item:?}"),
            () = upstream.left() => {}
        }
        if is_cancel {
            stream.cancel_handle().cancel();
            assert_eq!(stream.next().await, cancelled(0));
        }
        drop(stream);
        assert_eq!(upstream.request_count(), 0);
    }
}

#[tokio::test]
async fn cancelling_before_the_first_poll_sends_nothing() {
    let mut upstream = FaultUpstream::start(vec![good()]).await;
    let model = upstream.model(|_| {});
    let mut stream = start(&model).await;
    stream.cancel_handle().cancel();
    assert_eq!(stream.next().await, cancelled(0));
    assert_eq!(stream.next().await, None);
    assert_eq!(upstream.request_count(), 0);
}

#[tokio::test]
async fn leaving_while_connecting_ends_the_connection() {
    // A server that accepts and takes no part in TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = genesis_mesh_models::OpenAiOptions::new(format!("https://{address}"), "m");
    let model = OpenAiModel::new(options).unwrap();
    let mut stream = start(&model).await;
    let (mut socket, _) = tokio::select! {
        item = stream.next() => panic!("{item:?}"),
        accepted = listener.accept() => accepted.unwrap(),
    };
    drop(stream);
    let mut greeting = Vec::new();
    // Ends only when the client closes.
    tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut greeting).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_whole_answer_alone() {
    let mut upstream = FaultUpstream::start(vec![good()]).await;
    let model = upstream.model(|_| {});
    for _ in 0..3 {
        assert_eq!(summary(&answer_of(&model).await).1, "done");
    }
    // Closing the pool is the first time that the upstream sees a client leave.
    drop(model);
    let mut requests = 0;
    while let News::Request(_) = upstream.news().await {
        requests += 1;
    }
    assert_eq!(requests, 3);
}
