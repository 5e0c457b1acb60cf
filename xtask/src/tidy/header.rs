//! Headers and names: what a reader sees of a file before its code.
//!
//! Owns: the form of the `//!` header, the names that say nothing, and `forbid(unsafe_code)` at crate roots.
//! Never: judges whether a header is true; review does.

use super::finding::Finding;
use super::source::{File, Kind};

/// Lines of a header's prose; examples in fences and blank lines are not counted.
const HEADER_LINES: std::ops::RangeInclusive<usize> = 3..=10;

/// Names that tell a reader nothing, so everything ends up in them.
const EMPTY_NAMES: [&str; 8] = ["utils", "util", "helpers", "common", "misc", "manager", "imp", "types"];

/// The one crate that needs `unsafe`, for vector instructions and memory maps.
const UNSAFE_CRATE: &str = "crates/genesis-mesh-local/";

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.kind() != Kind::Other).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let checks = [check_header(file), check_name(file), check_forbid(file)];
    checks.into_iter().flatten().map(|(rule, advice)| Finding::new(&file.path, 1, rule, advice)).collect()
}

fn check_header(file: &File) -> Option<(&'static str, String)> {
    let mut in_fence = false;
    let mut prose = Vec::new();
    for line in file.text.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.trim();
        if line.starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence && !line.is_empty() {
            prose.push(line);
        }
    }
    let has = |word: &str| prose.iter().any(|line| line.starts_with(word));
    let advice = match file.kind() {
        Kind::Test if prose.is_empty() => "say in a `//!` line what is tested or shown".to_owned(),
        Kind::Source if !HEADER_LINES.contains(&prose.len()) => format!(
            "the `//!` header has {} lines of prose, {} to {} are wanted: what it owns, what it never does",
            prose.len(),
            HEADER_LINES.start(),
            HEADER_LINES.end()
        ),
        Kind::Source if !has("Owns:") || !has("Never:") => {
            "say in the `//!` header what it owns and what it never does: lines `Owns: …` and `Never: …`"
                .to_owned()
        }
        _ => return None,
    };
    Some(("header", advice))
}

fn check_name(file: &File) -> Option<(&'static str, String)> {
    if file.path.ends_with("/mod.rs") {
        return Some((
            "name",
            "name the file after the module, `foo.rs` beside `foo/`; no mod.rs".to_owned(),
        ));
    }
    let names = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    let empty = names.into_iter().find(|name| EMPTY_NAMES.contains(name))?;
    Some(("name", format!("`{empty}` says nothing: name the module after the idea that it owns")))
}

fn check_forbid(file: &File) -> Option<(&'static str, String)> {
    if !file.is_crate_root() || file.path.starts_with(UNSAFE_CRATE) {
        return None;
    }
    let forbids = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("forbid") && list.tokens.to_string() == "unsafe_code",
        _ => false,
    };
    match file.syntax.attrs.iter().any(forbids) {
        true => None,
        false => Some(("unsafe", "write `#![forbid(unsafe_code)]` below the header".to_owned())),
    }
}
