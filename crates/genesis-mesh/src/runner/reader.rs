//! Readers of a run's log: from any cursor to the last event, while the run goes on or long after it.
//!
//! Owns: the way from the log in the store to its tail in this process.
//! Never: slows the run down; a reader that is behind reads the store.

use super::error::LogError;
use super::feed::{Feed, Found};
use super::feeds::{self, PAGE};
use super::hub::Hub;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use genesis_mesh_core::log::{EventClass, LogEvent, Run, Seq};
use genesis_mesh_core::run::RunId;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The events of a run's log after a cursor, in order, each once; ends after the last event of the log.
///
/// # Errors
/// As its last item: the run was deleted, or the store can't be read; another reader goes on from the same cursor.
pub struct RunReader {
    run: RunId,
    events: BoxStream<'static, Result<LogEvent, LogError>>,
}

/// Where a reader stands.
struct Place {
    hub: Arc<Hub>,
    run: RunId,
    feed: Arc<Feed>,
    cursor: Seq,
    ready: VecDeque<LogEvent>,
    is_over: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.feeds.leave(self.run, &self.feed);
    }
}

/// Reads a run from the event after `after` on.
pub(crate) async fn open(hub: &Arc<Hub>, run: RunId, after: Seq) -> Result<RunReader, LogError> {
    let row = hub.store.run(run).await?.ok_or(LogError::UnknownRun { run })?;
    read(hub, &row, after)
}

/// Reads the run of this row.
pub(crate) fn read(hub: &Arc<Hub>, row: &Run, after: Seq) -> Result<RunReader, LogError> {
    let run = row.id;
    let (feed, is_new) = hub.feeds.read(run);
    let place = Place {
        hub: Arc::clone(hub),
        run,
        feed: Arc::clone(&feed),
        cursor: after,
        ready: VecDeque::new(),
        is_over: false,
    };
    // The row may be older than what is known here.
    feed.knows(row.last_seq);
    if row.status.is_end() {
        feed.ended();
    } else if is_new {
        // Also if this reader is refused: another one may have come meanwhile, and finds the feed.
        hub.tasks.spawn(feeds::follow(Arc::clone(hub), run, Arc::clone(&feed)));
    }
    if after > feed.last() {
        return Err(LogError::CursorAhead { run, after, last_seq: feed.last() });
    }
    let events = stream::unfold(place, |mut place| async move {
        let event = place.next().await?;
        place.is_over |= event.is_err();
        Some((event, place))
    });
    Ok(RunReader { run, events: events.boxed() })
}

impl Place {
    async fn next(&mut self) -> Option<Result<LogEvent, LogError>> {
        loop {
            if self.is_over {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                self.cursor = event.seq;
                self.is_over = event.class == EventClass::End;
                return Some(Ok(event));
            }
            match self.feed.after(self.cursor, PAGE) {
                Found::Events(events) => self.ready = events.into(),
                Found::Older => match self.hub.store.events(self.run, self.cursor, PAGE).await {
                    Ok(events) if events.is_empty() => {
                        return Some(Err(LogError::UnknownRun { run: self.run }));
                    }
                    Ok(events) => self.ready = events.into(),
                    Err(error) => return Some(Err(error.into())),
                },
                Found::Nothing => self.feed.changed(self.cursor).await,
                Found::Ended => return None,
                Found::Gone => return Some(Err(LogError::UnknownRun { run: self.run })),
            }
        }
    }
}

impl RunReader {
    /// The run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.run
    }

    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// As [`RunReader`] says.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<LogEvent, LogError>> {
        self.events.next().await
    }
}

impl Stream for RunReader {
    type Item = Result<LogEvent, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context)
    }
}

impl fmt::Debug for RunReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunReader").field("run", &self.run).finish_non_exhaustive()
    }
}
