//! A model whose answer the test makes event by event, and which counts what lives.

use futures_core::Stream;
use genesis_mesh::{
    BoxFuture, CancelHandle, FinishReason, GenerateRequest, Model, ModelError, ModelEvent, ModelInfo,
    ModelStream, Usage,
};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Answers with the given events, then never ends until it is cancelled; remembers its last request.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    info: ModelInfo,
    events: Vec<Result<ModelEvent, ModelError>>,
    pub(crate) request: Arc<Mutex<Option<GenerateRequest>>>,
    pub(crate) live: Arc<AtomicUsize>,
}

pub(crate) fn text(text: &str) -> Result<ModelEvent, ModelError> {
    Ok(ModelEvent::Text { text: text.into(), logprobs: Vec::new() })
}

pub(crate) fn done(finish_reason: FinishReason) -> Result<ModelEvent, ModelError> {
    Ok(ModelEvent::Done { usage: Usage::new(1, 2), finish_reason })
}

impl Probe {
    pub(crate) fn new(events: impl IntoIterator<Item = Result<ModelEvent, ModelError>>) -> Self {
        Self {
            info: ModelInfo { name: "probe".into(), context_tokens: None, description: "a probe".into() },
            events: events.into_iter().collect(),
            request: Arc::default(),
            live: Arc::default(),
        }
    }

    pub(crate) fn request(&self) -> GenerateRequest {
        self.request.lock().unwrap().clone().expect("the model was asked")
    }
}

impl Model for Probe {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        *self.request.lock().unwrap() = Some(request);
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let cancel = CancelHandle::new({
            let is_cancelled = Arc::clone(&is_cancelled);
            move || is_cancelled.store(true, Ordering::SeqCst)
        });
        self.live.fetch_add(1, Ordering::SeqCst);
        let answer =
            Answer { events: self.events.clone().into(), is_cancelled, live: Arc::clone(&self.live) };
        Box::pin(async move { Ok(ModelStream::new(answer, cancel)) })
    }
}

struct Answer {
    events: VecDeque<Result<ModelEvent, ModelError>>,
    is_cancelled: Arc<AtomicBool>,
    live: Arc<AtomicUsize>,
}

impl Stream for Answer {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_cancelled.load(Ordering::SeqCst) {
            return Poll::Ready(Some(done(FinishReason::Cancelled)));
        }
        Poll::Ready(self.events.pop_front())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}
