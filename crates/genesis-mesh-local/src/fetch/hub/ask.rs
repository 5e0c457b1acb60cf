//! Asking the hub: the files of a repository, what one of them is, and its bytes.
//!
//! Owns: requests, their time limits, and what statuses and headers mean.
//! Never: follows the hub's redirects with the token to another host, or waits without an end.
//! Source: `hf_raise_for_status` and `get_hf_file_metadata` of huggingface_hub (Python) 0.36: the header
//! `x-error-code`, and for LFS files `x-linked-etag` (their SHA-256) and `x-linked-size` on the redirect.

use super::{HubFault, HubFetcher, Missing};
use crate::fetch::marker::SHA256_DIGITS;
use crate::fetch::{Progress, Report, Stage, wait};
use hf_hub::api::RepoInfo;
use hf_hub::api::sync::{Api, ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use std::time::Duration;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

/// Time to reach the hub: a far server and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which the hub, or the store that it sends us to, counts as gone.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most of a repository's description that is read; one of a thousand files has a tenth of it.
const INFO_BYTES_MAX: u64 = 4 << 20;
/// Redirects until the file's headers are there: a renamed repository, a mirror, and some room.
const REDIRECTS_MAX: usize = 5;

/// The hub, for one repository.
pub(super) struct Client {
    api: Api,
    repo: String,
    revision: String,
    agent: Agent,
    authorization: Option<String>,
}

/// A file as the hub has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// Where its bytes are, at one commit.
    pub(super) url: String,
    /// For all files that LFS keeps, so for every model.
    pub(super) sha256: Option<String>,
    pub(super) bytes: u64,
}

/// The token in the file that `hf auth login` writes.
pub(super) fn token_of_file() -> Option<String> {
    // Without a home hf-hub would panic.
    let has_home = std::env::var_os("HF_HOME").is_some() || directories::BaseDirs::new().is_some();
    if has_home { Cache::from_env().token() } else { None }
}

impl Client {
    /// Reaches nobody yet.
    pub(super) fn new(fetcher: &HubFetcher) -> Result<Self, HubFault> {
        let HubFetcher { endpoint, token, file, .. } = fetcher;
        // A cache of hf-hub's own is never used.
        let mut builder = ApiBuilder::from_cache(Cache::new(fetcher.cache.clone())).with_token(token.clone());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint.trim().trim_end_matches('/').to_owned());
        }
        let api = builder.build().map_err(|_| HubFault::BadAnswer { what: "the endpoint can't be used" })?;
        let agent = Agent::config_builder()
            .user_agent(concat!("genesis-mesh/", env!("CARGO_PKG_VERSION")))
            // The sizes and hashes are those of the plain bytes.
            .accept_encoding("identity")
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build()
            .into();
        let authorization = token.as_ref().map(|token| format!("Bearer {token}"));
        Ok(Self { api, repo: file.repo.clone(), revision: file.revision().to_owned(), agent, authorization })
    }

    fn at(&self, revision: &str) -> ApiRepo {
        self.api.repo(Repo::with_revision(self.repo.clone(), RepoType::Model, revision.to_owned()))
    }

    /// The files of the repository.
    pub(super) fn files(&self, progress: Report<'_>) -> Result<Vec<String>, HubFault> {
        let request = self.at(&self.revision).info_request().config().http_status_as_error(false);
        let request = request.timeout_connect(Some(CONNECT_TIMEOUT)).timeout_resolve(Some(CONNECT_TIMEOUT));
        let request = request.timeout_global(Some(SILENCE_TIMEOUT)).build();
        let answer = asked(progress, 0, 0, move || {
            let mut response = request.call()?;
            let body = response.body_mut().with_config().limit(INFO_BYTES_MAX).read_to_vec()?;
            Ok((response, body))
        })?;
        let (response, body) = answer;
        if !response.status().is_success() {
            return Err(refusal(&response, Missing::Revision));
        }
        let what = "the description of the repository is no JSON, or has no files";
        let info: RepoInfo = serde_json::from_slice(&body).map_err(|_| HubFault::BadAnswer { what })?;
        Ok(info.siblings.into_iter().map(|file| file.rfilename).collect())
    }

    /// What the file `name` is, by the headers of its address.
    pub(super) fn look(&self, name: &str, progress: Report<'_>) -> Result<Remote, HubFault> {
        let mut url = self.at(&self.revision).url(&encoded(name));
        let first = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = self.agent.head(&url);
            if let Some(authorization) = self.authorization.as_ref().filter(|_| is_same_origin(&url, &first))
            {
                request = request.header("authorization", authorization);
            }
            let request = request.config().max_redirects(0).build();
            let response = asked(progress, 0, 0, move || request.call())?;
            let status = response.status();
            if !(status.is_success() || status.is_redirection()) {
                return Err(refusal(&response, Missing::File));
            }
            let headers = response.headers();
            if status.is_success() || headers.contains_key("x-linked-etag") {
                return self.remote(name, headers);
            }
            url = redirected(&url, headers)?;
        }
        Err(HubFault::BadAnswer { what: "it redirects again and again" })
    }

    /// The bytes of `remote` from `from` on, and where they start: at `from`, or at 0.
    pub(super) fn read(
        &self,
        remote: &Remote,
        from: u64,
        progress: Report<'_>,
    ) -> Result<(u64, Response<Body>), HubFault> {
        let mut request = self.agent.get(&remote.url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let response = asked(progress, from, remote.bytes, move || request.call())?;
        match response.status().as_u16() {
            200 => Ok((0, response)),
            206 if starts_at(response.headers(), from) => Ok((from, response)),
            206 => Err(HubFault::BadAnswer { what: "it sends another range than it was asked for" }),
            _ => Err(refusal(&response, Missing::File)),
        }
    }

    fn remote(&self, name: &str, headers: &HeaderMap) -> Result<Remote, HubFault> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = text("x-linked-etag").or_else(|| text("etag")).unwrap_or_default();
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        let is_sha256 = etag.len() == SHA256_DIGITS && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = text("x-linked-size").or_else(|| text("content-length"));
        let what = "it does not tell the size of the file";
        let bytes = size.and_then(|size| size.parse().ok()).ok_or(HubFault::BadAnswer { what })?;
        // At the commit that was looked at: a push between the two requests changes nothing.
        let commit = text("x-repo-commit").filter(|commit| commit.bytes().all(|c| c.is_ascii_hexdigit()));
        let url = self.at(commit.unwrap_or(&self.revision)).url(&encoded(name));
        Ok(Remote { url, sha256: is_sha256.then_some(etag), bytes })
    }
}

/// What `request` gives, asked on a thread of its own.
fn asked<T: Send + 'static>(
    progress: Report<'_>,
    bytes: u64,
    bytes_total: u64,
    request: impl FnOnce() -> Result<T, ureq::Error> + Send + 'static,
) -> Result<T, HubFault> {
    let now = Progress { stage: Stage::Downloading, bytes, bytes_total };
    let answer = wait::in_thread(progress, now, request)?.unwrap_or_else(|error| Err(error.into()));
    answer.map_err(|source| match source {
        ureq::Error::BodyExceedsLimit(_) => HubFault::BadAnswer { what: "the list of files is too long" },
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            HubFault::BadAnswer { what: "the endpoint is no address of the form https://HOST" }
        }
        source => HubFault::Offline { source: Box::new(source) },
    })
}

/// What a status that is no success means; `missing` is what a plain 404 is about.
fn refusal<T>(response: &Response<T>, missing: Missing) -> HubFault {
    let header =
        |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = response.status().as_u16();
    match (header("x-error-code"), status) {
        ("GatedRepo", _) => HubFault::Denied { status, is_gated: true },
        ("RepoNotFound", _) => HubFault::NotFound { what: Missing::Repository },
        ("RevisionNotFound", _) => HubFault::NotFound { what: Missing::Revision },
        ("EntryNotFound", _) => HubFault::NotFound { what: Missing::File },
        (_, 401 | 403) => HubFault::Denied { status, is_gated: false },
        (_, 404 | 410) => HubFault::NotFound { what: missing },
        _ => HubFault::Refused { status },
    }
}

/// Where a redirect from `url` leads: an address, or a path on the same host.
fn redirected(url: &str, headers: &HeaderMap) -> Result<String, HubFault> {
    let bad = HubFault::BadAnswer { what: "it redirects to nowhere" };
    let Some(location) = headers.get("location").and_then(|value| value.to_str().ok()) else {
        return Err(bad);
    };
    if location.starts_with("http://") || location.starts_with("https://") {
        return Ok(location.to_owned());
    }
    match (origin(url), location.starts_with('/')) {
        (Some((scheme, host)), true) => Ok(format!("{scheme}://{host}{location}")),
        _ => Err(bad),
    }
}

fn is_same_origin(a: &str, b: &str) -> bool {
    origin(a).is_some_and(|a| origin(b) == Some(a))
}

/// Scheme, and host with port.
fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.authority()?.as_str().to_ascii_lowercase()))
}

/// Whether an answer of a range starts at byte `from`.
fn starts_at(headers: &HeaderMap, from: u64) -> bool {
    let range = headers.get("content-range").and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// A file's path as part of an address: all but plain characters and `/` in percents.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
