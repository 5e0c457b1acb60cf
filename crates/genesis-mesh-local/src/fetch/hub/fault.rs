//! Why a file of the hub could not be got, and what its user can do.
//!
//! Owns: `HubFault`, the reasons; `HubError`, a reason with the file and the advice.
//! Never: retries; the user decides.

use crate::fetch::FetchFault;
use std::error::Error;
use std::fmt;

/// A reason, with what was wanted and what to do; all three are in its text, so its source is the reason's.
#[derive(Debug)]
pub struct HubError {
    /// What was wanted: `OWNER/NAME[@REVISION][:FILE]`.
    pub file: String,
    /// What went wrong.
    pub fault: HubFault,
}

impl HubError {
    pub(super) fn new(file: &impl fmt::Display, fault: HubFault) -> Self {
        Self { file: file.to_string(), fault }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.fault {
            HubFault::InvalidName { .. } => "hub_invalid_name",
            HubFault::NotFound { .. } => "hub_not_found",
            HubFault::Denied { .. } => "hub_denied",
            HubFault::NoChoice { .. } => "hub_file_unclear",
            HubFault::Offline { .. } => "hub_offline",
            HubFault::Refused { .. } => "hub_refused",
            HubFault::BadAnswer { .. } => "hub_bad_answer",
            HubFault::Truncated { .. } => "hub_truncated",
            HubFault::WrongContent { .. } => "hub_wrong_content",
            HubFault::NotGguf { .. } => "hub_not_gguf",
            HubFault::Cache(fault) => fault.code(),
        }
    }

    /// Whether the same may succeed later, with nothing changed on this machine but the network.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.fault {
            HubFault::Offline { .. } | HubFault::Truncated { .. } | HubFault::WrongContent { .. } => true,
            HubFault::Refused { status } => *status == TOO_MANY_REQUESTS || *status >= SERVER_ERRORS,
            HubFault::Cache(fault) => fault.is_retryable(),
            _ => false,
        }
    }

    fn advice(&self) -> &'static str {
        match &self.fault {
            HubFault::InvalidName { .. } => "write OWNER/NAME, OWNER/NAME:FILE or OWNER/NAME@REVISION:FILE",
            HubFault::NotFound { what: Missing::Repository, .. } => {
                "check the name; a private repository needs HF_TOKEN"
            }
            HubFault::NotFound { .. } => "check the name on the repository's page",
            HubFault::Denied { is_gated: true, .. } => {
                "accept the terms on the repository's page, then set HF_TOKEN to a token of that account"
            }
            HubFault::Denied { .. } => {
                "check the name, and that HF_TOKEN (or `hf auth login`) has a token that may read it"
            }
            HubFault::NoChoice { .. } => "name one: OWNER/NAME:FILE",
            HubFault::Offline { .. } => {
                "run this again while online (HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror), or name a GGUF file \
                 of this machine"
            }
            HubFault::Refused { .. } => "wait a minute and run this again",
            HubFault::BadAnswer { .. } => "check HF_ENDPOINT and the proxy: this is not how the hub answers",
            HubFault::Truncated { .. } => "run this again: it goes on where it was cut",
            HubFault::WrongContent { .. } => {
                "run this again; if it repeats, something on the way changes files"
            }
            HubFault::NotGguf { .. } => {
                "name a GGUF file; others (safetensors, PyTorch) must be converted first"
            }
            HubFault::Cache(FetchFault::Changed { .. }) => "delete it, then run this again",
            HubFault::Cache(FetchFault::Stopped) => "run this again: it goes on where it was stopped",
            HubFault::Cache(_) => "GENESIS_MESH_CACHE_DIR names another folder",
        }
    }
}

/// HTTP's status for a client that asks too often.
const TOO_MANY_REQUESTS: u16 = 429;
/// The first status that is the server's own fault.
const SERVER_ERRORS: u16 = 500;

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't get {} from the hub: {}; {}", self.file, self.fault, self.advice())
    }
}

impl Error for HubError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

/// Why a file could not be got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubFault {
    /// A name that can't be one of the hub's.
    #[error("{given:?} is no {what}")]
    InvalidName {
        /// What was expected: `repository`, `revision`, `GGUF file`.
        what: &'static str,
        /// What was given.
        given: String,
    },
    /// The hub does not have it.
    #[error("the hub has no such {what}")]
    NotFound {
        /// What is missing.
        what: Missing,
    },
    /// The hub does not give it to this user.
    #[error("the hub refuses access (HTTP {status}){}", terms(*is_gated))]
    Denied {
        /// 401 or 403.
        status: u16,
        /// Whether the repository's terms must be accepted first.
        is_gated: bool,
    },
    /// No file was named, and none or several could be meant.
    #[error("{}", unclear(files))]
    NoChoice {
        /// The repository's GGUF files.
        files: Vec<String>,
    },
    /// The hub can't be reached, or is silent.
    #[error("this machine is offline, or the hub can't be reached: {source}")]
    Offline {
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The hub answers with another error.
    #[error("the hub answers with HTTP {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The hub's answer is not what its interface promises.
    #[error("the hub's answer makes no sense: {what}")]
    BadAnswer {
        /// What is wrong.
        what: &'static str,
    },
    /// The download was cut again and again.
    #[error("the download was cut after {bytes} of {bytes_total} bytes")]
    Truncated {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes of the whole file.
        bytes_total: u64,
    },
    /// The downloaded file is not the one that the hub announced.
    #[error("the download has SHA-256 {sha256}, the hub announced {expected}")]
    WrongContent {
        /// The SHA-256 of what came.
        sha256: String,
        /// That of the hub.
        expected: String,
    },
    /// The file is none of the format GGUF.
    #[error("the file starts with {start:?}, so it is no GGUF file")]
    NotGguf {
        /// Its first bytes, up to four.
        start: String,
    },
    /// The cache can't be used, the disk is full, or the caller stopped it.
    #[error(transparent)]
    Cache(#[from] FetchFault),
}

/// What the hub does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The repository; a private one looks the same.
    Repository,
    /// The revision of a repository that is there.
    Revision,
    /// The file in a revision that is there.
    File,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repository => "repository",
            Self::Revision => "revision",
            Self::File => "file",
        })
    }
}

fn terms(is_gated: bool) -> &'static str {
    if is_gated { ": its terms must be accepted first" } else { "" }
}

fn unclear(files: &[String]) -> String {
    if files.is_empty() {
        return "the repository has no GGUF file".to_owned();
    }
    format!("which file is meant is not clear; the repository has: {}", files.join(", "))
}
