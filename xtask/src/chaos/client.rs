//! A client: asks for run after run, loses its connections, comes back to any replica, and reads each run to its end.
//!
//! Owns: how a client that wants to miss nothing speaks to the plain socket.
//! Never: judges what it is told, or asks for a run twice without its key.
//! Flow: `live` asks for a run, `visit` is one connection: an input with its key, or a resume after the last event.

use super::book::{Book, Page};
use super::dice::Dice;
use super::event::Event;
use super::evidence::Transcript;
use super::work::Work;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A connection that takes longer is given up.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// A socket that says nothing for so long may be half open: it is left for another one. Runs that wait are silent, too.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// So many runs follow each other on a thread, of each of the clients that share it.
const THREAD_RUNS: u64 = 5;
/// So many clients share a thread.
const THREAD_CLIENTS: u64 = 2;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u64,
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    pub(crate) book: Book,
    /// Where the replicas are reached.
    pub(crate) doors: Arc<[SocketAddr]>,
    /// Whether no more runs are to be asked for.
    pub(crate) is_over: watch::Receiver<bool>,
}

/// How a connection came to its end.
#[derive(Debug, PartialEq, Eq)]
enum Visit {
    /// With the end of the run.
    Ended,
    /// Without; the client comes back.
    Lost,
    /// The server said that it can't now.
    Refused,
}

impl Client {
    /// Asks for runs until there is no more time, and reads the last one to its end.
    pub(crate) async fn live(mut self) {
        let mut asked = 0;
        while !*self.is_over.borrow() {
            let next = self.next(asked);
            let page = self.book.open(next);
            asked += 1;
            loop {
                match self.visit(page).await {
                    Visit::Ended => break,
                    Visit::Lost => sleep(self.dice.time(5, 50)).await,
                    Visit::Refused => sleep(self.dice.time(50, 250)).await,
                }
            }
        }
    }

    /// What to ask for now.
    fn next(&mut self, asked: u64) -> Transcript {
        let steps = Work::Steps { rounds: 2 + self.dice.below(2), width: 3 };
        let (work, has_thread) = match self.dice.below(10) {
            0..4 => (Work::Story, false),
            4..7 => (steps, false),
            _ => (steps, true),
        };
        let (group, turn) = (self.number / THREAD_CLIENTS, asked / THREAD_RUNS);
        Transcript {
            key: format!("{}-{}-{asked}", self.seed, self.number),
            work,
            thread: has_thread.then(|| format!("thread-{group}-{turn}")),
            run_ids: Vec::new(),
            frames: Vec::new(),
            visits: 0,
            refusals: Vec::new(),
        }
    }

    /// One connection.
    async fn visit(&mut self, page: Page) -> Visit {
        let Some(door) = self.dice.pick(&self.doors).copied() else { return Visit::Lost };
        let Some((path, message)) = self.book.with(page, |transcript| {
            transcript.visits += 1;
            opening(transcript)
        }) else {
            return Visit::Lost;
        };
        // Some leave by themselves, in the middle of whatever there is.
        let mut patience = if self.dice.one_in(6) { self.dice.below(25) } else { u64::MAX };
        let Ok(Some(mut socket)) = timeout(CONNECT_MAX, connect(door, &path)).await else {
            return Visit::Lost;
        };
        if socket.send(Message::text(message.to_string())).await.is_err() {
            return Visit::Lost;
        }
        while patience > 0 {
            patience -= 1;
            let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, socket.next()).await else {
                return Visit::Lost;
            };
            let Message::Text(text) = message else { continue };
            let Some(visit) = self.book.with(page, |transcript| hear(transcript, &text)) else {
                return Visit::Lost;
            };
            if let Some(visit) = visit {
                return visit;
            }
        }
        Visit::Lost
    }
}

async fn connect(door: SocketAddr, path: &str) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(door).await.ok()?;
    let (socket, _) = client_async(format!("ws://{door}{path}"), stream).await.ok()?;
    Some(socket)
}

/// The address and the first message: the input with its key, or, once the run is known, a resume.
fn opening(transcript: &Transcript) -> (String, Value) {
    let mut path = format!("/ws/{}?on_disconnect=continue&if_busy=enqueue", transcript.work.agent());
    let message = match transcript.run() {
        Some(run) => json!({"type": "resume", "run_id": run, "after": transcript.cursor()}),
        None => {
            path += &format!("&idempotency_key={}", transcript.key);
            if let Some(thread) = &transcript.thread {
                path += &format!("&thread_id={thread}");
            }
            transcript.work.input()
        }
    };
    (path, message)
}

/// Writes down what the server said; gives how the visit ends, if it does.
fn hear(transcript: &mut Transcript, text: &str) -> Option<Visit> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let code = value.get("error").and_then(|error| error.get("code")).and_then(Value::as_str);
    let code = code.unwrap_or("no code").to_owned();
    let Some(event) = Event::of(value) else {
        transcript.refusals.push(code);
        return Some(Visit::Refused);
    };
    if let ("run", Some(run)) = (event.kind(), event.text_of("run_id")) {
        transcript.run_ids.push(run.to_owned());
    }
    let is_end = event.is_end();
    transcript.frames.push(event);
    is_end.then_some(Visit::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript() -> Transcript {
        Transcript {
            key: "1-2-3".to_owned(),
            work: Work::Story,
            thread: Some("t".to_owned()),
            run_ids: Vec::new(),
            frames: Vec::new(),
            visits: 0,
            refusals: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_asked_for_with_its_key_until_it_is_known_and_then_resumed() {
        let mut seen = transcript();
        let (path, message) = opening(&seen);
        assert!(path.ends_with("&idempotency_key=1-2-3&thread_id=t"), "{path}");
        assert_eq!(message, json!({"prompt": "Tell the story."}));
        assert_eq!(hear(&mut seen, r#"{"type":"run","run_id":"r","seq":1}"#), None);
        assert_eq!(hear(&mut seen, r#"{"type":"delta","text":"a","seq":4}"#), None);
        let (path, message) = opening(&seen);
        assert!(!path.contains("key"), "{path}");
        assert_eq!(message, json!({"type": "resume", "run_id": "r", "after": 4}));
    }

    #[test]
    fn an_error_without_a_number_is_no_end() {
        let mut seen = transcript();
        let refusal = r#"{"type":"error","error":{"code":"stopping","message":"later","param":null}}"#;
        assert_eq!(hear(&mut seen, refusal), Some(Visit::Refused));
        assert_eq!((seen.refusals.as_slice(), seen.frames.len()), (["stopping".to_owned()].as_slice(), 0));
        let end = r#"{"type":"error","error":{"code":"node_failed"},"seq":9}"#;
        assert_eq!(hear(&mut seen, end), Some(Visit::Ended));
        assert!(seen.has_ended());
    }
}
