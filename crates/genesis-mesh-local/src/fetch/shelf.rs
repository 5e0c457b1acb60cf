//! The shelf: which model files the cache holds.
//!
//! Owns: finding them and naming them as `models pull` does.
//! Never: opens a file.

use super::hub::HubFile;
use super::models;
use super::walk::ggufs;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders below `models` that are looked into: owner, name, revision, and folders within a repository.
const DEPTH_MAX: usize = 8;

/// A model file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// The repository's file; `None` for the default model, and for a file that was put there by hand.
    pub hub: Option<HubFile>,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was fetched, where the file system keeps that.
    pub modified: Option<SystemTime>,
}

/// The model files in the cache folder `cache`, by path; a folder that is not there holds none.
#[must_use]
pub fn files(cache: &Path) -> Vec<CachedFile> {
    let models = models(cache);
    let of = |(path, metadata): (PathBuf, Metadata)| CachedFile {
        hub: path.strip_prefix(&models).ok().and_then(HubFile::from_cache_path),
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
        path,
    };
    let mut found: Vec<CachedFile> = ggufs(&models, DEPTH_MAX).into_iter().map(of).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
