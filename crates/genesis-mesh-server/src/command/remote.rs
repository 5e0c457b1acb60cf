//! A running server over HTTP, for commands that ask it something.
//!
//! Owns: the flags that name a server and its key, requests, and what went wrong in words with a code.
//! Never: tries anything again; `runs follow` does, since it knows where it stands.

mod table;

pub(super) use table::{Table, age, stamp};

use super::pinned;
use clap::Args;
use genesis_mesh::RunId;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde_json::Value;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the making of a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may say nothing. In a stream it says something each 15 s.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The running server
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,

    /// A file that holds the server's key; without it GENESIS_MESH_KEY counts
    #[arg(long, global = true, value_name = "PATH")]
    key_file: Option<PathBuf>,

    /// The certificate that the server must show at an https address; without it the system's authorities count
    #[arg(long, global = true, value_name = "PATH")]
    cert: Option<PathBuf>,

    /// Write JSON, as the server sends it
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// The key of `--key-file`, or of the environment.
pub(super) fn key(file: Option<&Path>) -> Result<Option<String>, String> {
    let key = match file {
        Some(path) => {
            Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => std::env::var("GENESIS_MESH_KEY").ok(),
    };
    Ok(key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()))
}

/// What went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    code: String,
    message: String,
    /// The same request may succeed in a moment.
    pub(super) is_passing: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match (self.code.as_str(), self.is_passing) {
            ("server_unreachable", _) => "is the server running, and is --url its address?",
            ("key_missing", _) => "give --key-file, or GENESIS_MESH_KEY",
            (_, true) => "run this again",
            _ => "docs/errors.md says what to do",
        };
        write!(f, "{} ({}); {advice}", self.message, self.code)
    }
}

impl Error for Failure {}

impl Failure {
    /// A fault of the connection. The code is this program's own: servers never send it.
    pub(super) fn unreachable(what: &str, why: &str) -> Self {
        let message = format!("{what}: {why}");
        Self { code: "server_unreachable".to_owned(), message, is_passing: true }
    }
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refused {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    code: String,
    message: String,
}

pub(super) struct Server {
    http: Client,
    base: Url,
}

impl Server {
    /// The server of `remote`.
    ///
    /// # Errors
    /// The address is none, or a file that is named can't be read.
    pub(super) fn new(remote: &Remote) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let wrong = || format!("{}: give the server as http://HOST:PORT or https://HOST:PORT", remote.url);
        let base = Url::parse(&remote.url).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        let base = base.ok_or_else(wrong)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key(remote.key_file.as_deref())? {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| "the key is no line of plain text".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .http1_only()
            .tls_backend_preconfigured(pinned::client(remote.cert.as_deref())?);
        if is_loopback(&base) {
            // A proxy is for other machines.
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build()?, base })
    }

    /// The answer to `method` on the path of these parts, as JSON.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Failure> {
        let answer = self.send(method, path, query, "application/json").await?;
        let body = answer.bytes().await.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&body).map_err(|_| self.foreign("an answer that is no JSON"))
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, query).await
    }

    /// A stream of events.
    pub(super) async fn stream(&self, path: &[&str], query: &[(&str, String)]) -> Result<Response, Failure> {
        self.send(Method::GET, path, query, "text/event-stream").await
    }

    /// An error of a connection in its words.
    pub(super) fn broken(&self, error: &reqwest::Error) -> Failure {
        let mut why = error.to_string();
        let mut cause: Option<&dyn Error> = error.source();
        while let Some(error) = cause {
            // The last cause says what the system said.
            why = error.to_string();
            cause = error.source();
        }
        Failure::unreachable(self.base.as_str(), &why)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        accept: &'static str,
    ) -> Result<Response, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url).header(ACCEPT, accept);
        let answer = request.send().await.map_err(|error| self.broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.unwrap_or_default();
        let Ok(Refused { error }) = serde_json::from_slice(&body) else {
            return Err(self.foreign(&format!("HTTP {status}")));
        };
        let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(Failure { code: error.code, message: error.message, is_passing })
    }

    /// What answers is no server of this program.
    fn foreign(&self, what: &str) -> Failure {
        let why = format!("it answers with {what}, as no server of Genesis Mesh does");
        Failure { is_passing: false, ..Failure::unreachable(self.base.as_str(), &why) }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An id of a run, as a command takes it; a stored completion is named after its run.
pub(super) fn run_id(text: &str) -> Result<String, String> {
    let id: Result<RunId, _> = text.strip_prefix("chatcmpl-").unwrap_or(text).parse();
    id.map(|id| id.to_string())
        .map_err(|_| "it looks like 0192f0c1-2b3c-7d4e-8f90-123456789abc; `runs list` lists them".to_owned())
}

/// Writes what a server has answered: as JSON, or as `people` do for people.
pub(super) fn tell(
    json: bool,
    value: &Value,
    people: impl FnOnce(&Value) -> io::Result<()>,
) -> io::Result<()> {
    if json { write_json(value) } else { people(value) }
}

pub(super) fn write_json(value: &Value) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    writeln!(io::stdout().lock(), "{text}")
}

/// A field as text; an empty one for null.
pub(super) fn text(row: &Value, field: &str) -> String {
    match row.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
