//! A server's plain socket, as its client.
//!
//! Owns: the address, the key in the hand-shake, and reading what the server sends.
//! Never: speaks TLS: `ws://` alone; a key over a network belongs behind a tunnel or on the same machine.
//! Source: docs/protocol.md.

use super::told::{Failure, Told};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long a server may take to accept: a far one, and a busy one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
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
        let url = format!("ws://{}/ws/{agent}", self.authority);
        let wrong = |error: Error| unreachable(&url, &error.to_string());
        let mut request = url.as_str().into_client_request().map_err(wrong)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Socket { agent: agent.to_owned(), stream, is_open: true }),
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
}

/// An update of the server, as far as a conversation shows it.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire {
    Delta {
        text: String,
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
        match serde_json::from_str(&text) {
            Ok(Wire::Delta { text }) => Told::Text(text),
            Ok(Wire::ToolCall { name, arguments }) => Told::Call(format!("{name}({arguments})\n")),
            Ok(Wire::Done { usage, finish_reason }) => {
                Told::End { output_tokens: usage.output_tokens, finish_reason }
            }
            Ok(Wire::Error { error }) => Told::Failed(error),
            Ok(Wire::Other) => Told::Nothing,
            Err(error) => Told::Failed(self.ended(&format!("the server's message is no update: {error}"))),
        }
    }

    fn ended(&mut self, why: &str) -> Failure {
        self.is_open = false;
        unreachable(&self.agent, why)
    }
}

/// A fault of the connection. The code is this program's own: servers never send it.
fn unreachable(what: &str, why: &str) -> Failure {
    Failure { code: "server_unreachable".to_owned(), message: format!("{what}: {why}") }
}
