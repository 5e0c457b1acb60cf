//! The name of a file of the hub, for people and for the cache.
//!
//! Owns: `HubFile`, its written form `OWNER/NAME[@REVISION][:FILE]`, and its folder in the cache.
//! Never: lets a name through that could leave its folder or change an address.

use super::{HubError, HubFault};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The revision without a name.
const MAIN: &str = "main";
/// The folder of the hub's files among the models.
const FOLDER: &str = "hub";
/// The hub's own bound on owner and name together.
const REPO_BYTES_MAX: usize = 96;
/// As long as git lets a branch's name be on common file systems.
const REVISION_BYTES_MAX: usize = 200;
/// A file system allows 255 bytes; the marker's and the part's names are longer.
const PART_BYTES_MAX: usize = 200;
/// Folders within a repository, with the file; models lie in one or two.
const PARTS_MAX: usize = 4;

/// A GGUF file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubFile {
    /// The repository: `owner/name`.
    pub repo: String,
    /// A branch, a tag or a commit; `None` is `main`.
    pub revision: Option<String>,
    /// The file's path in the repository; `None` takes the only one, or the best.
    pub file: Option<String>,
}

impl HubFile {
    /// A file of a repository, with its names checked.
    ///
    /// # Errors
    /// `hub_invalid_name`.
    pub fn new(repo: &str, file: Option<&str>, revision: Option<&str>) -> Result<Self, HubError> {
        let named = Self {
            repo: repo.to_owned(),
            revision: revision.filter(|revision| *revision != MAIN).map(str::to_owned),
            file: file.map(str::to_owned),
        };
        match named.mistake() {
            None => Ok(named),
            Some((what, given)) => {
                let fault = HubFault::InvalidName { what, given: given.to_owned() };
                Err(HubError::new(&named, fault))
            }
        }
    }

    /// The part that is no name of the hub.
    fn mistake(&self) -> Option<(&'static str, &str)> {
        if !is_repo(&self.repo) {
            return Some(("repository", &self.repo));
        }
        match (&self.revision, &self.file) {
            (Some(revision), _) if !is_revision(revision) => Some(("revision", revision)),
            (_, Some(file)) if !is_file(file) => Some(("GGUF file", file)),
            _ => None,
        }
    }

    /// The revision, `main` if none is named.
    pub(super) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// The folder of its revision, below the folder of all models.
    pub(super) fn cache_folder(&self) -> PathBuf {
        // Each is one folder: a name of the hub never has a `%`.
        [FOLDER, &self.repo, &self.revision().replace('/', "%2F")].iter().collect()
    }

    /// The file that is cached at `path`, given below the folder of all models.
    pub(in crate::fetch) fn from_cache_path(path: &Path) -> Option<Self> {
        let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
        let parts = parts?;
        let [FOLDER, owner, name, revision, file @ ..] = parts.as_slice() else { return None };
        let (repo, revision) = (format!("{owner}/{name}"), revision.replace("%2F", "/"));
        Self::new(&repo, Some(&file.join("/")), Some(&revision)).ok()
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        match &self.file {
            Some(file) => write!(f, ":{file}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HubFile {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let (repo, file) = match text.split_once(':') {
            Some((repo, file)) => (repo, Some(file)),
            None => (text, None),
        };
        let (repo, revision) = match repo.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (repo, None),
        };
        Self::new(repo, file, revision)
    }
}

fn is_repo(repo: &str) -> bool {
    let is_part = |part: &str| {
        let starts = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        starts && part.chars().all(is_word) && !part.contains("..")
    };
    let two = repo.split_once('/');
    repo.len() <= REPO_BYTES_MAX && two.is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

fn is_revision(revision: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_word);
    revision.len() <= REVISION_BYTES_MAX && !revision.contains("..") && revision.split('/').all(is_part)
}

/// Whether `file` is the path of a GGUF file that can be kept below a folder.
pub(super) fn is_file(file: &str) -> bool {
    let is_part = |part: &str| {
        let has_bounds = (1..=PART_BYTES_MAX).contains(&part.len()) && !part.starts_with('.');
        has_bounds && !part.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
    };
    let is_gguf = Path::new(file).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    is_gguf && file.split('/').count() <= PARTS_MAX && file.split('/').all(is_part)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}
