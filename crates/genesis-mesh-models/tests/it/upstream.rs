//! An upstream that does what a script says, byte by byte, and tells what it sees.
//!
//! Owns: a server on a free port, one script a request, and the news of requests and of clients that leave.
//! Never: follows HTTP by itself: every byte of an answer is the script's.

use futures_util::StreamExt as _;
use genesis_mesh_core::{GenerateRequest, Message, Model as _, ModelError, ModelEvent, Prompt, Role};
use genesis_mesh_models::{ApiKey, OpenAiModel, OpenAiOptions};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};

/// The key of every test; it may show up nowhere.
pub(crate) const KEY: &str = "sk-test-0123456789";

pub(crate) type Item = Result<ModelEvent, ModelError>;

/// One thing that the upstream does for a request.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// One byte a write.
    Drip(Vec<u8>),
    /// Again and again, until the client leaves.
    Flood(Vec<u8>),
    /// Sends nothing more, until the client leaves.
    Hold,
    /// Ends the connection in order.
    Close,
    /// Breaks the connection.
    Reset,
}

/// What the upstream saw.
#[derive(Debug)]
pub(crate) enum News {
    Request(Request),
    /// The client closed its connection.
    Left,
}

#[derive(Debug)]
pub(crate) struct Request {
    /// Request line and headers, as they came.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// A server that plays its scripts, one a request; the last one again and again.
pub(crate) struct FaultUpstream {
    pub(crate) address: SocketAddr,
    news: mpsc::Receiver<News>,
    _tasks: JoinSet<()>,
}

impl FaultUpstream {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, news) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(Mutex::new(scripts)), tell));
        Self { address, news, _tasks: tasks }
    }

    /// A model of this server with `edit`ed options and quick retries.
    pub(crate) fn model(&self, edit: impl FnOnce(&mut OpenAiOptions)) -> OpenAiModel {
        let mut options = OpenAiOptions::new(format!("http://{}/v1", self.address), "m");
        options.api_key = Some(ApiKey::new(KEY));
        options.retry_wait = Duration::from_millis(1);
        edit(&mut options);
        OpenAiModel::new(options).unwrap()
    }

    pub(crate) async fn news(&mut self) -> News {
        self.news.recv().await.unwrap()
    }

    /// The next request; a client that leaves is passed over.
    pub(crate) async fn request(&mut self) -> Request {
        loop {
            if let News::Request(request) = self.news().await {
                return request;
            }
        }
    }

    /// Waits until a client has left.
    pub(crate) async fn left(&mut self) {
        while !matches!(self.news().await, News::Left) {}
    }

    /// The requests that came until now, when all answers are over.
    pub(crate) fn request_count(&mut self) -> usize {
        std::iter::from_fn(|| self.news.try_recv().ok())
            .filter(|news| matches!(news, News::Request(_)))
            .count()
    }
}

async fn accept(listener: TcpListener, scripts: Arc<Mutex<Vec<Vec<Step>>>>, tell: mpsc::Sender<News>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        connections.spawn(serve(stream, Arc::clone(&scripts), tell.clone()));
    }
}

async fn serve(mut stream: TcpStream, scripts: Arc<Mutex<Vec<Vec<Step>>>>, tell: mpsc::Sender<News>) {
    while let Some(request) = read_request(&mut stream).await {
        tell.send(News::Request(request)).await.unwrap();
        let script = {
            let mut scripts = scripts.lock().unwrap();
            if scripts.len() > 1 { scripts.remove(0) } else { scripts[0].clone() }
        };
        for step in script {
            if !play(step, &mut stream).await {
                return;
            }
        }
    }
    tell.send(News::Left).await.unwrap();
}

/// Does one step; `false` ends the connection.
async fn play(step: Step, stream: &mut TcpStream) -> bool {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
        Step::Drip(bytes) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                yield_now().await;
            }
            true
        }
        Step::Flood(bytes) => {
            while stream.write_all(&bytes).await.is_ok() {
                yield_now().await;
            }
            true
        }
        // What comes next is the client's end, which the next read finds.
        Step::Hold => true,
        Step::Close => false,
        Step::Reset => {
            stream.set_zero_linger().unwrap();
            false
        }
    }
}

/// The next request; `None` if the client has left.
async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap().to_lowercase();
    let length = head.split_once("content-length: ").unwrap().1.split_once("\r\n").unwrap().0;
    let length: usize = length.parse().unwrap();
    while bytes.len() < head_end + length {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    Some(Request { head, body: serde_json::from_slice(&bytes[head_end..]).unwrap() })
}

/// An answer of `status` with `headers`, each ended by a line end, and `body`.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Step {
    let length = body.len();
    Step::Send(format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}").into())
}

/// The head of a stream in chunks.
pub(crate) fn head() -> Step {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Step::Send(head.into())
}

/// One chunk of a body.
pub(crate) fn chunk(text: &str) -> Step {
    Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into())
}

/// The end of a body in chunks.
pub(crate) fn last_chunk() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// An event with a piece of text.
pub(crate) fn piece(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

/// The event with the reason of the end.
pub(crate) const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A whole good answer of one word.
pub(crate) fn good() -> Vec<Step> {
    vec![head(), chunk(&piece("Hi")), chunk(FINISH), chunk(DONE), last_chunk()]
}

pub(crate) fn ask() -> GenerateRequest {
    let prompt = Prompt::Messages(vec![Message::new(Role::User, "Say hi.")]);
    GenerateRequest { prompt, ..Default::default() }
}

/// All that `model` answers.
pub(crate) async fn answer_of(model: &OpenAiModel) -> Vec<Item> {
    model.generate(ask()).await.unwrap().collect().await
}

/// The text of `items` and how they end: the error's code, or `done`.
pub(crate) fn summary(items: &[Item]) -> (String, &'static str) {
    let mut text = String::new();
    let mut end = "nothing";
    for item in items {
        assert_eq!(end, "nothing", "an item after the end: {items:?}");
        match item {
            Ok(ModelEvent::Text { text: piece, .. }) => text.push_str(piece),
            Ok(ModelEvent::Done { .. }) => end = "done",
            Ok(_) => {}
            Err(error) => end = error.code(),
        }
        assert!(!format!("{item:?}").contains(KEY), "{item:?}");
    }
    (text, end)
}
