//! The reader: what the forms need to become options, with the places at which mistakes are told.
//!
//! Owns: paths relative to the file, secrets by reference, and the list of problems.
//! Never: shows a secret, or keeps one.

use super::problem::{Place, Problem};
use super::source::Sources;
use super::tree::Node;
use std::fs;
use std::path::{Path, PathBuf};

/// The most bytes of a file that holds a secret: far above any key, and no mistake fills the memory.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Reads values of one tree.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Node,
    pub(super) sources: &'a Sources,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Tells a mistake in the value at `path`.
    pub(super) fn say(&mut self, path: &[&str], message: impl Into<String>) {
        self.problems.push(Problem { place: self.root.place_of(path), message: message.into() });
    }

    /// The file that `text`, the value at `path`, names: paths of the file are relative to it.
    pub(super) fn path(&self, path: &[&str], text: &str) -> PathBuf {
        let folder = self.sources.config_file().and_then(Path::parent);
        match (self.root.place_of(path), folder) {
            (Place::File { .. }, Some(folder)) => folder.join(text),
            _ => PathBuf::from(text),
        }
    }

    /// As [`Self::path`]; the file must be there.
    pub(super) fn existing(&mut self, path: &[&str], text: &str) -> PathBuf {
        let file = self.path(path, text);
        match fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => self.say(path, format!("{} is a folder", file.display())),
            Ok(_) => {}
            Err(error) => self.say(path, format!("can't read {}: {error}", file.display())),
        }
        file
    }

    /// The secret that `reference`, the value at `path`, leads to.
    pub(super) fn secret(&mut self, path: &[&str], reference: &str) -> Option<String> {
        let found = match reference.split_once(':') {
            Some(("env", name)) => self.variable(name),
            Some(("file", file)) => secret_file(&self.path(path, file)),
            _ => Err("a secret must not stand here: write `env:NAME` or `file:PATH`, where it is".to_owned()),
        };
        found.map_err(|message| self.say(path, message)).ok()
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        match self.sources.variables.get(name).map(|value| value.trim()) {
            None => Err(format!("the environment has no variable `{name}`")),
            Some("") => Err(format!("the variable `{name}` is empty")),
            Some(secret) => Ok(secret.to_owned()),
        }
    }
}

fn secret_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("can't read {}: {error}", path.display());
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > SECRET_BYTES_MAX {
        return Err(format!("{} has {bytes} bytes; a secret has at most {SECRET_BYTES_MAX}", path.display()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        secret => Ok(secret.to_owned()),
    }
}
