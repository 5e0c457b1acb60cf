//! The work of a socket: nothing, a run that is starting, or a run.
//!
//! Owns: the run between its start and its end, and what it says.
//! Never: encodes; dropping it stops the run.

use crate::access::Principal;
use crate::app::App;
use crate::served::{self, Refusal, ServedRun, Surface};
use futures_util::StreamExt;
use genesis_mesh::{BoxFuture, FinishReason, RunError, Update, Usage};
use serde_json::Value;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

/// At most one run.
#[derive(Default)]
pub(super) enum Work {
    #[default]
    Idle,
    Starting(BoxFuture<'static, Result<ServedRun, Refusal>>),
    Running(Box<ServedRun>),
    /// Cancelled before it started: only the end is to tell.
    Cancelled,
}

/// What the work has to say.
pub(super) enum Said {
    Update(Update),
    NotStarted(Refusal),
    Failed(RunError),
}

impl Work {
    /// Begins a run; its first words come with the first polls.
    pub(super) fn start(app: &Arc<App>, principal: &Principal, agent: &str, input: Value) -> Self {
        let (app, principal, agent) = (Arc::clone(app), principal.clone(), agent.to_owned());
        Self::Starting(Box::pin(async move {
            served::start(&app, &principal, Surface::PlainSocket, &agent, input.into()).await
        }))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Stops the run, which then tells its end; without a run it does nothing.
    pub(super) fn cancel(&mut self) {
        match self {
            Self::Idle | Self::Cancelled => {}
            Self::Starting(_) => *self = Self::Cancelled,
            Self::Running(run) => run.cancel(),
        }
    }

    /// What there is to say now. `None`: nothing yet (the waker is kept), or idle.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Said> {
        loop {
            match self {
                Self::Idle => return None,
                Self::Cancelled => {
                    *self = Self::Idle;
                    let (usage, finish_reason) = (Usage::default(), FinishReason::Cancelled);
                    return Some(Said::Update(Update::Done { usage, finish_reason }));
                }
                Self::Starting(start) => match start.as_mut().poll(context) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(run)) => *self = Self::Running(Box::new(run)),
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
            }
        }
    }
}
