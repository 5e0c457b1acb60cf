//! `cargo xtask tidy`: the house rules that no compiler checks, each with what to do when it is broken.
//!
//! Owns: the list of rules and their report; one module a group of rules.
//! Never: changes a file; `rustfmt` and `clippy` own what they can check.
//! Flow: `source` reads the tracked files, every rule looks at all of them, `run` prints what it found.

mod finding;
mod source;
mod scan;
mod edges;
mod order;
mod size;
mod header;
mod words;
mod links;
mod codes;

use finding::Finding;
use source::File;
use std::path::Path;

/// Checks the work tree that this program was built in, and prints `file:line: rule: what to do`.
///
/// # Errors
/// A rule is broken, or the tree cannot be read.
pub(crate) fn run() -> anyhow::Result<()> {
    let files = source::read_tree(root())?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    anyhow::ensure!(findings.is_empty(), "{} findings in {} files", findings.len(), files.len());
    println!("tidy: {} files, no findings", files.len());
    Ok(())
}

/// Everything that is wrong in `files`, by file and line.
fn check(files: &[File]) -> Vec<Finding> {
    let rules = [
        source::check,
        edges::check,
        order::check,
        size::check,
        header::check,
        words::check,
        links::check,
        codes::check,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(files)).collect();
    findings.sort();
    findings.dedup();
    findings
}

fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

#[cfg(test)]
mod tests;
