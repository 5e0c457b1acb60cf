//! The configuration from text to mesh: mistakes with their places, precedence, secrets, the schema and its pages.

mod mistakes;
mod precedence;
mod secrets;
mod pages;
mod meaning;

use super::{Config, ConfigError, Sources};
use std::path::PathBuf;

/// A folder that goes with the test.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// What is wrong with `text` as a `mesh.toml`, one mistake a line.
pub(super) fn mistakes(text: &str) -> String {
    match Config::load(&Sources::none().text("mesh.toml", text)) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// The root of the repository.
pub(super) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn a_file_that_is_not_there_is_told_with_its_path_and_code() {
    let error = Config::load(&Sources::none().file("/no/such/mesh.toml")).unwrap_err();
    assert!(error.to_string().starts_with("can't read the configuration /no/such/mesh.toml: "), "{error}");
    assert_eq!(error.code(), "config_unreadable");
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}
