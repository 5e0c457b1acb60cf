//! The files that tidy looks at: those that git tracks or would track, read and parsed once.
//!
//! Owns: which files count, and what kind each is.
//! Never: follows what is ignored by git, or judges a file beyond "does it parse".

use super::finding::Finding;
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;

/// A text file of the repository.
pub(crate) struct File {
    /// Its path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
    /// What it says as Rust; an empty file for all other languages and for what does not parse.
    pub(crate) syntax: syn::File,
    broken: Option<syn::Error>,
}

/// What a Rust file is for; rules differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of a crate's source.
    Source,
    /// A test, a bench or an example: freer in size and order.
    Test,
    /// No Rust.
    Other,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let parsed = if path.ends_with(".rs") { syn::parse_file(text) } else { syn::parse_file("") };
        let (syntax, broken) = match parsed {
            Ok(syntax) => (syntax, None),
            Err(error) => (syn::File { shebang: None, attrs: Vec::new(), items: Vec::new() }, Some(error)),
        };
        Self { path: path.to_owned(), text: text.to_owned(), syntax, broken }
    }

    pub(crate) fn kind(&self) -> Kind {
        let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "benches" | "examples");
        match self.path.ends_with(".rs") {
            false => Kind::Other,
            true if self.path.split('/').any(is_test) => Kind::Test,
            true => Kind::Source,
        }
    }

    /// Whether a crate starts here.
    pub(crate) fn is_crate_root(&self) -> bool {
        ["src/lib.rs", "src/main.rs"].iter().any(|root| self.path.ends_with(root))
            || (self.path.contains("/src/bin/") && self.path.ends_with(".rs"))
    }
}

/// Reads every file that git tracks or would track and that is UTF-8.
///
/// # Errors
/// Git cannot list the files, or one cannot be read.
pub(crate) fn read_tree(root: &Path) -> anyhow::Result<Vec<File>> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("list the files with git")?;
    anyhow::ensure!(listing.status.success(), "git: {}", String::from_utf8_lossy(&listing.stderr).trim());
    let mut files = Vec::new();
    for path in listing.stdout.split(|&byte| byte == 0).filter(|path| !path.is_empty()) {
        let path = std::str::from_utf8(path).context("a file name is not UTF-8")?;
        match std::fs::read(root.join(path)) {
            Ok(bytes) => files.extend(String::from_utf8(bytes).ok().map(|text| File::new(path, &text))),
            // Deleted and not yet committed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("read {path}")),
        }
    }
    Ok(files)
}

/// Rust that does not parse escapes every other rule, so it is a finding.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let findings = files.iter().filter_map(|file| {
        let error = file.broken.as_ref()?;
        Some(Finding::new(&file.path, error.span().start().line, "parse", format!("make it Rust: {error}")))
    });
    findings.collect()
}
