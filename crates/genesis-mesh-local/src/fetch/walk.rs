//! Walking through folders for model files.
//!
//! Owns: which file names are those of whole models.
//! Never: opens a file, or follows folders without a bound.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// The GGUF files in `folder` and `depth` folders below it, in no order, without those whose name starts with a dot:
/// they are not whole yet. A folder that can't be read holds none.
pub(super) fn ggufs(folder: &Path, depth: usize) -> Vec<(PathBuf, Metadata)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            found.extend(ggufs(&path, depth - 1));
        } else if metadata.is_file() && is_gguf_name(&entry.file_name().to_string_lossy()) {
            found.push((path, metadata));
        }
    }
    found
}

fn is_gguf_name(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
}
