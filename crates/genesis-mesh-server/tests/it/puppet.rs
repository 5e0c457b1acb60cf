//! A model that does what its prompt says, and counts the answers that live.

use futures_util::stream::{self, StreamExt};
use genesis_mesh::{
    BoxFuture, CancelHandle, FinishReason, GenerateRequest, Model, ModelError, ModelEvent, ModelInfo,
    ModelStream, Prompt, TokenLogprob, ToolCall, ToolCallDelta, Usage,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Prompts: `echo …` says the text letter by letter; `wait` says `started` and waits for a cancel; `flood`
/// says 1 KiB pieces until it is cancelled; `hang` never starts; `refuse`, `busy` and `fail` are errors, and `broken …` is
/// one after the text; `call …` calls a tool with these arguments in pieces, then another at once; `likely …` says
/// letters with log probabilities; `asked` says what the request asks for; `end …` ends for this reason.
#[derive(Debug, Clone)]
pub(crate) struct Puppet {
    info: ModelInfo,
    live: Arc<watch::Sender<usize>>,
    pieces: Arc<AtomicUsize>,
}

impl Puppet {
    pub(crate) fn new() -> Self {
        let info = ModelInfo { name: "puppet".into(), context_tokens: None, description: String::new() };
        Self { info, live: Arc::new(watch::Sender::new(0)), pieces: Arc::default() }
    }

    /// How many pieces floods have made.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Waits until `count` answers are alive: asked for, and neither finished nor dropped.
    pub(crate) async fn live(&self, count: usize) {
        self.live.subscribe().wait_for(|live| *live == count).await.expect("the puppet lives");
    }
}

impl Model for Puppet {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        let asked = format!("{request:?}");
        let prompt = match request.prompt {
            Prompt::Messages(messages) => {
                messages.into_iter().map(|message| message.content).collect::<String>()
            }
            Prompt::Text(text) => text,
        };
        let alive = Alive::new(Arc::clone(&self.live));
        let pieces = Arc::clone(&self.pieces);
        Box::pin(async move {
            match prompt.split_once(' ').unwrap_or((prompt.as_str(), "")) {
                ("hang", _) => std::future::pending().await,
                ("refuse", _) => {
                    let (param, message) = (Some("temperature".into()), "not so hot".into());
                    Err(ModelError::InvalidRequest { param, message })
                }
                ("busy", _) => Err(ModelError::Busy { queued: 3 }),
                ("fail", _) => Ok(answer(alive, [Err(ModelError::Failed { message: "lost".into() })], false)),
                ("wait", _) => Ok(answer(alive, [text("started")], true)),
                ("flood", _) => {
                    let piece = move || {
                        pieces.fetch_add(1, Ordering::Relaxed);
                        text(&"x".repeat(1024))
                    };
                    Ok(answer(alive, std::iter::repeat_with(piece), true))
                }
                ("broken", said) => {
                    let lost = Err(ModelError::Truncated);
                    Ok(answer(alive, [text(said), lost], false))
                }
                ("asked", _) => Ok(answer(alive, [text(&asked), done(FinishReason::Stop)], false)),
                ("likely", said) => {
                    let letters: Vec<_> = said.chars().map(|letter| likely(&letter.to_string())).collect();
                    Ok(answer(alive, letters.into_iter().chain([done(FinishReason::Stop)]), false))
                }
                ("call", arguments) => Ok(answer(alive, calls(arguments), false)),
                ("end", reason) => {
                    let reason = serde_json::from_value(reason.into()).expect("a reason");
                    Ok(answer(alive, [text("so"), done(reason)], false))
                }
                (_, said) => {
                    let letters: Vec<_> = said.chars().map(|letter| text(&letter.to_string())).collect();
                    Ok(answer(alive, letters.into_iter().chain([done(FinishReason::Stop)]), false))
                }
            }
        })
    }
}

fn text(text: &str) -> Result<ModelEvent, ModelError> {
    Ok(ModelEvent::Text { text: text.into(), logprobs: Vec::new() })
}

/// A text of certain probability, with a rival that never happens.
fn likely(text: &str) -> Result<ModelEvent, ModelError> {
    let token = |token: &str, logprob, top| TokenLogprob {
        token: token.into(),
        logprob,
        bytes: token.as_bytes().to_vec(),
        top,
    };
    let top = vec![token(text, -0.5, Vec::new()), token("ü", f32::NEG_INFINITY, Vec::new())];
    Ok(ModelEvent::Text { text: text.into(), logprobs: vec![token(text, -0.5, top)] })
}

/// A call whose arguments come in two pieces, and one that comes whole.
fn calls(arguments: &str) -> Vec<Result<ModelEvent, ModelError>> {
    let (id, name) = ("call_1".to_owned(), "get_weather".to_owned());
    let (one, two) = arguments.split_at(arguments.len() / 2);
    let piece = |arguments: &str| {
        let (id, name) = (id.clone(), name.clone());
        Ok(ModelEvent::ToolCallDelta(ToolCallDelta { id, name, arguments: arguments.into() }))
    };
    let whole = ToolCall { id: id.clone(), name: name.clone(), arguments: arguments.into() };
    let other = ToolCall { id: "call_2".into(), name: "now".into(), arguments: "{}".into() };
    let whole = [whole, other].map(|call| Ok(ModelEvent::ToolCall(call)));
    [piece(""), piece(one), piece(two)]
        .into_iter()
        .chain(whole)
        .chain([done(FinishReason::ToolCalls)])
        .collect()
}

fn done(finish_reason: FinishReason) -> Result<ModelEvent, ModelError> {
    Ok(ModelEvent::Done { usage: Usage::new(1, 1), finish_reason })
}

/// The events; then, if it `waits`, silence until the cancel.
fn answer<I>(alive: Alive, events: I, waits: bool) -> ModelStream
where
    I: IntoIterator<Item = Result<ModelEvent, ModelError>>,
    I::IntoIter: Send + 'static,
{
    let token = CancellationToken::new();
    let cancel = CancelHandle::new({
        let token = token.clone();
        move || token.cancel()
    });
    let wait = async move {
        if waits {
            std::future::pending::<()>().await;
        }
    };
    let end = stream::once(wait).filter_map(|()| async { None });
    let events = stream::iter(events).chain(end).take_until(token.clone().cancelled_owned());
    let cancelled = stream::once(async move { token.is_cancelled().then(|| done(FinishReason::Cancelled)) });
    let events = events.chain(cancelled.filter_map(|event| async { event }));
    ModelStream::new(
        events
            .map(move |event| {
                let _ = &alive;
                event
            })
            .boxed(),
        cancel,
    )
}

/// Counts itself while it lives.
struct Alive(Arc<watch::Sender<usize>>);

impl Alive {
    fn new(live: Arc<watch::Sender<usize>>) -> Self {
        live.send_modify(|live| *live += 1);
        Self(live)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|live| *live -= 1);
    }
}
