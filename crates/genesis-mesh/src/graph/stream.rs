//! Streams of a run: whoever polls it drives the run, whoever drops it stops the run.
//!
//! Owns: the order of parts and end, and the projection of events to the views that were asked for.
//! Never: runs by itself; a reader that stops reading stops the run at its next event.

use super::error::GraphRunError;
use super::outcome::Outcome;
use futures_core::Stream;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::stream::{Event, StreamModes, StreamPart};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The parts that a run tells, then its end: the stream ends after the last part, or after one error.
#[must_use = "a run does nothing unless its stream is read"]
pub struct GraphStream<S> {
    run: Option<BoxFuture<'static, Result<Outcome<S>, GraphRunError>>>,
    events: mpsc::Receiver<Event>,
    modes: StreamModes,
    parts: VecDeque<StreamPart>,
    ended: Option<Result<Outcome<S>, GraphRunError>>,
}

impl<S> GraphStream<S> {
    pub(super) fn new(
        run: BoxFuture<'static, Result<Outcome<S>, GraphRunError>>,
        events: mpsc::Receiver<Event>,
        modes: StreamModes,
    ) -> Self {
        Self { run: Some(run), events, modes, parts: VecDeque::new(), ended: None }
    }

    /// The next part; `None` after the last one.
    ///
    /// # Errors
    /// Why the run failed, as the last item.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<StreamPart, GraphRunError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// What the run came to; `None` before its end, or if it failed.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome<S>> {
        self.ended.as_ref().and_then(|ended| ended.as_ref().ok())
    }
}

impl<S> Unpin for GraphStream<S> {}

impl<S> Stream for GraphStream<S> {
    type Item = Result<StreamPart, GraphRunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(part) = this.parts.pop_front() {
                return Poll::Ready(Some(Ok(part)));
            }
            let polled = this.events.poll_recv(context);
            if let Poll::Ready(Some(event)) = polled {
                this.parts.extend(event.parts(this.modes));
                continue;
            }
            match &mut this.run {
                Some(run) => match run.as_mut().poll(context) {
                    Poll::Ready(ended) => {
                        this.run = None;
                        this.ended = Some(ended);
                    }
                    // What the run has told while it was polled woke this task, and is read at once.
                    Poll::Pending => match this.events.try_recv() {
                        Ok(event) => this.parts.extend(event.parts(this.modes)),
                        Err(_) => return Poll::Pending,
                    },
                },
                None if polled.is_pending() => return Poll::Pending,
                None => {
                    return match this.ended.take() {
                        Some(Err(error)) => Poll::Ready(Some(Err(error))),
                        ended => {
                            this.ended = ended;
                            Poll::Ready(None)
                        }
                    };
                }
            }
        }
    }
}

impl<S> fmt::Debug for GraphStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
