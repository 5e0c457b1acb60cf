//! Error codes: docs/errors.md lists every code that the crates can give, and no other.
//!
//! Owns: finding the codes, which are the texts in functions named `code`, and those of the page's tables.
//! Never: checks what the page says of a code.

use super::finding::Finding;
use super::scan;
use super::source::{File, Kind};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

const PAGE: &str = "docs/errors.md";
const RULE: &str = "error-code";

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let listed = listed(page);
    let given = given(files);
    let mut findings = Vec::new();
    for (code, (path, line)) in &given {
        if !listed.contains_key(code) {
            findings.push(Finding::new(
                path,
                *line,
                RULE,
                format!("say in {PAGE} what `{code}` means and what to do"),
            ));
        }
    }
    for (code, line) in &listed {
        if !given.contains_key(code) {
            findings.push(Finding::new(PAGE, *line, RULE, format!("no `code()` gives `{code}`: remove it")));
        }
    }
    findings
}

/// The codes in the first column of the page's tables, with their lines.
fn listed(page: &File) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for (index, line) in page.text.lines().enumerate() {
        let code = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        codes.extend(code.map(|(code, _)| (code.to_owned(), index + 1)));
    }
    codes
}

/// The codes that the crates give, each with the first place that does.
fn given(files: &[File]) -> BTreeMap<String, (String, usize)> {
    let mut codes = BTreeMap::new();
    let sources = files.iter().filter(|file| file.kind() == Kind::Source && file.path.starts_with("crates/"));
    for file in sources {
        let mut walk = Codes { is_inside: false, found: Vec::new() };
        walk.visit_file(&file.syntax);
        for (code, line) in walk.found {
            codes.entry(code).or_insert_with(|| (file.path.clone(), line));
        }
    }
    codes
}

struct Codes {
    is_inside: bool,
    found: Vec<(String, usize)>,
}

impl<'ast> Visit<'ast> for Codes {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !scan::is_test_only(scan::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let outside = std::mem::replace(&mut self.is_inside, function.sig.ident == "code");
        self.visit_block(&function.block);
        self.is_inside = outside;
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        if self.is_inside {
            self.found.push((text.value(), text.span().start().line));
        }
    }
}
