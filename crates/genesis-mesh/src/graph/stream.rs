//! Streams of a run: whoever polls it drives the run, whoever drops it stops the run.
//!
//! Owns: the order of events and end, and the projection of events to the views that were asked for.
//! Never: runs by itself; a reader that stops reading stops the run at its next event.

use super::error::GraphRunError;
use super::outcome::Outcome;
use futures_core::Stream;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::stream::{Event, StreamModes, StreamPart};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// The events that a run tells; then its end can be taken.
#[must_use = "a run does nothing unless its events are read"]
pub struct EventStream<S> {
    run: Option<BoxFuture<'static, Result<Outcome<S>, GraphRunError>>>,
    events: mpsc::Receiver<Event>,
    ended: Option<Result<Outcome<S>, GraphRunError>>,
}

impl<S> EventStream<S> {
    pub(super) fn new(
        run: BoxFuture<'static, Result<Outcome<S>, GraphRunError>>,
        events: mpsc::Receiver<Event>,
    ) -> Self {
        Self { run: Some(run), events, ended: None }
    }

    /// What the run came to, once the last event was read.
    pub fn take_end(&mut self) -> Option<Result<Outcome<S>, GraphRunError>> {
        self.ended.take()
    }
}

impl<S> Unpin for EventStream<S> {}

impl<S> Stream for EventStream<S> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        loop {
            let polled = this.events.poll_recv(context);
            if let Poll::Ready(Some(event)) = polled {
                return Poll::Ready(Some(event));
            }
            let Some(run) = &mut this.run else { return polled };
            match run.as_mut().poll(context) {
                Poll::Ready(ended) => {
                    this.run = None;
                    // A context that outlives the run must not hold its stream open.
                    this.events.close();
                    this.ended = Some(ended);
                }
                // What the run told while it was polled is read at once.
                Poll::Pending => {
                    return match this.events.try_recv() {
                        Ok(event) => Poll::Ready(Some(event)),
                        Err(_) => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl<S> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The parts that a run tells, then its end: the stream ends after the last part, or after one error.
#[derive(Debug)]
#[must_use = "a run does nothing unless its stream is read"]
pub struct GraphStream<S> {
    events: EventStream<S>,
    modes: StreamModes,
    parts: VecDeque<StreamPart>,
    outcome: Option<Outcome<S>>,
}

impl<S> GraphStream<S> {
    pub(super) fn new(events: EventStream<S>, modes: StreamModes) -> Self {
        Self { events, modes, parts: VecDeque::new(), outcome: None }
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
        self.outcome.as_ref()
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
            match ready!(Pin::new(&mut this.events).poll_next(context)) {
                Some(event) => this.parts.extend(event.parts(this.modes)),
                None => {
                    return Poll::Ready(match this.events.take_end() {
                        Some(Ok(outcome)) => {
                            this.outcome = Some(outcome);
                            None
                        }
                        Some(Err(error)) => Some(Err(error)),
                        None => None,
                    });
                }
            }
        }
    }
}
