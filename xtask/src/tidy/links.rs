//! Links: what the documents name is there.
//!
//! Owns: relative links in Markdown, the source files that ARCHITECTURE.md and docs/ name in backticks, and
//! the Rust in README.md and docs/, which must be part of an example, since examples are compiled.
//! Never: asks the network, or checks the part of a link after `#`.

use super::finding::Finding;
use super::source::File;

const RULE: &str = "link";

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|document| check_document(files, document)).collect()
}

fn check_document(files: &[File], document: &File) -> Vec<Finding> {
    let names_sources = document.path == "ARCHITECTURE.md" || document.path.starts_with("docs/");
    let shows_rust = document.path == "README.md" || document.path.starts_with("docs/");
    let mut findings = if shows_rust { check_examples(files, document) } else { Vec::new() };
    for (index, line) in document.text.lines().enumerate() {
        let mut add = |advice| findings.push(Finding::new(&document.path, index + 1, RULE, advice));
        for target in links(line) {
            let path = joined(&document.path, target);
            if !exists(files, &path) {
                add(format!("`{target}` leads to no file: there is no {path}"));
            }
        }
        let spans = line.split('`').skip(1).step_by(2).filter(|span| span.ends_with(".rs") && names_sources);
        for span in spans {
            if !files.iter().any(|file| ends_with(&file.path, span)) {
                add(format!("no source file is named `{span}`: say where its code went"));
            }
        }
    }
    findings
}

/// Every block of Rust in `document` stands in an example.
fn check_examples(files: &[File], document: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut line = 1;
    for (index, part) in document.text.split("```").enumerate() {
        let block = part.strip_prefix("rust\n").filter(|_| index % 2 == 1);
        let is_example = |file: &&File| file.path.contains("/examples/");
        let is_shown = |block: &str| files.iter().filter(is_example).any(|file| file.text.contains(block));
        if block.is_some_and(|block| !is_shown(block)) {
            let advice = "put this code into a file under examples/, word for word, so that it is compiled";
            findings.push(Finding::new(&document.path, line, RULE, advice));
        }
        line += part.matches('\n').count();
    }
    findings
}

/// The targets of the Markdown links in `line` that lead into this repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

/// `target` as seen from the file `from`, from the root of the repository.
fn joined(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether `path` is a file, or a folder with files.
fn exists(files: &[File], path: &str) -> bool {
    files
        .iter()
        .any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether `path` ends with the whole names of `end`.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}
