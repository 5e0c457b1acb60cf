//! A server under test and its clients.

use crate::puppet::Puppet;
use futures_util::{SinkExt, StreamExt};
use genesis_mesh::{GenesisMesh, Parser, Pipeline};
use genesis_mesh_server::{Serve, ServeOptions};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A server on a free port, with the agents `puppet` (a model) and `lines` (a pipeline over it).
pub(crate) struct Desk {
    pub(crate) addr: SocketAddr,
    pub(crate) puppet: Puppet,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(ServeOptions::default()).await
    }

    pub(crate) async fn with(options: ServeOptions) -> Self {
        let puppet = Puppet::new();
        let mesh = GenesisMesh::new()
            .model("puppet", puppet.clone())
            .agent("lines", Pipeline::new("puppet").prompt("echo {{ topic }}").parse(Parser::lines()));
        Self::of(mesh, puppet, options).await
    }

    /// A server of a mesh over `puppet`.
    pub(crate) async fn of(mesh: GenesisMesh, puppet: Puppet, options: ServeOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        #[expect(clippy::disallowed_methods, reason = "a test waits for its server by itself")]
        let served = tokio::spawn(async { mesh.serve_on(listener, options, stopped).await.unwrap() });
        Self { addr, puppet, stop: Some(stop), served }
    }

    /// Tells the server to stop, as a signal does.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has returned.
    pub(crate) async fn stopped(mut self) {
        self.stop();
        self.served.await.expect("the server returns");
    }

    /// Drops the server where it is.
    pub(crate) fn abort(self) {
        self.served.abort();
    }

    pub(crate) async fn client(&self, agent: &str) -> Client {
        self.over(TcpStream::connect(self.addr).await.unwrap(), agent).await
    }

    /// A client of runs that are not logged, whose kernel takes about `bytes` that it has not read, and holds 64 KiB that
    /// it has sent. A run that is logged would not wait for it.
    pub(crate) async fn client_with_window(&self, agent: &str, bytes: u32) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        socket.set_send_buffer_size(64 * 1024).unwrap();
        self.over(socket.connect(self.addr).await.unwrap(), &format!("{agent}?log=false")).await
    }

    async fn over(&self, stream: TcpStream, agent: &str) -> Client {
        self.shake(stream, agent, &[]).await
    }

    /// A client whose handshake has these headers too.
    pub(crate) async fn client_with(&self, agent: &str, headers: &[(&'static str, &str)]) -> Client {
        self.shake(TcpStream::connect(self.addr).await.unwrap(), agent, headers).await
    }

    async fn shake(&self, stream: TcpStream, agent: &str, headers: &[(&'static str, &str)]) -> Client {
        let mut request = format!("ws://{}/ws/{agent}", self.addr).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = client_async(request, stream).await.unwrap();
        Client { socket }
    }

    /// Sends a request head as it is and reads the answer up to its end: status line, headers, body.
    pub(crate) async fn http(&self, head: &str) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
        (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String, Value) {
        self.http(&format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n")).await
    }
}

/// A WebSocket client that speaks JSON.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, value: Value) {
        self.text(value.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next JSON message without what the log adds: the update `run` is passed over, and no update has its number.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let mut message = self.next_logged().await;
            if message["type"] != "run" {
                message.as_object_mut().map(|fields| fields.remove("seq"));
                return message;
            }
        }
    }

    /// The next JSON message as it is; control frames are passed over.
    pub(crate) async fn next_logged(&mut self) -> Value {
        loop {
            match self.socket.next().await.expect("the socket is open").expect("the frame is right") {
                Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected JSON, got {other:?}"),
            }
        }
    }

    /// Asks, and gives the text of the deltas and the last message.
    pub(crate) async fn ask(&mut self, prompt: &str) -> (String, Value) {
        self.send(json!({"prompt": prompt})).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> (String, Value) {
        let mut text = String::new();
        loop {
            let message = self.next().await;
            match message["text"].as_str() {
                Some(piece) => text.push_str(piece),
                None => return (text, message),
            }
        }
    }

    /// The code of the error that is the next message.
    pub(crate) async fn error(&mut self) -> String {
        let message = self.next().await;
        assert_eq!(message["type"], "error", "{message}");
        message["error"]["code"].as_str().expect("a code").to_owned()
    }

    /// The code of the close frame that is the next message; then the end of the stream.
    pub(crate) async fn closed(&mut self) -> u16 {
        let code = loop {
            match self.socket.next().await.expect("a close frame").expect("the frame is right") {
                Message::Close(frame) => break frame.expect("a code").code.into(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        };
        assert!(self.socket.next().await.is_none_or(|last| last.is_err()), "nothing follows a close");
        code
    }
}
