//! Readers of a run's log: from any cursor to the last event, while the run goes on or long after it.
//!
//! Owns: the way from the log in the store to its tail in this process.
//! Never: slows the run down; a reader that is behind reads the store.

use super::error::LogError;
use super::feed::{Feed, Found};
use super::follow::follow;
use super::hub::Hub;
use super::pages::PAGE;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use genesis_mesh_core::log::{EventClass, LogEvent, Run, Seq};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The events of a run's log after a cursor, in order, each once; ends after the last event of the log.
///
/// # Errors
/// As its last item: the run was deleted, the store can't be read, or [`Mesh::work`](crate::Mesh::work) has ended here;
/// another reader goes on from the same cursor.
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
    let feed = hub.feeds.read(run);
    let place = Place {
        hub: Arc::clone(hub),
        run,
        feed: Arc::clone(&feed),
        cursor: after,
        ready: VecDeque::new(),
        is_over: false,
    };
    let last_seq = feed.open(after, row);
    if after > last_seq {
        return Err(LogError::CursorAhead { run, after, last_seq });
    }
    follow(hub, run, &feed);
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
                Found::Older => match self.older().await {
                    Ok(events) if events.is_empty() => {
                        return Some(Err(LogError::UnknownRun { run: self.run }));
                    }
                    Ok(events) => self.ready = events.iter().cloned().collect(),
                    Err(error) => return Some(Err(error.into())),
                },
                Found::Nothing => tokio::select! {
                    () = self.feed.changed(self.cursor) => {}
                    // Nobody drives or follows it here any more.
                    () = self.hub.tasks.ended() => return Some(Err(LogError::Stopped { run: self.run })),
                },
                Found::Ended => return None,
                Found::Gone => return Some(Err(LogError::UnknownRun { run: self.run })),
                Found::Unreadable(error) => return Some(Err(error.into())),
            }
        }
    }
}

impl Place {
    /// The next page of what only the store has.
    async fn older(&self) -> Result<Arc<[LogEvent]>, StoreError> {
        self.feed.pages.read(&self.hub.store, self.run, self.cursor).await
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
