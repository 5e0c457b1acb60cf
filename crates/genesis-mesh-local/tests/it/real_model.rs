//! The real model that tests read: SmolLM2-135M-Instruct Q4_1.
//!
//! Owns: where the file is, and what happens where there is none.
//! Never: downloads it; `make test` does.

use std::path::PathBuf;

/// The model's file, or `None` after a line that says that the test is skipped.
///
/// # Panics
/// In CI, where no test may be skipped.
pub(crate) fn path() -> Option<PathBuf> {
    match std::env::var_os("GENESIS_MESH_TEST_MODEL") {
        Some(path) => Some(path.into()),
        None if std::env::var_os("CI").is_some() => {
            panic!("GENESIS_MESH_TEST_MODEL is not set: run `make test`, which fetches the model and sets it")
        }
        None => {
            eprintln!("skipped: set GENESIS_MESH_TEST_MODEL, or run `make test`, which fetches the model");
            None
        }
    }
}
