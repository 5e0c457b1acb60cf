//! Words and calls that may stand in few places or in none.
//!
//! Owns: the lists of them, each with its reason.
//! Never: contains one of the words itself; they are put together from parts.

use super::finding::Finding;
use super::scan;
use super::source::{File, Kind};
use syn::visit::{self, Visit};

/// Calls with one home, and the files that are it: a clock, a random source or a task that appears
/// anywhere else cannot be replaced in a test or stopped in order.
const HOMES: [(&str, &[&str], &str); 4] = [
    (
        "tokio::spawn",
        // A test's server is no part of the program; it owns the handle of its one task.
        &[
            "crates/genesis-mesh-server/src/tasks.rs",
            "crates/genesis-mesh-server/src/testing.rs",
            // Runs that no reader drives.
            "crates/genesis-mesh/src/runner/tasks.rs",
            // The lanes of a store and the lines of a bus, which end with them.
            "crates/genesis-mesh-store/src/task.rs",
        ],
        "spawn through the owner's task set",
    ),
    ("task::spawn", &[], "spawn through the owner's task set"),
    (
        "SystemTime::now",
        &[
            "crates/genesis-mesh-server/src/clock.rs",
            // What no caller tells: a lease means the same to all who share a store.
            "crates/genesis-mesh-store/src/clock.rs",
            "crates/genesis-mesh/src/graph/env.rs",
        ],
        "take the time as a value",
    ),
    (
        "Instant::now",
        &[
            "crates/genesis-mesh-local/src/measure.rs",
            "crates/genesis-mesh-local/src/scheduler.rs",
            "crates/genesis-mesh-models/src/openai/deadline.rs",
            "crates/genesis-mesh-server/src/clock.rs",
            // Whether a task computes for long, so that others had better begin on another thread.
            "crates/genesis-mesh/src/graph/drive/step.rs",
            // What a person sees of an answer's speed.
            "crates/genesis-mesh-server/src/command/chat/gauge.rs",
            "crates/genesis-mesh-server/src/main.rs",
            "crates/genesis-mesh-server/src/ws/socket/pulse.rs",
        ],
        "take the time as a value",
    ),
];

/// Files whose words are not ours.
const FOREIGN: [&str; 2] = ["Cargo.lock", "LICENSE"];

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let own = files.iter().filter(|file| !FOREIGN.contains(&file.path.as_str()));
    own.flat_map(|file| {
        let mut findings = check_lines(file);
        findings.extend(check_calls(file));
        findings.extend(check_attributes(file));
        findings
    })
    .collect()
}

/// Text that no tracked file may hold, with the rule and the advice.
fn banned() -> Vec<(String, &'static str, &'static str)> {
    let hosts = [
        ["crates", "io"].as_slice(),
        &["pypi", "org"],
        &[concat!("python", "hosted"), "org"],
        &["npmjs", "org"],
        &["npmjs", "com"],
        &["deb", "debian", "org"],
        &["archive", "ubuntu", "com"],
    ];
    let hosts =
        hosts.map(|parts| (parts.join("."), "host", "name the package, not the host that it comes from"));
    let places = [["..", "shared"].join("/"), ["", "work", ""].join("/")]
        .map(|place| (place, "place", "a clone is all there is: name nothing outside the repository"));
    hosts.into_iter().chain(places).collect()
}

fn check_lines(file: &File) -> Vec<Finding> {
    let banned = banned();
    let marker = ["TO", "DO"].concat();
    let is_prose = file.path.ends_with(".md");
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut add = |rule, advice: &str| findings.push(Finding::new(&file.path, index + 1, rule, advice));
        for (word, rule, advice) in &banned {
            if line.contains(word.as_str()) {
                add(rule, advice);
            }
        }
        // In prose the word is a subject; in code it is a promise.
        if !is_prose && line.split(&marker).skip(1).any(|rest| !has_issue(rest)) {
            add("open-work", &format!("write `{marker}(#12)` with the number of its issue, or do it"));
        }
    }
    findings
}

/// Whether `rest`, what follows the marker, starts with an issue's number.
fn has_issue(rest: &str) -> bool {
    let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
    number.is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_calls(file: &File) -> Vec<Finding> {
    if file.kind() != Kind::Source || file.path.starts_with("xtask/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for mention in scan::mentions(&file.syntax) {
        let written = mention.segments.join("::");
        for (call, homes, advice) in HOMES {
            if is_call(&written, call) && !homes.contains(&file.path.as_str()) {
                let advice = format!(
                    "`{call}` has no home here: {advice}, or add the file to xtask/src/tidy/words.rs"
                );
                findings.push(Finding::new(&file.path, mention.line, "home", advice));
            }
        }
    }
    findings
}

fn is_call(written: &str, call: &str) -> bool {
    written.strip_suffix(call).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

fn check_attributes(file: &File) -> Vec<Finding> {
    let mut walk = Attributes { file, findings: Vec::new() };
    walk.visit_file(&file.syntax);
    walk.findings
}

struct Attributes<'a> {
    file: &'a File,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Attributes<'_> {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("allow") {
            let line = attribute.pound_token.spans.first().map_or(1, |span| span.start().line);
            let advice = "write `#[expect(…, reason = \"…\")]`: it ends with its cause";
            self.findings.push(Finding::new(&self.file.path, line, "allow", advice));
        }
        visit::visit_attribute(self, attribute);
    }
}
