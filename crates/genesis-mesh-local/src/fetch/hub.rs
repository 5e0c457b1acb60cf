//! Models of the Hugging Face hub: a GGUF file of a repository, in the cache, whole and checked.
//!
//! Owns: which file is meant, where it is kept, and the order: cache, lock, ask, download, check, rename.
//! Never: draws on a terminal, sends the token to another host, or leaves a part of a file under the final name.
//! Flow: `HubFetcher::fetch`: `name.rs` says what, `choice.rs` which file, `ask.rs` talks, `download.rs` writes.
//! Source: the crate `hf-hub` 0.5 knows endpoint, addresses, token file and the list of files. Its downloads
//! can't be stopped, wait forever on a silent server, check no hash and give up on a held lock after five
//! seconds; so the file itself is fetched here, as huggingface_hub (Python) does, by its LFS headers.

mod fault;
mod name;
mod choice;
mod ask;
mod download;

use super::marker::{self, Content};
use super::walk::ggufs;
use super::{FetchFault, Progress, Report, cache_dir, lock, models};
use ask::{Client, Remote};
pub use fault::{HubError, HubFault, Missing};
pub use name::HubFile;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Folders below a revision's that are looked into for cached files.
const DEPTH_MAX: usize = 4;

/// Gets one GGUF file of a repository into one cache folder.
#[derive(Clone)]
pub struct HubFetcher {
    /// The folder that holds `models/`.
    pub cache: PathBuf,
    /// The hub's address without a path; `None` is the public hub.
    pub endpoint: Option<String>,
    /// The user's token, for gated and private repositories. It is sent to the endpoint's host alone.
    pub token: Option<String>,
    /// What to get.
    pub file: HubFile,
}

impl HubFetcher {
    /// `file`, with the cache folder as for the default model, the endpoint that `HF_ENDPOINT` names, and the token
    /// of `HF_TOKEN` or else of the file that `hf auth login` writes.
    ///
    /// # Errors
    /// `fetch_no_cache_dir` if there is no cache folder.
    pub fn from_env(file: HubFile) -> Result<Self, HubError> {
        let cache = cache_dir().map_err(|fault| HubError::new(&file, HubFault::Cache(fault)))?;
        let text = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let token = text("HF_TOKEN").map(|token| token.trim().to_owned());
        Ok(Self { cache, endpoint: text("HF_ENDPOINT"), token: token.or_else(ask::token_of_file), file })
    }

    /// The file, if it is in the cache and whole; asks nobody. Without a file's name, the best cached one.
    ///
    /// # Errors
    /// `fetch_changed` if it is there with another content; `fetch_io` if it can't be read.
    pub fn cached(&self) -> Result<Option<PathBuf>, HubError> {
        self.find().map_err(|fault| self.explain(fault))
    }

    /// The file: the cached one if there is one, else it is fetched. `progress` is called at least ten times a
    /// second, and may break; its bytes fall only where a damaged download starts again.
    ///
    /// # Errors
    /// A [`HubFault`]. A download that was cut stays under a hidden name and is taken up by the next fetch.
    pub fn fetch(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<PathBuf, HubError> {
        let path = match self.find() {
            Ok(Some(path)) => Ok(path),
            Ok(None) => self.fetch_locked(progress, Cached::Counts),
            Err(fault) => Err(fault),
        };
        path.map_err(|fault| self.explain(fault))
    }

    /// The file as the hub has it now: a cached one is kept if it is the same, else fetched again.
    ///
    /// # Errors
    /// As [`HubFetcher::fetch`]; the cached file stays as it is.
    pub fn update(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<PathBuf, HubError> {
        self.fetch_locked(progress, Cached::IsCompared).map_err(|fault| self.explain(fault))
    }

    fn fetch_locked(&self, progress: Report<'_>, cached: Cached) -> Result<PathBuf, HubFault> {
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(|source| super::fault::of_folder(&folder, source))?;
        let _lock = lock(&folder, progress)?;
        if cached == Cached::Counts
            && let Some(path) = self.find()?
        {
            return Ok(path);
        }
        let client = Client::new(self)?;
        let name = match &self.file.file {
            Some(name) => name.clone(),
            None => choice::best(client.files(progress)?)?,
        };
        let remote = client.look(&name, progress)?;
        let path = folder.join(&name);
        if is_kept(&path, &remote)? {
            return Ok(path);
        }
        let content = download::download(&client, &remote, &path, progress)?;
        let part = download::part_of(&path);
        // The mark first: a file under the final name without a mark was put there by hand.
        marker::write(&path, &part, &content);
        fs::rename(&part, &path).map_err(|source| FetchFault::Io { path: path.clone(), source })?;
        Ok(path)
    }

    fn find(&self) -> Result<Option<PathBuf>, HubFault> {
        let folder = self.folder();
        let name = match &self.file.file {
            Some(name) => Some(name.clone()),
            None => {
                let found = ggufs(&folder, DEPTH_MAX);
                choice::best(found.iter().filter_map(|(path, _)| relative(&folder, path)).collect()).ok()
            }
        };
        let Some(path) = name.map(|name| folder.join(name)) else { return Ok(None) };
        match marker::noted(&path) {
            Some(content) => Ok(marker::is_whole(&path, &content)?.then_some(path)),
            // Put there by hand: its first use will say what it is.
            None => Ok(path.is_file().then_some(path)),
        }
    }

    /// The folder of the repository's files of this revision.
    fn folder(&self) -> PathBuf {
        models(&self.cache).join(self.file.cache_folder())
    }

    fn explain(&self, fault: HubFault) -> HubError {
        HubError::new(&self.file, fault)
    }
}

/// What a cached file means to a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cached {
    /// It is the result.
    Counts,
    /// It is the result if the hub has the same.
    IsCompared,
}

/// Whether the file at `path` is there, whole, and what the hub has.
fn is_kept(path: &Path, remote: &Remote) -> Result<bool, HubFault> {
    let Some(noted) = marker::noted(path) else { return Ok(false) };
    let is_same = |content: &Content| {
        content.bytes == remote.bytes && remote.sha256.as_ref().is_some_and(|sha| *sha == content.sha256)
    };
    if !is_same(&noted) {
        return Ok(false);
    }
    match marker::is_whole(path, &noted) {
        Err(FetchFault::Changed { .. }) => Ok(false),
        result => Ok(result?),
    }
}

/// The name of a cached file within its repository, with `/` between folders.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(folder).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

impl fmt::Debug for HubFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("HubFetcher")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            .field("token", &token)
            .field("file", &self.file)
            .finish()
    }
}

#[cfg(test)]
mod tests;
