//! An answer as a stream: the body of the response, which polls the runs and writes what they say.
//!
//! Owns: the order of a stream's events, and its frames: all that is ready, up to a bound.
//! Never: spawns or queues: the client's pace is the runs' pace, and dropping the body stops them.
//! Flow: hyper polls `poll_frame`; `Voice` turns one run's updates into chunks.

mod voice;

use super::ask::Ask;
use super::chunk::ChunkWriter;
use super::completion::ChatUsage;
use super::stamp::Stamp;
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use crate::served::ServedRun;
use crate::tasks::{AnswerToken, Tasks};
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use voice::{Said, Voice};

/// How long a stream may say nothing before a comment is sent, and twice that at most; proxies close connections
/// that are silent for 30 to 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The most that one frame holds, in bytes: then other connections get their turn.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// The events of one answer.
struct AnswerStream {
    voices: Vec<Voice>,
    writer: ChunkWriter,
    usage: ChatUsage,
    has_usage_chunk: bool,
    is_over: bool,
    /// Whether a frame was sent since the last look at the clock.
    has_spoken: bool,
    clock: Pin<Box<Sleep>>,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    _token: AnswerToken,
}

/// The answer of `runs` to `ask`, as events.
pub(super) fn response(
    ask: &Ask,
    stamp: &Stamp,
    runs: Vec<ServedRun>,
    tasks: &Tasks,
    token: AnswerToken,
) -> Response {
    let mut writer = ChunkWriter::new(stamp, ask.has_usage_chunk);
    let voices = runs.into_iter().enumerate();
    let voices: Vec<_> = voices.map(|(index, run)| Voice::new(index, run, ask.has_logprobs)).collect();
    for voice in &voices {
        voice.introduce(&mut writer);
    }
    let mut response = Response::new(Body::new(AnswerStream {
        voices,
        writer,
        usage: ChatUsage::default(),
        has_usage_chunk: ask.has_usage_chunk,
        is_over: false,
        has_spoken: true,
        clock: Box::pin(sleep(KEEP_ALIVE)),
        ending: Box::pin(tasks.ending().clone().cancelled_owned()),
        _token: token,
    }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl AnswerStream {
    /// Writes all that the runs have to say now, in turns, up to a frame's bound.
    fn listen(&mut self, context: &mut Context<'_>) {
        while !self.is_over && self.writer.len() < FRAME_BYTES_MAX {
            let mut is_quiet = true;
            for voice in &mut self.voices {
                match voice.poll(context, &mut self.writer) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(Said::Piece)) => is_quiet = false,
                    Poll::Ready(Ok(Said::End(usage))) => {
                        is_quiet = false;
                        self.usage.add(usage);
                    }
                    Poll::Ready(Err(error)) => return self.fail(&error),
                }
            }
            if self.voices.iter().all(Voice::is_over) {
                return self.finish();
            }
            if is_quiet {
                return;
            }
        }
    }

    /// The end of an answer that is whole.
    fn finish(&mut self) {
        if self.has_usage_chunk {
            self.writer.usage(self.usage);
        }
        self.writer.done();
        self.end();
    }

    /// The end of an answer that is not: without `[DONE]`, so that no client takes it for whole.
    fn fail(&mut self, error: &ErrorAnswer) {
        self.writer.error(error);
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
        self.voices = Vec::new();
    }

    /// Writes a comment if nothing was said for long enough.
    fn keep_alive(&mut self, context: &mut Context<'_>) {
        while self.clock.as_mut().poll(context).is_ready() {
            self.clock.set(sleep(KEEP_ALIVE));
            if !self.has_spoken {
                self.writer.comment();
            }
            self.has_spoken = false;
        }
    }
}

impl http_body::Body for AnswerStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let stream = &mut *self;
        if stream.is_over {
            return Poll::Ready(None);
        }
        if stream.ending.as_mut().poll(context).is_ready() {
            stream.fail(&HttpError::Stopping.into());
        }
        stream.listen(context);
        if stream.writer.len() > 0 {
            stream.has_spoken = true;
        } else {
            stream.keep_alive(context);
        }
        if stream.writer.len() == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(stream.writer.take()))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}
