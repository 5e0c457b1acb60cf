//! Runs as the server serves them: permitted, counted, and dropped with their client.
//!
//! Owns: the one way for a surface to start a run.
//! Never: knows a surface's bytes.
//! Flow: a surface decodes a request and calls `start`; what comes back is the stream of updates to encode.

use crate::access::{AccessError, Principal, RunPermit};
use crate::app::App;
use crate::http::answer::ErrorAnswer;
use crate::telemetry::RunMeasure;
use futures_util::{Stream, StreamExt};
use genesis_mesh::{Run, RunError, RunInput, StartError, Update};
use std::pin::Pin;
use std::task::{Context, Poll};
use tracing::Instrument;

/// The surface that a run was started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// `WS /ws/{agent}`
    PlainSocket,
    /// `POST /v1/chat/completions`
    ChatCompletions,
}

impl Surface {
    /// The name in metrics, logs and spans.
    fn label(self) -> &'static str {
        match self {
            Self::PlainSocket => "plain_socket",
            Self::ChatCompletions => "chat_completions",
        }
    }
}

/// A run with its permit and its measure; dropping it stops the run.
#[derive(Debug)]
pub(crate) struct ServedRun {
    run: Run,
    measure: RunMeasure,
    _permit: RunPermit,
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts a run of `agent` for `principal`.
///
/// # Errors
/// `principal` may not, or the mesh refuses.
///
/// # Cancel safety
/// Dropping the future stops what was begun and gives the permit back.
pub(crate) async fn start(
    app: &App,
    principal: &Principal,
    surface: Surface,
    agent: &str,
    input: RunInput,
) -> Result<ServedRun, Refusal> {
    let mut measure = app.telemetry.run(agent, surface.label(), &principal.request);
    measure.asks(&input);
    let span = measure.span().clone();
    let started = async {
        let permit = principal.permit(agent)?;
        Ok((app.mesh.start(agent, input).await?, permit))
    };
    match started.instrument(span).await {
        Ok((run, permit)) => Ok(ServedRun { run, measure, _permit: permit }),
        Err(refusal) => {
            let refusal: Refusal = refusal;
            measure.is_refused(refusal.code());
            Err(refusal)
        }
    }
}

impl ServedRun {
    /// Stops the run, which then tells its end.
    pub(crate) fn cancel(&self) {
        self.run.cancel();
    }
}

impl Stream for ServedRun {
    type Item = Result<Update, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { run, measure, .. } = &mut *self;
        let polled = if measure.is_waiting() {
            let _in_span = measure.span().enter();
            run.poll_next_unpin(context)
        } else {
            run.poll_next_unpin(context)
        };
        match &polled {
            Poll::Pending => measure.waits(),
            Poll::Ready(Some(Ok(Update::Done { usage, finish_reason }))) => {
                measure.finishes(*usage, *finish_reason);
            }
            Poll::Ready(Some(Ok(_))) => measure.speaks(),
            Poll::Ready(Some(Err(error))) => measure.fails(error.code()),
            Poll::Ready(None) => {}
        }
        polled
    }
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Start(error) => error.code(),
        }
    }

    /// The input field at fault, if there is one.
    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::Access(_) => None,
            Self::Start(error) => error.param(),
        }
    }
}

impl From<&Refusal> for ErrorAnswer {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Access(error) => Self::from(error),
            Refusal::Start(error) => Self::from(error),
        }
    }
}
