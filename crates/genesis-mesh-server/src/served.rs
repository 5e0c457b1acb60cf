//! Runs as the server serves them: permitted, counted, dropped with their client or read from their log.
//!
//! Owns: the one way for a surface to start a run, and to read one.
//! Never: knows a surface's bytes.
//! Flow: a surface decodes a request and calls `start`; what comes back is the stream of updates to encode.

use crate::access::{AccessError, Principal, RunPermit};
use crate::app::App;
use crate::http::answer::ErrorAnswer;
use crate::tasks::TaskKind;
use crate::telemetry::{RequestContext, RunMeasure, Telemetry};
use futures_util::{Stream, StreamExt};
use genesis_mesh::log::{self, CancelKind, EventClass, LogEvent, Seq};
use genesis_mesh::{
    LogError, Mesh, Run, RunError, RunId, RunInput, RunReader, StartError, Submission, Update,
};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tracing::Instrument;

/// The surface that a run was started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// `WS /ws/{agent}`
    PlainSocket,
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `/v1/runs`
    Runs,
}

impl Surface {
    /// The name in metrics, logs and spans.
    fn label(self) -> &'static str {
        match self {
            Self::PlainSocket => "plain_socket",
            Self::ChatCompletions => "chat_completions",
            Self::Runs => "runs",
        }
    }
}

/// A run with its permit and its measure; dropping it stops a run that nobody logs.
#[derive(Debug)]
pub(crate) struct ServedRun {
    run: Source,
    measure: RunMeasure,
    _permit: RunPermit,
}

/// Where updates come from.
#[derive(Debug)]
enum Source {
    /// The run itself, which its reader drives.
    Driven(Run),
    /// The log of a run, whose client has it stopped by leaving.
    Logged(Box<(RunReader, Leaver)>),
}

/// Stops a run when it is dropped before the run's end.
#[derive(Debug)]
struct Leaver {
    app: Arc<App>,
    run: RunId,
    is_over: bool,
}

impl Drop for Leaver {
    fn drop(&mut self) {
        // A server that stops is not a client that leaves.
        if !self.is_over && !self.app.tasks.ending().is_cancelled() {
            cancel(&self.app, self.run);
        }
    }
}

/// Stops a run, in a task of its own; its log tells its end.
pub(crate) fn cancel(app: &App, run: RunId) {
    let mesh = app.mesh.clone();
    app.tasks.spawn(TaskKind::Errand, async move {
        if let Err(error) = mesh.cancel(run, CancelKind::Interrupt).await {
            tracing::warn!(%run, %error, "a run could not be stopped; it goes on");
        }
    });
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Log(#[from] LogError),
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
    measure.asks(|| input.clone().into());
    let span = measure.span().clone();
    let started = async {
        let permit = principal.permit(agent)?;
        Ok((app.mesh.start(agent, input).await?, permit))
    };
    match started.instrument(span).await {
        Ok((run, permit)) => Ok(ServedRun { run: Source::Driven(run), measure, _permit: permit }),
        Err(refusal) => {
            let refusal: Refusal = refusal;
            measure.is_refused(refusal.code());
            Err(refusal)
        }
    }
}

/// Has a run accepted for `principal`, and reads its log from the first event on.
///
/// # Errors
/// `principal` may not, or the mesh refuses.
///
/// # Cancel safety
/// The run may be accepted although the future is dropped.
pub(crate) async fn submit(
    app: &App,
    principal: &Principal,
    surface: Surface,
    submission: Submission,
) -> Result<LoggedRun, Refusal> {
    let mut measure = app.telemetry.run(&submission.agent, surface.label(), &principal.request);
    measure.asks(|| submission.ask.clone());
    let span = measure.span().clone();
    let started = async {
        let permit = principal.permit(&submission.agent)?;
        let submission = Submission { principal: principal.owner().map(str::to_owned), ..submission };
        let run = app.mesh.submit(submission).await?.run;
        Ok((app.mesh.follow_run(&run, 0)?, run, permit))
    };
    match started.instrument(span).await {
        Ok((reader, run, permit)) => Ok(LoggedRun { reader, run, measure, _permit: permit, is_over: false }),
        Err(refusal) => {
            let refusal: Refusal = refusal;
            measure.is_refused(refusal.code());
            Err(refusal)
        }
    }
}

/// Reads the log of a run of `agent` on from the event after `after`.
///
/// # Errors
/// `principal` has no such run, or the log can't be read.
pub(crate) async fn resume(
    app: &App,
    principal: &Principal,
    surface: Surface,
    agent: &str,
    (run, after): (RunId, Seq),
) -> Result<LoggedRun, Refusal> {
    let row = own_run(app, principal, run).await?;
    if row.agent != agent {
        return Err(LogError::UnknownRun { run }.into());
    }
    let measure = app.telemetry.run(&row.agent, surface.label(), &principal.request);
    let permit = principal.permit(&row.agent)?;
    let reader = app.mesh.follow_run(&row, after)?;
    Ok(LoggedRun { reader, run: row, measure, _permit: permit, is_over: false })
}

/// Reads the log of a run on from the event after `after`, with the permit that this takes. It is no run of its own, and
/// is not measured as one: whoever began it, or drives it, does that.
///
/// # Errors
/// `principal` has no such run, or the log can't be read.
pub(crate) async fn read(
    app: &App,
    principal: &Principal,
    (run, after): (RunId, Seq),
) -> Result<(RunReader, RunPermit), Refusal> {
    let row = own_run(app, principal, run).await?;
    let permit = principal.permit(&row.agent)?;
    Ok((app.mesh.follow_run(&row, after)?, permit))
}

/// The run of this id, if `principal` has asked for it: it may stop and delete it.
///
/// # Errors
/// There is no such run of its, or the store can't be read.
pub(crate) async fn own_run(app: &App, principal: &Principal, run: RunId) -> Result<log::Run, Refusal> {
    let row = app.mesh.get(run).await?;
    let row = row.filter(|row| principal.may_read(row.principal.as_deref()));
    Ok(row.ok_or(LogError::UnknownRun { run })?)
}

/// The run of this id, if `principal` may read it: it has asked for it, and still has the right to its agent.
///
/// # Errors
/// As [`own_run`], or the right is gone.
pub(crate) async fn readable_run(app: &App, principal: &Principal, run: RunId) -> Result<log::Run, Refusal> {
    let row = own_run(app, principal, run).await?;
    principal.may_run(&row.agent)?;
    Ok(row)
}

/// A reader of a run's log with its permit and its measure; the run goes on without it.
#[derive(Debug)]
pub(crate) struct LoggedRun {
    reader: RunReader,
    /// The run as it was when reading began.
    pub(crate) run: log::Run,
    measure: RunMeasure,
    _permit: RunPermit,
    is_over: bool,
}

impl LoggedRun {
    /// Whether its last event was read.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The same as updates, for surfaces that read these; dropped before its end it stops the run.
    pub(crate) fn into_updates(self, app: &Arc<App>) -> ServedRun {
        let leaver = Leaver { app: Arc::clone(app), run: self.run.id, is_over: self.is_over };
        let run = Source::Logged(Box::new((self.reader, leaver)));
        ServedRun { run, measure: self.measure, _permit: self._permit }
    }
}

impl Stream for LoggedRun {
    type Item = Result<LogEvent, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, measure, is_over, .. } = &mut *self;
        let polled = reader.poll_next_unpin(context);
        match &polled {
            Poll::Pending => measure.waits(),
            Poll::Ready(Some(Ok(event))) => {
                *is_over |= event.class == EventClass::End;
                hear(measure, event);
            }
            Poll::Ready(Some(Err(error))) => measure.fails(error.code()),
            Poll::Ready(None) => *is_over = true,
        }
        polled
    }
}

/// Counts an event of a run's log.
fn hear(measure: &mut RunMeasure, event: &LogEvent) {
    match event.class {
        EventClass::End => match update_of(event) {
            Ok(Update::Done { usage, finish_reason }) => measure.finishes(usage, finish_reason),
            Ok(_) => {}
            Err(error) => measure.fails(error.code()),
        },
        // That the run was accepted is no piece of its answer.
        _ if event.seq == 1 => {}
        _ => measure.speaks(),
    }
}

/// Has runs that were begun for nobody to wait for measured where they are driven.
pub(crate) fn measure_unread(mesh: &Mesh, telemetry: &Arc<Telemetry>) {
    // The telemetry reads the mesh: neither keeps the other.
    let telemetry = Arc::downgrade(telemetry);
    mesh.observe(move |run| {
        let request = RequestContext::of_owner(run.principal.as_deref());
        let telemetry = telemetry.upgrade();
        let mut measure =
            telemetry.map(|telemetry| telemetry.run(&run.agent, Surface::Runs.label(), &request));
        Box::new(move |events| {
            if let Some(measure) = &mut measure {
                measure.waits();
                events.iter().for_each(|event| hear(measure, event));
            }
        })
    });
}

/// Has a run accepted for `principal` that nobody waits for; it is measured where it is driven.
///
/// # Errors
/// `principal` may not, or the mesh refuses.
///
/// # Cancel safety
/// The run may be accepted although the future is dropped.
pub(crate) async fn begin(
    app: &App,
    principal: &Principal,
    submission: Submission,
) -> Result<log::Run, Refusal> {
    let agent = submission.agent.clone();
    let accepted = async {
        // The permit is for its start alone.
        let _permit = principal.permit(&agent)?;
        let principal = principal.owner().map(str::to_owned);
        Ok(app.mesh.submit(Submission { principal, is_observed: true, ..submission }).await?.run)
    };
    accepted.await.inspect_err(|refusal: &Refusal| {
        let mut measure = app.telemetry.run(&agent, Surface::Runs.label(), &principal.request);
        measure.is_refused(refusal.code());
    })
}

/// The update that an event is; an error is the run's.
fn update_of(event: &LogEvent) -> Result<Update, RunError> {
    #[derive(serde::Deserialize)]
    struct ErrorEvent {
        error: ErrorFields,
    }
    #[derive(serde::Deserialize)]
    struct ErrorFields {
        code: String,
        message: String,
        param: Option<String>,
    }
    if event.class == EventClass::End
        && let Ok(ErrorEvent { error }) = serde_json::from_str(&event.data)
    {
        let ErrorFields { code, message, param } = error;
        return Err(RunError::Logged { code, message, param });
    }
    serde_json::from_str(&event.data).map_err(|error| RunError::Logged {
        code: "store_corrupt".to_owned(),
        message: format!("the event {} of the run's log can't be read: {error}", event.seq),
        param: None,
    })
}

impl Source {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Update, RunError>>> {
        let (reader, leaver) = match self {
            Self::Driven(run) => return run.poll_next_unpin(context),
            Self::Logged(logged) => &mut **logged,
        };
        let event = ready!(reader.poll_next_unpin(context));
        let Some(event) = event else {
            leaver.is_over = true;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match event {
            Ok(event) => {
                leaver.is_over = event.class == EventClass::End;
                update_of(&event)
            }
            Err(error) => {
                let (code, message) = (error.code().to_owned(), error.to_string());
                Err(RunError::Logged { code, message, param: None })
            }
        }))
    }
}

impl ServedRun {
    /// Stops the run, which then tells its end.
    pub(crate) fn cancel(&self) {
        match &self.run {
            Source::Driven(run) => run.cancel(),
            Source::Logged(logged) => cancel(&logged.1.app, logged.1.run),
        }
    }
}

impl Stream for ServedRun {
    type Item = Result<Update, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { run, measure, .. } = &mut *self;
        let polled = if measure.is_waiting() {
            let _in_span = measure.span().enter();
            run.poll_next(context)
        } else {
            run.poll_next(context)
        };
        match &polled {
            Poll::Pending => measure.waits(),
            Poll::Ready(Some(Ok(Update::Done { usage, finish_reason }))) => {
                measure.finishes(*usage, *finish_reason);
            }
            Poll::Ready(Some(Ok(Update::Run { .. }))) | Poll::Ready(None) => {}
            Poll::Ready(Some(Ok(_))) => measure.speaks(),
            Poll::Ready(Some(Err(error))) => measure.fails(error.code()),
        }
        polled
    }
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Start(error) => error.code(),
            Self::Log(error) => error.code(),
        }
    }

    /// The input field at fault, if there is one.
    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::Access(_) | Self::Log(_) => None,
            Self::Start(error) => error.param(),
        }
    }
}

impl From<&Refusal> for ErrorAnswer {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Access(error) => Self::from(error),
            Refusal::Start(error) => Self::from(error),
            Refusal::Log(error) => Self::from(error),
        }
    }
}
