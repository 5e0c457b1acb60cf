//! Clients: sixteen readers that ask, read to the end, and ask again.
//!
//! Owns: what each asks and how its answers are timed, in process and on a socket.
//! Never: parses more of an update than it must: the clients take their time from the server.

use super::error::BenchError;
use super::prompts::Prompts;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use genesis_mesh_core::{GenerateRequest, Model, ModelEvent, Prompt};
use genesis_mesh_local::LocalModel;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) const CLIENTS: usize = 16;
pub(crate) const PROMPT_TOKENS: usize = 70;
pub(crate) const ANSWER_TOKENS: u32 = 64;
/// Requests of each client, one after the other: the first meet fifteen others, the last find a server in stride.
pub(crate) const REQUESTS: usize = 8;

/// The prompts of one round: those of a client are one entry.
pub(crate) type Script = Vec<Vec<String>>;

/// One answer as its reader saw it.
pub(crate) struct Answer {
    /// From the request to the first piece.
    pub(crate) first: Duration,
    /// Tokens read, and tokens made, as the end says.
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// All answers of a round, and how long it took.
pub(crate) struct Round {
    /// Those of a client are one entry.
    pub(crate) answers: Vec<Vec<Answer>>,
    pub(crate) time: Duration,
}

impl Round {
    pub(crate) fn tokens(&self) -> u64 {
        self.answers.iter().flatten().map(|answer| answer.output_tokens).sum()
    }

    pub(crate) fn tokens_per_s(&self) -> f64 {
        self.tokens() as f64 / self.time.as_secs_f64()
    }
}

/// New prompts for all clients.
pub(crate) fn script(prompts: &mut Prompts) -> Result<Script, BenchError> {
    let client = |_| (0..REQUESTS).map(|_| prompts.text(PROMPT_TOKENS)).collect();
    (0..CLIENTS).map(client).collect()
}

/// Plays `script` on the model itself.
pub(crate) async fn in_process(model: &LocalModel, script: &Script) -> Result<Round, BenchError> {
    let start = Instant::now();
    let clients: FuturesUnordered<_> = script
        .iter()
        .map(|texts| async move {
            let mut answers = Vec::new();
            for text in texts {
                answers.push(generate(model, text).await?);
            }
            Ok::<_, BenchError>(answers)
        })
        .collect();
    let answers = clients.try_collect().await?;
    Ok(Round { answers, time: start.elapsed() })
}

async fn generate(model: &LocalModel, text: &str) -> Result<Answer, BenchError> {
    let prompt = Prompt::Text(text.to_owned());
    let start = Instant::now();
    let request = GenerateRequest { prompt, max_tokens: Some(ANSWER_TOKENS), ..Default::default() };
    let mut stream = model.generate(request).await?;
    let mut first = None;
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Done { usage, .. } => {
                let (input_tokens, output_tokens) = (usage.input_tokens, usage.output_tokens);
                let first = first.unwrap_or_else(|| start.elapsed());
                return Ok(Answer { first, input_tokens, output_tokens });
            }
            ModelEvent::Text { .. }
            | ModelEvent::ToolCallDelta(_)
            | ModelEvent::ToolCall(_)
            | ModelEvent::Tokens(_) => {
                first.get_or_insert_with(|| start.elapsed());
            }
        }
    }
    Err(BenchError::program("the model's stream", "ended without an end"))
}

/// Plays `script` on the server at `address`; the sockets are open before the time begins.
pub(crate) async fn over_sockets(address: &str, script: &Script) -> Result<Round, BenchError> {
    let mut sockets = Vec::new();
    for _ in script {
        sockets.push(connect(address).await?);
    }
    let start = Instant::now();
    let clients: FuturesUnordered<_> = sockets
        .into_iter()
        .zip(script)
        .map(|(mut socket, texts)| async move {
            let mut answers = Vec::new();
            for text in texts {
                answers.push(ask(&mut socket, text).await?);
            }
            Ok::<_, BenchError>(answers)
        })
        .collect();
    let answers = clients.try_collect().await?;
    Ok(Round { answers, time: start.elapsed() })
}

async fn connect(address: &str) -> Result<WebSocketStream<TcpStream>, BenchError> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    let stream = stream.map_err(|error| BenchError::io(format!("connect to {address}"), error))?;
    Ok(client_async(format!("ws://{address}/ws/smollm2"), stream).await?.0)
}

async fn ask(socket: &mut WebSocketStream<TcpStream>, text: &str) -> Result<Answer, BenchError> {
    let request = json!({ "raw_prompt": text, "max_tokens": ANSWER_TOKENS }).to_string();
    let start = Instant::now();
    socket.send(Message::text(request)).await?;
    let mut first = None;
    while let Some(message) = socket.next().await {
        let Message::Text(update) = message? else { continue };
        if update.starts_with(r#"{"type":"delta""#) {
            first.get_or_insert_with(|| start.elapsed());
            continue;
        }
        let first = first.unwrap_or_else(|| start.elapsed());
        let value: Value = serde_json::from_str(&update).unwrap_or_default();
        let count = |name: &str| value.get("usage")?.get(name)?.as_u64();
        return match (count("input_tokens"), count("output_tokens")) {
            (Some(input_tokens), Some(output_tokens)) => Ok(Answer { first, input_tokens, output_tokens }),
            _ => Err(BenchError::program("the server", format!("sent {update}"))),
        };
    }
    Err(BenchError::program("the server", "closed a socket"))
}
