//! Runs: one execution of an agent, as a stream of updates.
//!
//! Owns: the run's stream, its parser's last word, and cancelling it.
//! Never: spawns a task: polling the run polls the model's stream, or drives the graph.
//! Flow: `Mesh::start` makes it; the caller reads updates until `Done` or an error; dropping it stops the work.

use crate::graph_agent::GraphRun;
use crate::parser::ReadyParser;
use crate::update::{RunError, Update};
use futures_core::Stream;
use futures_util::StreamExt;
use genesis_mesh_core::{FinishReason, ModelError, ModelEvent, ModelStream, Usage};
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

/// One execution of an agent: a stream of [`Update`]s that ends after `Done` or after one error.
///
/// Dropping it stops the work at the model's next step; [`Run::cancel`] stops it and keeps the end.
#[derive(Debug)]
pub struct Run(Work);

/// What a run does.
#[derive(Debug)]
enum Work {
    Answer(Answer),
    Graph(Mutex<GraphRun>),
}

/// What comes of a model's answer.
#[derive(Debug)]
pub(crate) enum Told {
    Update(Update),
    /// The tokens behind the updates since the last of these.
    Tokens(Vec<u32>),
}

/// A model's answer, for a bare model or a pipeline.
#[derive(Debug)]
pub(crate) struct Answer {
    answer: ModelStream,
    parsing: Option<Parsing>,
    state: State,
}

/// The text so far and the parser that reads it at the end.
#[derive(Debug)]
struct Parsing {
    parser: Arc<ReadyParser>,
    text: String,
}

#[derive(Debug)]
enum State {
    Answering,
    /// The output was told; the end is still to tell.
    Ending {
        usage: Usage,
        finish_reason: FinishReason,
    },
    Ended,
}

impl Run {
    pub(crate) fn new(answer: ModelStream, parser: Option<Arc<ReadyParser>>) -> Self {
        Self(Work::Answer(Answer::new(answer, parser, String::new())))
    }

    pub(crate) fn of_graph(run: GraphRun) -> Self {
        Self(Work::Graph(Mutex::new(run)))
    }

    /// Stops the work; the run then ends with `Done`, its usage so far and `FinishReason::Cancelled`.
    pub fn cancel(&self) {
        match &self.0 {
            Work::Answer(answer) => answer.cancel(),
            Work::Graph(run) => run.lock().unwrap_or_else(PoisonError::into_inner).cancel(),
        }
    }

    /// The next update; `None` after `Done` or an error.
    ///
    /// # Errors
    /// What the stream's last item says: the model failed, or its answer could not be parsed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Update, RunError>> {
        StreamExt::next(self).await
    }

    /// Waits for the end and gives the answer's whole text.
    ///
    /// # Errors
    /// The run's error, if it ends with one.
    pub async fn text(mut self) -> Result<String, RunError> {
        let mut answer = String::new();
        while let Some(update) = self.next().await {
            if let Update::Delta { text, .. } = update? {
                answer.push_str(&text);
            }
        }
        Ok(answer)
    }

    /// Waits for the end and gives what the pipeline's parser made, or the state that a graph came to; `None` for a bare
    /// model.
    ///
    /// # Errors
    /// The run's error, if it ends with one.
    pub async fn output(mut self) -> Result<Option<Value>, RunError> {
        let mut output = None;
        while let Some(update) = self.next().await {
            if let Update::Output { value } = update? {
                output = Some(value);
            }
        }
        Ok(output)
    }
}

impl Answer {
    /// The answer of which `text` was told before.
    pub(crate) fn new(answer: ModelStream, parser: Option<Arc<ReadyParser>>, text: String) -> Self {
        let parsing = parser.map(|parser| Parsing { parser, text });
        Self { answer, parsing, state: State::Answering }
    }

    /// Stops the answer, which then tells its end.
    pub(crate) fn cancel(&self) {
        self.answer.cancel_handle().cancel();
    }

    /// The update that `event` becomes.
    fn tell(&mut self, event: ModelEvent) -> Result<Told, RunError> {
        let update = match event {
            ModelEvent::Text { text, logprobs } => {
                if let Some(parsing) = &mut self.parsing {
                    parsing.text.push_str(&text);
                }
                Update::Delta { text, logprobs, message: None }
            }
            ModelEvent::ToolCallDelta(delta) => Update::ToolCallDelta(delta),
            ModelEvent::ToolCall(call) => Update::ToolCall(call),
            ModelEvent::Tokens(tokens) => return Ok(Told::Tokens(tokens)),
            ModelEvent::Done { usage, finish_reason } => self.end(usage, finish_reason)?,
        };
        Ok(Told::Update(update))
    }

    /// The output first, if there is a parser; a cancelled answer is only a part and is not parsed.
    fn end(&mut self, usage: Usage, finish_reason: FinishReason) -> Result<Update, RunError> {
        self.state = State::Ended;
        match self.parsing.take() {
            Some(parsing) if finish_reason != FinishReason::Cancelled => {
                let value = parsing.parser.parse(&parsing.text)?;
                self.state = State::Ending { usage, finish_reason };
                Ok(Update::Output { value })
            }
            _ => Ok(Update::Done { usage, finish_reason }),
        }
    }
}

impl Stream for Answer {
    type Item = Result<Told, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.state {
            State::Ended => return Poll::Ready(None),
            State::Ending { usage, finish_reason } => {
                self.state = State::Ended;
                return Poll::Ready(Some(Ok(Told::Update(Update::Done { usage, finish_reason }))));
            }
            State::Answering => {}
        }
        let event = ready!(self.answer.poll_next_unpin(context));
        let told = match event {
            Some(Ok(event)) => self.tell(event),
            Some(Err(error)) => Err(error.into()),
            None => Err(ModelError::Truncated.into()),
        };
        if told.is_err() {
            self.state = State::Ended;
        }
        Poll::Ready(Some(told))
    }
}

impl Stream for Run {
    type Item = Result<Update, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Work::Answer(answer) => loop {
                match ready!(answer.poll_next_unpin(context)) {
                    Some(Ok(Told::Update(update))) => return Poll::Ready(Some(Ok(update))),
                    // Nobody goes on with a run that is not logged.
                    Some(Ok(Told::Tokens(_))) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            },
            Work::Graph(run) => {
                run.get_mut().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
            }
        }
    }
}
