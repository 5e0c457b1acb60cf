//! The answer: the stream of events that one request becomes.
//!
//! Owns: reading the body, its deadlines, cancelling, and what a clean end is.
//! Never: spawns a task: polling the stream reads the socket, and dropping it closes the socket.
//! Flow: `Opening` (`opening.rs`) -> `Reading`: body -> `sse.rs` -> `decode.rs` -> events -> `Over`.

use super::client::{Permit, Upstream};
use super::deadline::Deadlines;
use super::decode::{DecodeFault, Decoder};
use super::failure::Told;
use super::opening::{Opened, open};
use super::sse::{SseFault, SseReader};
use crate::cancel::Cancel;
use bytes::Bytes;
use futures_core::Stream;
use futures_core::stream::BoxStream;
use genesis_mesh_core::{BoxFuture, FinishReason, ModelError, ModelEvent};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use reqwest::Response;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Sleep, sleep_until};

/// The most bytes of an answer that is no stream, 16 MiB: it is held whole.
const WHOLE_BYTES_MAX: usize = 16 << 20;
/// The data of the event after which no more come.
const LAST: &[u8] = b"[DONE]";
/// How often a body may bring bytes and no event before its deadline counts, though bytes are there: a reader that
/// was away finds a part of an event or two, a server that sends nothing but comments brings more.
const EVENTLESS_READS_MAX: u32 = 64;

/// One answer.
pub(super) struct Answer {
    upstream: Arc<Upstream>,
    cancel: Arc<Cancel>,
    decoder: Decoder,
    /// Events that are made and not told yet: at most those of one chunk.
    events: VecDeque<ModelEvent>,
    state: State,
    permit: Option<Permit>,
}

enum State {
    Opening(BoxFuture<'static, Result<Opened, ModelError>>),
    Reading(Box<Reading>),
    Over,
}

/// An answer's body.
struct Reading {
    bytes: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    form: Form,
    deadlines: Deadlines,
    timer: Pin<Box<Sleep>>,
    /// Reads since the last event.
    eventless_reads: u32,
    /// Whether HTTP tells the body's end; if not, a cut looks like an end.
    has_told_end: bool,
    /// `[DONE]` came: only the body's end is waited for, so that the connection can be used again.
    is_ending: bool,
}

enum Form {
    Events(SseReader),
    /// One JSON text: the server does not stream.
    Whole(Vec<u8>),
}

/// What a look at the body brought.
enum Look {
    /// Events may have been made; look again.
    More,
    /// The answer is complete.
    End,
}

impl Answer {
    pub(super) fn new(upstream: Arc<Upstream>, cancel: Arc<Cancel>, permit: Permit, asked: Asked) -> Self {
        let state = State::Opening(Box::pin(open(Arc::clone(&upstream), asked.body)));
        let decoder = Decoder::new(asked.calls_before);
        Self { upstream, cancel, decoder, events: VecDeque::new(), state, permit: Some(permit) }
    }

    /// Lets go of socket and place; what was made is still told.
    fn close(&mut self) {
        self.state = State::Over;
        self.permit = None;
    }

    fn fail<T>(&mut self, error: ModelError) -> Poll<Option<Result<T, ModelError>>> {
        self.events.clear();
        self.close();
        Poll::Ready(Some(Err(error)))
    }

    /// The end of a cancelled answer.
    fn cancelled(&mut self) -> ModelEvent {
        self.events.clear();
        self.close();
        ModelEvent::Done { usage: self.decoder.usage(), finish_reason: FinishReason::Cancelled }
    }

    /// Goes on until events are there or the answer is over.
    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        loop {
            let look = match &mut self.state {
                State::Over => return Poll::Ready(Ok(())),
                State::Opening(opening) => {
                    let opened = ready!(opening.as_mut().poll(context))?;
                    self.state = State::Reading(Box::new(Reading::new(opened)?));
                    Look::More
                }
                State::Reading(reading) => ready!(reading.poll(context, &mut self.decoder, &mut self.events))
                    .map_err(|fault| explain(fault, &self.upstream))?,
            };
            if matches!(look, Look::End) {
                self.decoder
                    .finish(&mut self.events)
                    .map_err(|fault| explain(fault.into(), &self.upstream))?;
                self.close();
            }
            if !self.events.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// What an answer is made of.
pub(super) struct Asked {
    pub(super) body: Bytes,
    /// Tool calls in the conversation.
    pub(super) calls_before: usize,
}

impl Stream for Answer {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let is_over = matches!(this.state, State::Over);
        if !is_over && this.cancel.poll_asked(context) {
            return Poll::Ready(Some(Ok(this.cancelled())));
        }
        if this.events.is_empty()
            && let Err(error) = ready!(this.poll_work(context))
        {
            return this.fail(error);
        }
        Poll::Ready(this.events.pop_front().map(Ok))
    }
}

/// Why reading stopped.
enum Fault {
    Error(ModelError),
    Sse(SseFault),
    Decode(DecodeFault),
    /// The body broke off.
    Cut(&'static str),
}

impl From<DecodeFault> for Fault {
    fn from(fault: DecodeFault) -> Self {
        Self::Decode(fault)
    }
}

impl From<SseFault> for Fault {
    fn from(fault: SseFault) -> Self {
        Self::Sse(fault)
    }
}

/// The error that `fault` becomes; what it can't say goes to the log, without a word of the answer.
fn explain(fault: Fault, upstream: &Upstream) -> ModelError {
    let too_large =
        |what: &str| ModelError::Failed { message: format!("its answer has {what} larger than allowed") };
    let why = match fault {
        Fault::Error(error) => return error,
        Fault::Decode(DecodeFault::Told(error)) => {
            return Told::from_value(&error, &upstream.redactor).into_error();
        }
        Fault::Decode(DecodeFault::TooLarge(what)) => return too_large(what),
        Fault::Sse(SseFault::TooLarge) => return too_large("an event"),
        Fault::Sse(SseFault::UnknownLine) => "a line that is no server-sent event".to_owned(),
        Fault::Decode(DecodeFault::Malformed(why)) => why,
        Fault::Cut(why) => why.to_owned(),
    };
    tracing::warn!(upstream = upstream.origin(), why, "an answer was cut");
    ModelError::Truncated
}

impl Reading {
    /// # Errors
    /// `Failed` if the answer is of another type than the two that are read.
    fn new(opened: Opened) -> Result<Self, ModelError> {
        let Opened { response, deadlines } = opened;
        let form = Form::of(&response)?;
        let headers = response.headers();
        let has_told_end = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        let timer = Box::pin(sleep_until(deadlines.next()));
        let bytes = Box::pin(response.bytes_stream());
        Ok(Self { bytes, form, deadlines, timer, eventless_reads: 0, has_told_end, is_ending: false })
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        decoder: &mut Decoder,
        events: &mut VecDeque<ModelEvent>,
    ) -> Poll<Result<Look, Fault>> {
        if self.take_event(decoder, events)? {
            return Poll::Ready(Ok(Look::More));
        }
        let look = match self.bytes.as_mut().poll_next(context) {
            Poll::Pending => {
                ready!(self.poll_timer(context));
                if !self.is_ending {
                    return Poll::Ready(Err(Fault::Error(self.deadlines.error())));
                }
                Look::End
            }
            Poll::Ready(Some(Ok(bytes))) => {
                self.push(&bytes)?;
                self.check_deadline()?;
                Look::More
            }
            // After `[DONE]` nothing is missing, however the body ends.
            Poll::Ready(_) if self.is_ending => Look::End,
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Fault::Cut("the connection broke"))),
            Poll::Ready(None) => self.end(decoder, events)?,
        };
        Poll::Ready(Ok(look))
    }

    /// Decodes the next event that has come whole, if there is one.
    fn take_event(
        &mut self,
        decoder: &mut Decoder,
        events: &mut VecDeque<ModelEvent>,
    ) -> Result<bool, Fault> {
        let Form::Events(reader) = &mut self.form else { return Ok(false) };
        if self.is_ending {
            return Ok(false);
        }
        let Some(data) = reader.next_event()? else { return Ok(false) };
        self.eventless_reads = 0;
        if data == LAST {
            self.is_ending = true;
            self.timer.as_mut().reset(Deadlines::body_end());
        } else if decoder.take(data, events)? || self.deadlines.has_pieces() {
            self.deadlines.piece_came();
        }
        Ok(true)
    }

    /// The deadline of a body that always has bytes, so that the timer is never asked.
    fn check_deadline(&mut self) -> Result<(), Fault> {
        self.eventless_reads += 1;
        let has_only_noise = self.eventless_reads > EVENTLESS_READS_MAX && self.deadlines.has_passed();
        if !self.is_ending && (has_only_noise || self.deadlines.is_total_over()) {
            return Err(Fault::Error(self.deadlines.error()));
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.form {
            Form::Events(_) if self.is_ending => {}
            Form::Events(reader) => reader.push(bytes),
            Form::Whole(body) if body.len() + bytes.len() > WHOLE_BYTES_MAX => {
                return Err(DecodeFault::TooLarge("a body").into());
            }
            Form::Whole(body) => body.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// The body has ended as HTTP says; whether the answer has, the decoder knows.
    fn end(&self, decoder: &mut Decoder, events: &mut VecDeque<ModelEvent>) -> Result<Look, Fault> {
        match &self.form {
            Form::Whole(body) => {
                decoder.take(body, events)?;
            }
            Form::Events(_) if !self.has_told_end => {
                return Err(Fault::Cut("an end without `[DONE]` that may be a cut"));
            }
            Form::Events(_) => {}
        }
        Ok(Look::End)
    }

    /// Ready when the deadline has passed; the timer is set anew only when there is something to wait for.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let next = self.deadlines.next();
        if !self.is_ending && self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(context)
    }
}

impl Form {
    fn of(response: &Response) -> Result<Self, ModelError> {
        let given = response.headers().get(CONTENT_TYPE).and_then(|given| given.to_str().ok());
        let given = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match given.to_ascii_lowercase().as_str() {
            "text/event-stream" | "" => Ok(Self::Events(SseReader::default())),
            "application/json" => Ok(Self::Whole(Vec::new())),
            _ => Err(ModelError::Failed {
                message: "it answered with a page that is no answer: is `base_url` right?".to_owned(),
            }),
        }
    }
}
