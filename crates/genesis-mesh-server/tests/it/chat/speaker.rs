//! A client of chat completions that hides nothing: statuses, headers, events.

use crate::desk::Desk;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The answer to one request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {}", self.body))
    }

    pub(crate) fn param(&self) -> Option<&str> {
        self.body["error"]["param"].as_str()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }
}

/// A body that says `prompt` to the puppet, with more fields.
pub(crate) fn saying(prompt: &str, more: Value) -> Value {
    let mut body = json!({"model": "puppet", "messages": [{"role": "user", "content": prompt}]});
    let Value::Object(more) = more else { panic!("fields, not {more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}

impl Desk {
    /// Posts `body` and reads the whole answer.
    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.post("content-type: application/json\n", body.to_string().as_bytes()).await
    }

    /// Posts bytes with these headers and reads the whole answer.
    pub(crate) async fn post(&self, headers: &str, body: &[u8]) -> Answer {
        self.open_post(&format!("connection: close\n{headers}"), body).await.answer().await
    }

    async fn open_post(&self, headers: &str, body: &[u8]) -> Events {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let length = body.len();
        let head =
            format!("POST /v1/chat/completions HTTP/1.1\nhost: x\n{headers}content-length: {length}\n\n");
        stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let stream = BufReader::new(stream);
        Events { stream, head: String::new(), ready: Vec::new(), is_over: false }
    }

    /// Posts `body` and stops after the request.
    pub(crate) async fn begin(&self, body: &Value) -> Events {
        self.open_post("connection: close\ncontent-type: application/json\n", body.to_string().as_bytes())
            .await
    }

    /// Posts `body` and reads the head of a stream.
    pub(crate) async fn events(&self, body: &Value) -> Events {
        let mut events = self.begin(body).await;
        loop {
            let mut line = String::new();
            events.stream.read_line(&mut line).await.unwrap();
            if line == "\r\n" {
                return events;
            }
            events.head.push_str(&line.to_lowercase());
        }
    }
}

/// A stream of server-sent events, in chunked encoding.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    /// Lower-case.
    pub(crate) head: String,
    ready: Vec<u8>,
    is_over: bool,
}

impl Events {
    /// The whole answer of a request that does not stream.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap() }
    }

    /// The next event or comment as it stands; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.ready.windows(2).position(|two| two == b"\n\n") {
                let event = self.ready.drain(..end + 2).collect();
                return Some(String::from_utf8(event).unwrap().trim_end().to_owned());
            }
            if self.is_over {
                assert!(self.ready.is_empty(), "half an event: {:?}", self.ready);
                return None;
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).await.unwrap();
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).await.unwrap();
            self.is_over = size == 0;
            self.ready.extend_from_slice(&chunk[..size]);
        }
    }

    /// The next event's JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let event = self.next().await.expect("an event");
        let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?}"));
        serde_json::from_str(data).unwrap_or_else(|_| panic!("no JSON: {event:?}"))
    }

    /// All events to the end: the chunks, and whether `[DONE]` was the last.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, bool) {
        let mut chunks = Vec::new();
        while let Some(event) = self.next().await {
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?}"));
            if data == "[DONE]" {
                assert_eq!(self.next().await, None, "nothing follows the end");
                return (chunks, true);
            }
            chunks.push(serde_json::from_str(data).unwrap());
        }
        (chunks, false)
    }
}
