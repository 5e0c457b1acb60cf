//! The echo: says what it hears, over the same hand-shake, wire and farewell as every socket.
//!
//! Owns: one loop. Compiled in for conformance tests alone, by the feature `echo`.
//! Never: is part of what users run.

use super::End;
use super::farewell;
use crate::ws::wire::Wire;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Sends every message back until either side ends the socket.
pub(in crate::ws) async fn serve(mut stream: WebSocketStream<Wire>) {
    let end = loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                let outbox = stream.get_mut().outbox();
                outbox.text().extend_from_slice(text.as_str().as_bytes());
                outbox.end();
                if stream.flush().await.is_err() {
                    break End::Gone;
                }
            }
            Some(Ok(Message::Binary(bytes))) => {
                if stream.send(Message::Binary(bytes)).await.is_err() {
                    break End::Gone;
                }
            }
            Some(Ok(Message::Close(_))) | None => break End::Gone,
            Some(Ok(_)) => {}
            Some(Err(error)) => break end_of(&error),
        }
    };
    farewell::close(&mut stream, end).await;
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooLarge,
        Error::Utf8(_) => End::InvalidUtf8,
        Error::Protocol(_) => End::ProtocolError,
        _ => End::Gone,
    }
}
