//! A server's plain socket, as its client.
//!
//! Owns: the address, the key in the hand-shake, reading what the server sends, and where it can be read on.
//! Never: speaks TLS: `ws://` alone; a key over a network belongs behind a tunnel or on the same machine.
//! Source: docs/protocol.md.

use super::told::{Failure, Told};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long a server may take to accept: a far one, and a busy one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What holds for runs: a client that is cut off has half a minute to come back.
const QUERY: &str = "on_disconnect=grace=30s";
/// What a server says that stops; another one goes on with its runs.
pub(super) const STOPPING: &str = "stopping";
/// What this program calls a fault of the connection. Servers never send it.
pub(super) const UNREACHABLE: &str = "server_unreachable";
/// The port of `ws://` addresses without one.
const DEFAULT_PORT: u16 = 80;

/// A server that is talked with.
pub(super) struct Server {
    authority: String,
    address: String,
    authorization: Option<HeaderValue>,
}

impl Server {
    /// The server at `url`, of the form `ws://HOST[:PORT]`.
    ///
    /// # Errors
    /// Another form, or a key that can't be a header's value.
    pub(super) fn new(url: &str, key: Option<String>) -> Result<Self, String> {
        let wrong = || format!("{url}: give the server as ws://HOST:PORT");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some("ws"), Some(authority), "" | "/") = (uri.scheme_str(), uri.authority(), uri.path()) else {
            return Err(wrong());
        };
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(DEFAULT_PORT));
        let header = |key: String| HeaderValue::try_from(format!("Bearer {key}"));
        let authorization = key.map(header).transpose().map_err(|_| "the key is no line of plain text")?;
        Ok(Self { authority: authority.to_string(), address, authorization })
    }

    /// A socket of `agent`.
    pub(super) async fn open(&self, agent: &str) -> Result<Socket, Failure> {
        let opened = timeout(CONNECT_TIMEOUT, self.connect(agent)).await;
        opened.unwrap_or_else(|_| Err(unreachable(&self.address, "no answer in 10 s")))
    }

    async fn connect(&self, agent: &str) -> Result<Socket, Failure> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|error| unreachable(&self.address, &error.to_string()))?;
        let url = format!("ws://{}/ws/{agent}?{QUERY}", self.authority);
        let wrong = |error: Error| unreachable(&url, &error.to_string());
        let mut request = url.as_str().into_client_request().map_err(wrong)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Socket { agent: agent.to_owned(), stream, is_open: true, place: None }),
            Err(Error::Http(answer)) => {
                let body =
                    answer.body().as_deref().and_then(|body| serde_json::from_slice::<Refused>(body).ok());
                let status = format!("the server answers with HTTP {}", answer.status());
                Err(body.map_or_else(|| unreachable(&url, &status), |refused| refused.error))
            }
            Err(error) => Err(wrong(error)),
        }
    }
}

/// The body of a refusal before the upgrade.
#[derive(Deserialize)]
struct Refused {
    error: Failure,
}

/// An open socket of one agent.
pub(super) struct Socket {
    agent: String,
    stream: WebSocketStream<TcpStream>,
    is_open: bool,
    place: Option<Place>,
}

/// Where the log of a run can be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    run_id: String,
    after: u64,
}

/// An update of the server, as far as a conversation shows it.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire {
    Run {
        run_id: String,
    },
    Delta {
        text: String,
        message: Option<String>,
    },
    Reset {
        message: Option<String>,
    },
    ToolCall {
        name: String,
        arguments: String,
    },
    Done {
        usage: WireUsage,
        finish_reason: String,
    },
    Error {
        error: Failure,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct WireUsage {
    output_tokens: u64,
}

impl Socket {
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Where the run that goes on can be read on, if it is logged.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Reads a run on.
    pub(super) async fn resume(&mut self, place: Place) -> Result<(), Failure> {
        let Place { run_id, after } = &place;
        let sent = self.send(&json!({"type": "resume", "run_id": run_id, "after": after})).await;
        self.place = Some(place);
        sent
    }

    pub(super) async fn send(&mut self, input: &Value) -> Result<(), Failure> {
        let sent = self.stream.send(Message::text(input.to_string())).await;
        sent.map_err(|error| self.ended(&error.to_string()))
    }

    /// Asks the server to stop. If it is gone, the next thing that is told says so.
    pub(super) async fn cancel(&mut self) {
        drop(self.stream.send(Message::text(r#"{"type":"cancel"}"#)).await);
    }

    pub(super) async fn next(&mut self) -> Told {
        let text = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(Some(frame)))) => {
                let why = format!("the server closed with {} {}", u16::from(frame.code), frame.reason);
                return Told::Failed(self.ended(why.trim_end()));
            }
            Some(Ok(Message::Close(None))) | None => return Told::Failed(self.ended("the server closed")),
            Some(Ok(_)) => return Told::Nothing,
            Some(Err(error)) => return Told::Failed(self.ended(&error.to_string())),
        };
        self.read(&text).unwrap_or_else(|error| {
            // What can't be understood is not understood the next time either.
            self.place = None;
            Told::Failed(self.ended(&format!("the server's message is no update: {error}")))
        })
    }

    fn read(&mut self, text: &str) -> Result<Told, serde_json::Error> {
        let update: Value = serde_json::from_str(text)?;
        if let (Some(place), Some(seq)) = (&mut self.place, update.get("seq").and_then(Value::as_u64)) {
            place.after = seq;
        }
        Ok(match serde_json::from_value(update)? {
            Wire::Run { run_id } => {
                self.place = Some(Place { run_id, after: 1 });
                Told::Nothing
            }
            Wire::Delta { text, message } => Told::Text { message, text },
            Wire::Reset { message } => Told::Void(message),
            Wire::ToolCall { name, arguments } => Told::Call(format!("{name}({arguments})\n")),
            Wire::Done { usage, finish_reason } => {
                self.place = None;
                Told::End { output_tokens: usage.output_tokens, finish_reason }
            }
            Wire::Error { error } => {
                // A server that stops has given the run back; another mistake is the run's end.
                self.place = self.place.take().filter(|_| error.code == STOPPING);
                Told::Failed(error)
            }
            Wire::Other => Told::Nothing,
        })
    }

    fn ended(&mut self, why: &str) -> Failure {
        self.is_open = false;
        unreachable(&self.agent, why)
    }
}

/// A fault of the connection.
fn unreachable(what: &str, why: &str) -> Failure {
    Failure { code: UNREACHABLE.to_owned(), message: format!("{what}: {why}") }
}
