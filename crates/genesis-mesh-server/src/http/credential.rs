//! Credentials: taken out of a request before anything else sees it, so that nothing else can log them.
//!
//! Owns: the places where a key or a ticket may stand.
//! Never: judges one; `access` does.
//! Flow: `accept` calls `take` on each request; what was found travels beside the request, hidden from `Debug`.
//! Source: RFC 6750; the subprotocol `openai-insecure-api-key.` is what `OpenAI`'s clients send from browsers.

use axum::http::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Request, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// What a ticket starts with; a key may not.
pub(crate) const TICKET_PREFIX: &str = "ek_";

/// The header that clients of other services send their key in.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The field of a query that holds a ticket.
const TOKEN: &str = "token";

/// Fields of a query that people put keys into; they are taken out, and only `token` is read.
const SECRET_FIELDS: [&str; 4] = [TOKEN, "api_key", "api-key", "access_token"];

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    Key(Secret),
    Ticket(Secret),
    /// A key in a query, where logs and histories keep it.
    Misplaced,
}

/// The text of a key or a ticket.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Ticket(_) => "Ticket",
            Self::Misplaced => "Misplaced",
        })
    }
}

impl Credential {
    fn new(text: &[u8]) -> Self {
        let secret = Secret(text.to_vec());
        if text.starts_with(TICKET_PREFIX.as_bytes()) { Self::Ticket(secret) } else { Self::Key(secret) }
    }
}

/// Moves the request's credential from its headers or its query to its extensions. The first of these counts:
/// `Authorization: Bearer`, `x-api-key`, a subprotocol, `?token=`.
pub(crate) fn take<B>(request: &mut Request<B>) {
    let headers = request.headers_mut();
    let bearer = headers.remove(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let api_key = headers.remove(X_API_KEY).map(|value| Credential::new(value.as_bytes().trim_ascii()));
    let protocol = from_protocols(headers);
    let token = from_query(request.uri_mut());
    if let Some(credential) = bearer.or(api_key).or(protocol).or(token) {
        request.extensions_mut().insert(credential);
    }
}

fn bearer(value: &[u8]) -> Option<Credential> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| Credential::new(token.trim_ascii()))
}

/// Takes the protocols out that are secrets; the others stay.
fn from_protocols(headers: &mut HeaderMap) -> Option<Credential> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return None;
    }
    let lists: Vec<HeaderValue> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    let mut found = None;
    for protocol in lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')) {
        let protocol = protocol.trim();
        if let Some(secret) = secret_of(protocol) {
            found = found.or(Some(secret));
        } else if let Ok(value) = HeaderValue::from_str(protocol) {
            headers.append(SEC_WEBSOCKET_PROTOCOL, value);
        }
    }
    found
}

/// The credential that a subprotocol is. One that is no base64 is a credential too: a wrong one.
fn secret_of(protocol: &str) -> Option<Credential> {
    if let Some(key) = protocol.strip_prefix("openai-insecure-api-key.") {
        return Some(Credential::new(key.as_bytes()));
    }
    let encoded = protocol.strip_prefix("bearer.")?;
    let decoded = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
    Some(Credential::new(&decoded.unwrap_or_default()))
}

/// Takes the fields out of the query that hold secrets.
fn from_query(uri: &mut Uri) -> Option<Credential> {
    let query = uri.query()?;
    let is_secret = |pair: &&str| SECRET_FIELDS.iter().any(|field| name_of(pair).eq_ignore_ascii_case(field));
    let mut secrets = query.split('&').filter(is_secret).peekable();
    secrets.peek()?;
    let token = secrets.find_map(|pair| pair.strip_prefix("token="));
    let credential = match token {
        Some(ticket) if ticket.starts_with(TICKET_PREFIX) => Credential::new(ticket.as_bytes()),
        _ => Credential::Misplaced,
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_secret(pair)).collect();
    let path =
        if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    let mut parts = uri.clone().into_parts();
    // What stays of a valid path and query is one; if it were not, the secret must still not stay.
    parts.path_and_query =
        Some(PathAndQuery::try_from(path).unwrap_or_else(|_| PathAndQuery::from_static("/")));
    *uri = Uri::from_parts(parts).unwrap_or_default();
    Some(credential)
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

#[cfg(test)]
mod tests;
