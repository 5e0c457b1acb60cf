//! The desk: what a measured thing of a bench may use.
//!
//! Owns: the children, a folder for scripts and databases, and how a round is told.
//! Never: measures.

use super::children::Children;
use super::error::BenchError;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a measured thing may use.
pub(crate) struct Desk {
    pub(crate) children: Children,
    pub(crate) rounds: usize,
    /// The work tree.
    pub(crate) root: PathBuf,
    /// The Python that has what is compared with.
    pub(crate) python: PathBuf,
    /// Gone when the bench ends.
    folder: tempfile::TempDir,
    folders: AtomicUsize,
}

impl Desk {
    /// A desk for `rounds`; `python` is a path in the work tree, unless a user gave one.
    pub(crate) fn new(
        children: Children,
        rounds: u16,
        given: Option<&Path>,
        python: &str,
    ) -> Result<Self, BenchError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            children,
            rounds: usize::from(rounds),
            python: given.map_or_else(|| root.join(python), Path::to_owned),
            root,
            folder: tempfile::tempdir().map_err(|error| BenchError::io("make a folder", error))?,
            folders: AtomicUsize::new(0),
        })
    }

    /// Says what a round of `what` (from 0) gave, on standard error.
    pub(crate) fn tell(&self, what: &str, round: usize, gave: &str) {
        eprintln!("bench: {what}, round {} of {}: {gave}", round + 1, self.rounds);
    }

    /// The path of a file that holds `text`.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, BenchError> {
        let path = self.folder.path().join(name);
        let written = std::fs::write(&path, text);
        written.map_err(|error| BenchError::io(format!("write {}", path.display()), error))?;
        Ok(path)
    }

    /// A new folder, for what a server keeps.
    pub(crate) fn data(&self) -> Result<PathBuf, BenchError> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("data-{number}"));
        let made = std::fs::create_dir(&path);
        made.map_err(|error| BenchError::io(format!("make {}", path.display()), error))?;
        Ok(path)
    }
}
