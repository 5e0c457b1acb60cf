//! The WebSocket handshake: the checks before 101, and the TCP stream after it.
//!
//! Owns: reading the upgrade headers and taking the raw stream back from the HTTP layer.
//! Never: agrees to an extension, or to a subprotocol that would change a frame.
//! Source: RFC 6455, section 4.2.

use super::wire::Wire;
use crate::http::error::HttpError;
use crate::http::guard::Guard;
use crate::options::READ_BUFFER_BYTES;
use axum::body::Body;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The length of 16 bytes in base64.
const KEY_CHARS: usize = 24;

/// The subprotocols that browsers offer beside their key, which they do so that there is one to agree to: a browser
/// fails a connection that agrees to none. They name what is spoken anyway.
const PROTOCOLS: [&str; 2] = ["genesis.v1", "realtime"];

/// Checks the request and gives the answer 101.
///
/// # Errors
/// What the client must send instead.
pub(super) fn answer(method: &Method, headers: &HeaderMap) -> Result<Response, HttpError> {
    if method != Method::GET {
        return Err(HttpError::MethodNotAllowed { method: method.to_string(), allowed: "GET" });
    }
    if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
        return Err(HttpError::UpgradeRequired);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HttpError::WebSocketVersion);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
    let accept = HeaderValue::from_str(&derive_accept_key(key.ok_or(HttpError::WebSocketKey)?))
        .map_err(|_| HttpError::WebSocketKey)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) =
        PROTOCOLS.into_iter().find(|name| has_token(headers, &SEC_WEBSOCKET_PROTOCOL, name))
    {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(response)
}

/// The WebSocket over the raw stream, once 101 is sent.
///
/// # Errors
/// Why the HTTP layer did not hand the connection over: mostly, the client left.
pub(super) async fn finish(
    upgrade: OnUpgrade,
    message_bytes_max: usize,
) -> Result<WebSocketStream<Wire>, String> {
    let upgraded = upgrade.await.map_err(|error| error.to_string())?;
    // The raw stream is taken back, since the HTTP layer's buffers cost 8 KiB a connection.
    let parts = upgraded
        .downcast::<TokioIo<Guard>>()
        .map_err(|_| "the stream is not one of this server".to_owned())?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Its frames go to the outbox at once, which is the buffer.
        .write_buffer_size(0)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let early = parts.read_buf.to_vec();
    let stream = Wire::new(parts.io.into_inner().into_stream());
    Ok(WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await)
}

/// Whether a header is a list that contains `token`, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == KEY_CHARS && key.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_base64))
}
