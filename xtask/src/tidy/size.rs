//! Size: files, functions and parameter lists that a reader can hold.
//!
//! Owns: the limits, and how lines are counted.
//! Never: counts tests; a function marked `// table` is data and may be long.

use super::finding::Finding;
use super::scan;
use super::source::{File, Kind};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Signature};

/// Lines of a file without its tests: about ten screens; past it a file holds two ideas.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function: one screen.
const FUNCTION_LINES_MAX: usize = 60;
/// Lines of tests beside the code; more are a file of their own.
const INLINE_TEST_LINES_MAX: usize = 60;
/// Parameters besides `self`; more want a named struct.
const PARAMETERS_MAX: usize = 5;

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.kind() == Kind::Source).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut walk = Walk { file, test_lines: 0, findings: Vec::new() };
    walk.visit_file(&file.syntax);
    let lines = file.text.lines().count() - walk.test_lines;
    if lines > FILE_LINES_MAX {
        let advice = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it by idea");
        walk.findings.push(Finding::new(&file.path, 1, "file-size", advice));
    }
    walk.findings
}

struct Walk<'a> {
    file: &'a File,
    test_lines: usize,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn add(&mut self, line: usize, rule: &'static str, advice: String) {
        self.findings.push(Finding::new(&self.file.path, line, rule, advice));
    }

    fn check_function(
        &mut self,
        attributes: &[Attribute],
        signature: &Signature,
        body: &impl syn::spanned::Spanned,
    ) {
        let start = signature.span().start().line;
        let lines = body.span().end().line + 1 - start;
        let first = attributes.first().map_or(start, |attribute| attribute.span().start().line);
        if lines > FUNCTION_LINES_MAX && !self.is_table(first) {
            let advice = format!(
                "`{}` has {lines} lines, at most {FUNCTION_LINES_MAX}: give its parts names, or write `// table` \
                 above it if it is data",
                signature.ident
            );
            self.add(start, "function-size", advice);
        }
        let is_typed = |input: &&syn::FnArg| matches!(input, syn::FnArg::Typed(_));
        let parameters = signature.inputs.iter().filter(is_typed).count();
        if parameters > PARAMETERS_MAX {
            let advice = format!(
                "`{}` takes {parameters} parameters, at most {PARAMETERS_MAX}: pass a named struct",
                signature.ident
            );
            self.add(start, "parameters", advice);
        }
    }

    /// Whether the line above `first`, the item's first line with its attributes, marks it as data.
    fn is_table(&self, first: usize) -> bool {
        let above = first.checked_sub(2).and_then(|index| self.file.text.lines().nth(index));
        above.is_some_and(|line| line.trim_start().starts_with("// table"))
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !scan::is_test_only(scan::attributes(item)) {
            return visit::visit_item(self, item);
        }
        let (start, end) = (item.span().start().line, item.span().end().line);
        let lines = end + 1 - start;
        self.test_lines += lines;
        if lines > INLINE_TEST_LINES_MAX {
            let advice =
                format!("{lines} lines of tests, at most {INLINE_TEST_LINES_MAX}: move them to a tests.rs");
            self.add(start, "inline-tests", advice);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check_function(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check_function(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.check_function(&function.attrs, &function.sig, &function);
        visit::visit_trait_item_fn(self, function);
    }
}
