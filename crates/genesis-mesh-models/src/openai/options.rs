//! What an OpenAI-compatible model is made with, and why it can't be made.
//!
//! Owns: the options with their defaults and reasons, and the error of a wrong one.
//! Never: reads a file or the environment; whoever configures does.

use super::secret::ApiKey;
use std::fmt;
use std::time::Duration;

/// How a model behind an OpenAI-compatible server is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenAiOptions {
    /// Where the API begins, with its version (`https://api.openai.com/v1`); a query is kept and sent along.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// Sent as `Authorization: Bearer …`; `None` sends none, as servers on one's own machine want it.
    pub api_key: Option<ApiKey>,
    /// More headers, by name; they win over our own. Values of 16 bytes or more are taken for secrets.
    pub headers: Vec<(String, String)>,
    /// How long each part of an answer may take.
    pub timeouts: OpenAiTimeouts,
    /// How often a request is sent again that got no piece of an answer.
    pub retries_max: u32,
    /// The wait before the first retry, if the server names none; it doubles for each one after it, and is cut
    /// by up to a half at random, so that clients that failed together don't come back together.
    pub retry_wait: Duration,
    /// The most requests at a time; one more is refused with `Busy`.
    pub in_flight_max: usize,
    /// The model's context in tokens, if it is known; only told, never enforced.
    pub context_tokens: Option<u32>,
}

impl OpenAiOptions {
    /// The model named `model` at `base_url`, with these defaults: no key, no more headers,
    /// [`OpenAiTimeouts::default`], 2 retries after 500 ms and a second (as OpenAI's own clients: a short outage is
    /// bridged, a long one told within seconds), 256 requests at a time (each holds a socket here and mostly one
    /// of a client, so both are half of the 1,024 files that a process may open by default).
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            headers: Vec::new(),
            timeouts: OpenAiTimeouts::default(),
            retries_max: 2,
            retry_wait: Duration::from_millis(500),
            in_flight_max: 256,
            context_tokens: None,
        }
    }
}

impl fmt::Debug for OpenAiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OpenAiOptions")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("api_key", &self.api_key)
            .field("headers", &names)
            .field("timeouts", &self.timeouts)
            .field("retries_max", &self.retries_max)
            .field("retry_wait", &self.retry_wait)
            .field("in_flight_max", &self.in_flight_max)
            .field("context_tokens", &self.context_tokens)
            .finish()
    }
}

/// How long each part of an answer may take; all above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAiTimeouts {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// From sending a request to the first piece of its answer: text, a tool call, or thoughts that are not told.
    pub first_piece: Duration,
    /// From one piece to the next. Comments and parts of an event are none.
    pub next_piece: Duration,
    /// The whole answer, with all retries and waits.
    pub total: Duration,
}

impl Default for OpenAiTimeouts {
    /// 5 s to connect (more than any working network needs, with two lost packets), 60 s to the first piece (long
    /// prompts, queues and models that think first), 30 s from piece to piece (the slowest models write one a
    /// second), 600 s in all (8,000 tokens at 13 a second; the limit of OpenAI's own clients too).
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_piece: Duration::from_secs(60),
            next_piece: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

/// Why a model behind an OpenAI-compatible server can't be set up. None of them goes away by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAiError {
    /// The base address is none.
    #[error("`base_url` {problem}")]
    BaseUrl {
        /// What is wrong with it, without the address itself: it may hold a password.
        problem: String,
    },
    /// A header that can't be sent, or that belongs to the connection.
    #[error("the header `{name}` can't be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// A key that no header can hold.
    #[error("the API key has characters that no header can hold")]
    ApiKey,
    /// An option that is empty or zero.
    #[error("`{name}` must not be empty or zero")]
    Empty {
        /// The option.
        name: &'static str,
    },
    /// The system's certificates can't be used.
    #[error("the system's certificates can't be used")]
    Tls {
        /// What the TLS library says.
        #[from]
        source: rustls::Error,
    },
    /// The HTTP client can't be made.
    #[error("the HTTP client can't be made")]
    Client {
        /// What the HTTP library says.
        #[from]
        source: reqwest::Error,
    },
}

impl OpenAiError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BaseUrl { .. } => "upstream_base_url",
            Self::Header { .. } => "upstream_header",
            Self::ApiKey => "upstream_api_key",
            Self::Empty { .. } => "upstream_option_empty",
            Self::Tls { .. } => "upstream_tls",
            Self::Client { .. } => "upstream_client",
        }
    }

    /// Whether the same options may work later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}
