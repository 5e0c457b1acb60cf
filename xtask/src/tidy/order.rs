//! Module order: a file imports only from modules declared above its own.
//!
//! Owns: the module tree of each crate, and the resolution of `crate::`, `super::` and `self::` paths in it.
//! Never: looks at tests; they stand above everything.
//! Flow: `module_tree` follows the `mod` lines from a crate's root, `check` compares each path with their order.

use super::finding::Finding;
use super::scan::{self, Mention};
use super::source::{File, Kind};
use std::collections::HashMap;
use syn::Item;

const RULE: &str = "module-order";

/// A module's place: the names from the crate's root down to it.
type Place = Vec<String>;

/// One module of a crate.
struct Module<'a> {
    file: &'a File,
    /// The modules that it declares, in the order of their lines.
    children: Vec<String>,
    /// What it imports or re-exports: the name here, and the path as written.
    imports: HashMap<String, Vec<String>>,
    /// Whether its code is in `file` beside that of other modules.
    is_inline: bool,
}

type Modules<'a> = HashMap<Place, Module<'a>>;

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let by_path: HashMap<&str, &File> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let roots = files.iter().filter(|file| file.kind() == Kind::Source && file.is_crate_root());
    let mut findings = Vec::new();
    for root in roots {
        let mut modules = Modules::new();
        add_module(&mut modules, &by_path, root, Vec::new(), (&root.syntax.items, false));
        for (place, module) in modules.iter().filter(|(_, module)| !module.is_inline) {
            for mention in scan::mentions(&module.file.syntax) {
                findings.extend(check_mention(&modules, place, module.file, &mention));
            }
        }
    }
    findings
}

/// Adds the module at `place` with `items` (and whether they are inline), then those that it declares.
fn add_module<'a>(
    modules: &mut Modules<'a>,
    by_path: &HashMap<&str, &'a File>,
    file: &'a File,
    place: Place,
    (items, is_inline): (&'a [Item], bool),
) {
    let mut children = Vec::new();
    let mut imports = HashMap::new();
    for item in items.iter().filter(|item| !scan::is_test_only(scan::attributes(item))) {
        if let Item::Use(item) = item {
            imports.extend(scan::use_paths(&item.tree).into_iter().map(|(path, name, _)| (name, path)));
        }
        let Item::Mod(declaration) = item else { continue };
        let name = declaration.ident.to_string();
        let below: Place = place.iter().cloned().chain([name.clone()]).collect();
        children.push(name);
        match &declaration.content {
            Some((_, items)) => add_module(modules, by_path, file, below, (items, true)),
            None => {
                if let Some(file) = by_path.get(file_of(file, &below).as_str()) {
                    add_module(modules, by_path, file, below, (&file.syntax.items, false));
                }
            }
        }
    }
    modules.insert(place, Module { file, children, imports, is_inline });
}

/// The file of the module at `below` in the crate of `file`: `src/a/b.rs` holds `a::b`.
fn file_of(file: &File, below: &[String]) -> String {
    let (package, _) = file.path.split_once("src/").unwrap_or_default();
    format!("{package}src/{}.rs", below.join("/"))
}

fn check_mention(modules: &Modules<'_>, place: &[String], file: &File, mention: &Mention) -> Option<Finding> {
    let from: Place = place.iter().chain(&mention.inside).cloned().collect();
    let path = absolute(&from, &mention.segments)?;
    let target = resolve(modules, path)?;
    let written = mention.segments.join("::");
    if target.is_empty() && !from.is_empty() {
        let advice = format!("`{written}` is the crate root's own: move it to a module above this one");
        return Some(Finding::new(&file.path, mention.line, RULE, advice));
    }
    let shared = from.iter().zip(&target).take_while(|(a, b)| a == b).count();
    let (own, other) = (from.get(shared)?, target.get(shared)?);
    let parent = modules.get(from.get(..shared)?)?;
    let position = |name: &String| parent.children.iter().position(|child| child == name);
    if position(other)? < position(own)? {
        return None;
    }
    let advice = format!(
        "`{written}` leads to `{other}`, declared below `{own}` in {}: move what both need above `{own}`, or the \
         `mod` line of `{other}` if it needs nothing of `{own}`",
        parent.file.path
    );
    Some(Finding::new(&file.path, mention.line, RULE, advice))
}

/// `segments` from the crate's root, if they are written from the root or from a place above `from`.
fn absolute(from: &[String], segments: &[String]) -> Option<Place> {
    let (first, mut rest) = segments.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => from.to_vec(),
        "super" => from.split_last()?.1.to_vec(),
        _ => return None,
    };
    while let Some(("super", further)) = rest.split_first().map(|(name, further)| (name.as_str(), further)) {
        base.pop();
        rest = further;
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The module that owns what `path` names; re-exports are followed. `None` if it is another crate's.
fn resolve(modules: &Modules<'_>, mut path: Place) -> Option<Place> {
    // Longer chains of re-exports than this are loops.
    for _ in 0..8 {
        let depth = (0..=path.len())
            .rev()
            .find(|&depth| path.get(..depth).is_some_and(|p| modules.contains_key(p)))?;
        let (target, rest) = path.split_at(depth);
        let Some((item, further)) = rest.split_first() else { return Some(target.to_vec()) };
        let Some(import) = modules.get(target)?.imports.get(item) else {
            return Some(target.to_vec());
        };
        let mut next = match absolute(target, import) {
            Some(next) => next,
            // `pub use child::Item` is written from the module itself; anything else is another crate's.
            None => {
                let child: Place = target.iter().chain(import.first()).cloned().collect();
                if !modules.contains_key(&child) {
                    return None;
                }
                target.iter().chain(import).cloned().collect()
            }
        };
        next.extend(further.iter().cloned());
        if next == path {
            return None;
        }
        path = next;
    }
    None
}
