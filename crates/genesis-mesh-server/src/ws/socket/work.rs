//! The work of a socket: nothing, a run that is starting, a run, or the log of one.
//!
//! Owns: what is done between the start of a run and its end, and what it says.
//! Never: encodes. Dropping it stops a run that nobody logs; of one that is logged `leave` decides.

use crate::access::Principal;
use crate::app::App;
use crate::served::{self, LoggedRun, Refusal, ServedRun, Surface};
use crate::tasks::TaskKind;
use crate::ws::query::{OnDisconnect, SocketQuery};
use futures_util::StreamExt;
use genesis_mesh::log::{LogEvent, Seq};
use genesis_mesh::{
    Ask, BoxFuture, FinishReason, LogError, RunError, RunId, RunInput, Submission, Update, Usage,
    named_thread,
};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// At most one run.
#[derive(Default)]
pub(super) enum Work {
    #[default]
    Idle,
    /// `is_cancelled`: it is to stop once it has started.
    Starting {
        start: BoxFuture<'static, Result<Started, Refusal>>,
        is_logged: bool,
        is_cancelled: bool,
    },
    Running(Box<ServedRun>),
    Reading(Box<LoggedRun>),
    /// Cancelled before it started: only the end is to tell.
    Cancelled,
}

/// A run that has started.
pub(super) enum Started {
    Run(Box<ServedRun>),
    Log(Box<LoggedRun>),
}

/// What the work has to say.
pub(super) enum Said {
    Update(Update),
    Event(LogEvent),
    NotStarted(Refusal),
    Failed(RunError),
    Unreadable(LogError),
}

/// Who starts runs on a socket, and how.
#[derive(Clone)]
pub(super) struct Starter {
    pub(super) app: Arc<App>,
    pub(super) principal: Principal,
    pub(super) agent: String,
    pub(super) query: SocketQuery,
}

impl Work {
    /// Begins a run; its first words come with the first polls.
    pub(super) fn start(starter: &mut Starter, ask: Ask) -> Self {
        // It names one run alone.
        let idempotency_key = starter.query.idempotency_key.take();
        let Starter { app, principal, agent, query } = starter.clone();
        let is_logged = !query.is_unlogged;
        let start: BoxFuture<'static, _> = Box::pin(async move {
            if let (false, Ask::Input { value }) = (is_logged, &ask) {
                let input = RunInput::Value(value.clone());
                let run = served::start(&app, &principal, Surface::PlainSocket, &agent, input).await?;
                return Ok(Started::Run(Box::new(run)));
            }
            let submission = Submission {
                thread: query.thread,
                if_busy: query.if_busy,
                idempotency_key,
                ..Submission::new(agent, ask)
            };
            let run = served::submit(&app, &principal, Surface::PlainSocket, submission).await?;
            Ok(Started::Log(Box::new(run)))
        });
        Self::Starting { start, is_logged, is_cancelled: false }
    }

    /// Begins to read the log of a run.
    pub(super) fn resume(starter: &Starter, run: RunId, after: Seq) -> Self {
        let Starter { app, principal, agent, .. } = starter.clone();
        let start: BoxFuture<'static, _> = Box::pin(async move {
            let place = (run, after);
            let read = served::resume(&app, &principal, Surface::PlainSocket, &agent, place).await?;
            // Whoever waits for a client to come back sees that it did.
            app.mesh.store().watch(run).await.map_err(LogError::from)?;
            Ok(Started::Log(Box::new(read)))
        });
        Self::Starting { start, is_logged: true, is_cancelled: false }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Stops the run, which then tells its end; without a run it does nothing.
    pub(super) fn cancel(&mut self, app: &Arc<App>) {
        match self {
            Self::Idle | Self::Cancelled => {}
            Self::Starting { is_logged: false, .. } => *self = Self::Cancelled,
            Self::Starting { is_cancelled, .. } => *is_cancelled = true,
            Self::Running(run) => run.cancel(),
            Self::Reading(run) => served::cancel(app, run.run.id),
        }
    }

    /// The socket ends. A run that is logged goes on, is stopped, or has a grace, as its client said.
    pub(super) fn leave(self, starter: &Starter) {
        let Starter { app, query, .. } = starter;
        match self {
            Self::Reading(read) if !read.is_over() => {
                let run = &read.run;
                match query.on_disconnect(named_thread(run).is_some()) {
                    OnDisconnect::Continue => {}
                    OnDisconnect::Cancel => served::cancel(app, run.id),
                    OnDisconnect::Grace(grace) => wait_for_client(app, run.id, grace),
                }
            }
            // Nobody has seen its id: who comes back with its idempotency key finds it.
            Self::Starting { start, is_logged: true, .. }
                if query.on_disconnect(query.thread.is_some()) == OnDisconnect::Cancel =>
            {
                let stopping = Arc::clone(app);
                app.tasks.spawn(TaskKind::Errand, async move {
                    if let Ok(Started::Log(read)) = start.await {
                        served::cancel(&stopping, read.run.id);
                    }
                });
            }
            _ => {}
        }
    }

    /// What there is to say now. `None`: nothing yet (the waker is kept), or idle.
    pub(super) fn poll(&mut self, app: &Arc<App>, context: &mut Context<'_>) -> Option<Said> {
        loop {
            match self {
                Self::Idle => return None,
                Self::Cancelled => {
                    *self = Self::Idle;
                    let (usage, finish_reason) = (Usage::default(), FinishReason::Cancelled);
                    return Some(Said::Update(Update::Done { usage, finish_reason }));
                }
                Self::Starting { start, is_cancelled, .. } => match start.as_mut().poll(context) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(Started::Run(run))) => *self = Self::Running(run),
                    Poll::Ready(Ok(Started::Log(read))) => {
                        if *is_cancelled {
                            served::cancel(app, read.run.id);
                        }
                        *self = Self::Reading(read);
                    }
                    Poll::Ready(Err(error)) => {
                        *self = Self::Idle;
                        return Some(Said::NotStarted(error));
                    }
                },
                Self::Running(run) => match run.poll_next_unpin(context) {
                    Poll::Pending => return None,
                    Poll::Ready(Some(Ok(update))) => {
                        // The end frees the run at once, so that the next input is welcome.
                        if matches!(update, Update::Done { .. }) {
                            drop(mem::take(self));
                        }
                        return Some(Said::Update(update));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        *self = Self::Idle;
                        return Some(Said::Failed(error));
                    }
                    Poll::Ready(None) => *self = Self::Idle,
                },
                Self::Reading(read) => match read.poll_next_unpin(context) {
                    Poll::Pending => return None,
                    Poll::Ready(Some(Ok(event))) => {
                        if read.is_over() {
                            *self = Self::Idle;
                        }
                        return Some(Said::Event(event));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        *self = Self::Idle;
                        return Some(Said::Unreadable(error));
                    }
                    Poll::Ready(None) => *self = Self::Idle,
                },
            }
        }
    }
}

/// Stops a run if no client begins to read it for so long.
fn wait_for_client(app: &Arc<App>, run: RunId, grace: Duration) {
    let app = Arc::clone(app);
    let tasks = app.tasks.clone();
    tasks.spawn(TaskKind::Errand, async move {
        let Ok(Some(before)) = app.mesh.get(run).await else { return };
        tokio::time::sleep(grace).await;
        let is_read = app.mesh.readers(run) > 0;
        match app.mesh.get(run).await {
            Ok(Some(now)) if now.watched == before.watched && !now.status.is_end() && !is_read => {
                served::cancel(&app, run);
            }
            _ => {}
        }
    });
}
