//! The HTTP client: one for each model, with its connections.
//!
//! Owns: checking address and headers, TLS, the pool, and the bound on requests in flight.
//! Never: follows a redirect: the key goes to no other host. Speaks HTTP/2: closing a socket stops one answer.

use super::options::{OpenAiError, OpenAiOptions};
use super::secret::Redactor;
use bytes::Bytes;
use genesis_mesh_core::ModelError;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url, redirect};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const USER_AGENT: &str = concat!("genesis-mesh/", env!("CARGO_PKG_VERSION"));
/// Headers that belong to the connection or to the body.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "te", "transfer-encoding"];

/// Where a model is, and the connections to it.
pub(super) struct Upstream {
    pub(super) options: OpenAiOptions,
    pub(super) redactor: Redactor,
    client: Client,
    url: Url,
    in_flight: Arc<AtomicUsize>,
}

impl Upstream {
    pub(super) fn new(options: OpenAiOptions) -> Result<Self, OpenAiError> {
        check_limits(&options)?;
        let url = completions_url(&options.base_url)?;
        let mut builder = Client::builder()
            .default_headers(headers(&options)?)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(options.timeouts.connect)
            .tcp_nodelay(true)
            // As long as common servers and balancers keep an idle connection, or they close it under a request.
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(options.in_flight_max)
            .http1_only()
            .tls_backend_preconfigured(tls(&url)?);
        if is_loopback(&url) {
            // A proxy is for other machines.
            builder = builder.no_proxy();
        }
        let redactor = Redactor::new(options.api_key.as_ref(), &options.headers);
        Ok(Self { client: builder.build()?, options, redactor, url, in_flight: Arc::default() })
    }

    /// Scheme, host and port, for people.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// A place among the requests in flight.
    ///
    /// # Errors
    /// `Busy` if there is none.
    pub(super) fn permit(&self) -> Result<Permit, ModelError> {
        let most = self.options.in_flight_max;
        let take = |count: usize| (count < most).then_some(count + 1);
        match self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(Permit(Arc::clone(&self.in_flight))),
            Err(queued) => Err(ModelError::Busy { queued }),
        }
    }

    /// Sends `body` and waits for the answer's status and headers.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, or ends its making.
    pub(super) async fn send(&self, body: Bytes) -> Result<reqwest::Response, reqwest::Error> {
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.body_mut() = Some(body.into());
        self.client.execute(request).await
    }
}

/// A place among the requests in flight; free again when it is dropped.
pub(super) struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn check_limits(options: &OpenAiOptions) -> Result<(), OpenAiError> {
    let timeouts = options.timeouts;
    let options = [
        ("model", options.model.is_empty()),
        ("in_flight_max", options.in_flight_max == 0),
        ("timeouts.connect", timeouts.connect.is_zero()),
        ("timeouts.first_piece", timeouts.first_piece.is_zero()),
        ("timeouts.next_piece", timeouts.next_piece.is_zero()),
        ("timeouts.total", timeouts.total.is_zero()),
    ];
    match options.into_iter().find(|(_, is_empty)| *is_empty) {
        Some((name, _)) => Err(OpenAiError::Empty { name }),
        None => Ok(()),
    }
}

fn completions_url(base: &str) -> Result<Url, OpenAiError> {
    let wrong = |problem: String| OpenAiError::BaseUrl { problem };
    let mut url = Url::parse(base).map_err(|error| wrong(format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("must begin with `https://` or `http://` and name a host".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no user and no password: give the key as `api_key`".to_owned()));
    }
    url.set_fragment(None);
    let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn headers(options: &OpenAiOptions) -> Result<HeaderMap, OpenAiError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    if let Some(key) = &options.api_key {
        let value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()));
        let mut value = value.map_err(|_| OpenAiError::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &options.headers {
        let wrong = || OpenAiError::Header { name: name.clone() };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if OWN_HEADERS.contains(&header.as_str()) {
            return Err(wrong());
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// TLS with ring and the system's certificates. An `http` address needs none: its client trusts nobody.
fn tls(url: &Url) -> Result<rustls::ClientConfig, OpenAiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match url.scheme() {
        "https" => builder.with_platform_verifier()?,
        _ => builder.with_root_certificates(rustls::RootCertStore::empty()),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
