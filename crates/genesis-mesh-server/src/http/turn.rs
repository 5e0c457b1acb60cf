//! Whose turn it is on a connection: the client's, who sends a request, or the server's, who answers it.
//!
//! Owns: the count of turns, and the body that ends the server's turn with its last byte.
//! Never: measures time; `guard` does.

use axum::body::{Body, Bytes};
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

/// The turns of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Shared>);

/// The server's turn; dropping it ends it.
#[derive(Debug)]
pub(super) struct Answering(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// An even count is the client's turn. One task alone looks at it.
    count: AtomicU32,
    /// Who waits for the end of the server's turn.
    waiting: AtomicWaker,
}

impl Turns {
    pub(super) fn count(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Wakes the task at the end of the server's turn.
    pub(super) fn wake_at_end(&self, context: &Context<'_>) {
        self.0.waiting.register(context.waker());
    }

    /// Begins the server's turn.
    pub(super) fn answer(&self) -> Answering {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.waiting.wake();
    }
}

/// Whether a count is the server's turn.
pub(super) fn is_servers(count: u32) -> bool {
    count % 2 == 1
}

/// The body of an answer: the server's turn lasts as long as it does.
#[derive(Debug)]
pub(super) struct Answered {
    body: Body,
    _turn: Answering,
}

impl Answered {
    pub(super) fn new(body: Body, turn: Answering) -> Self {
        Self { body, _turn: turn }
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
