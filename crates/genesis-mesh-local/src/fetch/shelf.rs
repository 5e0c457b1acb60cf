//! The shelf: which model files the cache holds.
//!
//! Owns: finding them and naming them as `models pull` does.
//! Never: opens a file.

use super::hub::HubFile;
use super::models;
use std::fs;
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
    let mut found = Vec::new();
    collect(&models, DEPTH_MAX, &mut found);
    for file in &mut found {
        file.hub = file.path.strip_prefix(&models).ok().and_then(HubFile::from_cache_path);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Adds the GGUF files below `folder`, without those whose name starts with a dot: they are not whole yet.
pub(super) fn collect(folder: &Path, depth: usize, found: &mut Vec<CachedFile>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            collect(&path, depth - 1, found);
        } else if metadata.is_file() && is_gguf_name(&entry.file_name().to_string_lossy()) {
            let (bytes, modified) = (metadata.len(), metadata.modified().ok());
            found.push(CachedFile { hub: None, path, bytes, modified });
        }
    }
}

fn is_gguf_name(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
}
