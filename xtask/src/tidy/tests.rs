//! Each rule of tidy on small files that break it and that keep it; then the real tree.

use super::source::File;
use super::{check, root, source};

const HEADER: &str = "//! Line.\n//! Owns: x.\n//! Never: y.\n";

/// A crate root that declares `modules` in this order.
fn root_file(modules: &[&str]) -> File {
    let lines: String = modules.iter().map(|name| format!("mod {name};\n")).collect();
    File::new("crates/a/src/lib.rs", &format!("{HEADER}#![forbid(unsafe_code)]\n{lines}"))
}

fn module(path: &str, code: &str) -> File {
    File::new(path, &format!("{HEADER}{code}"))
}

fn text(path: &str, text: &str) -> File {
    File::new(path, text)
}

/// `line: rule` of every finding, in order.
fn rules(files: &[File]) -> Vec<String> {
    check(files).iter().map(|finding| format!("{}: {}", finding.line, finding.rule)).collect()
}

#[track_caller]
fn check_rules<const N: usize>(files: &[File], expected: [&str; N]) {
    assert_eq!(rules(files), expected, "{:#?}", check(files));
}

fn package(name: &str, rest: &str) -> File {
    let head = format!("[package]\nname = \"{name}\"\nversion.workspace = true\n\n[dependencies]\n");
    text(&format!("crates/{name}/Cargo.toml"), &format!("{head}{rest}"))
}

#[test]
fn a_finding_is_printed_with_file_line_rule_and_advice() {
    let findings = check(&[module("crates/a/src/utils.rs", "")]);
    let printed: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let advice = "`utils` says nothing: name the module after the idea that it owns";
    assert_eq!(printed, [format!("crates/a/src/utils.rs:1: name: {advice}")]);
}

#[test]
fn a_file_that_does_not_parse_is_found() {
    check_rules(&[module("crates/a/src/b.rs", "fn {\n")], ["4: parse"]);
}

#[test]
fn siblings_and_upper_floors_are_no_dependencies() {
    let local = |rest| package("genesis-mesh-local", rest);
    check_rules(&[local("genesis-mesh-core.workspace = true\n")], []);
    check_rules(&[local("genesis-mesh-models.workspace = true\n")], ["6: edge"]);
    check_rules(&[local("genesis-mesh.workspace = true\n")], ["6: edge"]);
    check_rules(&[package("genesis-mesh-core", "genesis-mesh-local.workspace = true\n")], ["6: edge"]);
}

#[test]
fn the_server_sees_the_facade_alone() {
    let server = |rest| package("genesis-mesh-server", rest);
    check_rules(&[server("genesis-mesh.workspace = true\n")], []);
    check_rules(&[server("genesis-mesh-core.workspace = true\n")], ["6: edge"]);
    let renamed = "core = { package = \"genesis-mesh-core\", workspace = true }\n";
    check_rules(&[server(renamed)], ["6: edge"]);
    let dev = "\n[dev-dependencies]\ngenesis-mesh-local.workspace = true\n";
    check_rules(&[server(dev)], ["8: edge"]);
    let target = "\n[target.'cfg(unix)'.dependencies]\ngenesis-mesh-local.workspace = true\n";
    check_rules(&[server(target)], ["8: edge"]);
}

#[test]
fn automation_sees_every_crate_and_a_new_crate_needs_a_floor() {
    let all = "genesis-mesh.workspace = true\ngenesis-mesh-server.workspace = true\nclap.workspace = true\n";
    check_rules(&[package("xtask", all)], []);
    check_rules(&[package("genesis-mesh-new", "")], ["2: edge"]);
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    check_rules(&[package("genesis-mesh-core", "serde = \"1.0\"\n")], ["6: version"]);
    let own = "[package]\nname = \"genesis-mesh-core\"\nversion = \"0.1.0\"\n";
    check_rules(&[text("crates/genesis-mesh-core/Cargo.toml", own)], ["3: version"]);
    let workspace = |rest: &str| text("Cargo.toml", &format!("[workspace.package]\n{rest}"));
    let path = "version = \"1.0.0\"\n[workspace.dependencies]\ngenesis-mesh = { path = \"x\"";
    check_rules(&[workspace(&format!("{path} }}\n"))], []);
    check_rules(&[workspace(&format!("{path}, version = \"1.0.0\" }}\n"))], ["4: version"]);
    check_rules(&[workspace("edition = \"2024\"\n")], ["1: version"]);
}

#[test]
fn a_module_imports_only_from_modules_above_it() {
    let low = || module("crates/a/src/low.rs", "pub struct L;\n");
    let high = || module("crates/a/src/high.rs", "use crate::low::L;\npub struct H;\n");
    check_rules(&[root_file(&["low", "high"]), low(), high()], []);
    check_rules(&[root_file(&["high", "low"]), low(), high()], ["4: module-order"]);
}

#[test]
fn order_holds_for_every_way_to_write_a_path() {
    let spellings = [
        "use super::high::H;",
        "use crate::{high::H};",
        "use crate::high as up;",
        "fn f() { crate::high::go(); }",
        "fn f() { println!(\"{}\", crate::high::N); }",
        "type T = Vec<crate::high::H>;",
        "mod inner { use super::super::high::H; }",
        "fn f() { use crate::high::*; }",
    ];
    for spelling in spellings {
        let low = module("crates/a/src/low.rs", spelling);
        let high = module("crates/a/src/high.rs", "pub struct H;\n");
        check_rules(&[root_file(&["low", "high"]), low, high], ["4: module-order"]);
    }
}

#[test]
fn order_holds_below_a_parent_and_the_parent_may_be_named() {
    let parent = |code: &str| module("crates/a/src/run.rs", code);
    let first = |code: &str| module("crates/a/src/run/first.rs", code);
    let second =
        || module("crates/a/src/run/second.rs", "pub(super) struct S;\npub(in crate::run) struct P;\n");
    let run = |code: &str| {
        vec![root_file(&["run"]), parent("mod first;\nmod second;\npub struct Run;\n"), first(code), second()]
    };
    check_rules(&run("use super::Run;\n"), []);
    check_rules(&run("use crate::run::Run;\n"), []);
    check_rules(&run("use super::second::S;\n"), ["4: module-order"]);
    check_rules(&run("use crate::run::second::S;\n"), ["4: module-order"]);
}

#[test]
fn order_follows_re_exports_and_the_root_owns_nothing() {
    let lib = |rest: &str| text("crates/a/src/lib.rs", &format!("{HEADER}#![forbid(unsafe_code)]\n{rest}"));
    let modules = "mod low;\nmod high;\npub use high::H;\npub use low::L;\npub struct Own;\n";
    let low = |code: &str| module("crates/a/src/low.rs", code);
    let high = |code: &str| module("crates/a/src/high.rs", code);
    check_rules(&[lib(modules), low("use crate::H;\n"), high("")], ["4: module-order"]);
    check_rules(&[lib(modules), low(""), high("use crate::L;\n")], []);
    check_rules(&[lib(modules), low(""), high("use crate::Own;\n")], ["4: module-order"]);
}

#[test]
fn tests_may_import_from_everywhere() {
    let inline = "#[cfg(test)]\nmod tests { use crate::high::H; }\n";
    let item = "#[cfg(test)]\nuse crate::high::H;\n";
    for code in [inline, item, "#[cfg(test)]\nmod tests;\n"] {
        let tests = text("crates/a/src/low/tests.rs", "//! Tests.\nuse crate::high::H;\n");
        let low = module("crates/a/src/low.rs", code);
        check_rules(&[root_file(&["low", "high"]), low, tests, module("crates/a/src/high.rs", "")], []);
    }
}

#[test]
fn a_file_of_over_500_lines_is_found_and_its_tests_do_not_count() {
    let long = |lines: usize| "// A line.\n".repeat(lines - HEADER.lines().count());
    check_rules(&[module("crates/a/src/b.rs", &long(500))], []);
    check_rules(&[module("crates/a/src/b.rs", &long(501))], ["1: file-size"]);
    check_rules(&[module("crates/a/src/b/tests.rs", &long(501))], []);
    let tests = "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n";
    check_rules(&[module("crates/a/src/b.rs", &format!("{}{tests}", long(500)))], []);
}

#[test]
fn inline_tests_of_over_60_lines_are_found() {
    let tests =
        |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // A line.\n".repeat(lines - 3));
    check_rules(&[module("crates/a/src/b.rs", &tests(60))], []);
    check_rules(&[module("crates/a/src/b.rs", &tests(61))], ["4: inline-tests"]);
}

#[test]
fn a_function_of_over_60_lines_is_found_unless_it_is_a_table() {
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    check_rules(&[module("crates/a/src/b.rs", &function(60))], []);
    check_rules(&[module("crates/a/src/b.rs", &function(61))], ["4: function-size"]);
    let method = format!("impl A {{\n{}}}\n", function(61));
    check_rules(&[module("crates/a/src/b.rs", &method)], ["5: function-size"]);
    let table = format!("// table: one line a flag\n#[rustfmt::skip]\n{}", function(61));
    check_rules(&[module("crates/a/src/b.rs", &table)], []);
}

#[test]
fn over_five_parameters_besides_self_are_found() {
    let function =
        |inputs: &str| module("crates/a/src/b.rs", &format!("impl A {{\nfn f({inputs}) {{}}\n}}\n"));
    check_rules(&[function("&self, a: A, b: A, c: A, d: A, e: A")], []);
    check_rules(&[function("a: A, b: A, c: A, d: A, e: A, f: A")], ["5: parameters"]);
}

#[test]
fn a_header_of_three_to_ten_lines_says_what_is_owned_and_what_never_happens() {
    let file = |header: &str| text("crates/a/src/b.rs", header);
    check_rules(&[file(HEADER)], []);
    check_rules(&[file("")], ["1: header"]);
    check_rules(&[file("//! One.\n//! Owns: two.\n")], ["1: header"]);
    check_rules(&[file(&format!("{HEADER}{}", "//! More.\n".repeat(8)))], ["1: header"]);
    check_rules(&[file("//! One.\n//! Two.\n//! Never: three.\n")], ["1: header"]);
    check_rules(&[file("//! One.\n//! Owns: two.\n//! Three.\n")], ["1: header"]);
    let example = "//!\n//! ```\n//! a\n//! b\n//! c\n//! d\n//! e\n//! f\n//! g\n//! h\n//! ```\n";
    check_rules(&[file(&format!("{HEADER}{example}"))], []);
}

#[test]
fn tests_and_examples_need_one_header_line() {
    check_rules(&[text("crates/a/examples/01_hello.rs", "//! Says hello.\nfn main() {}\n")], []);
    check_rules(&[text("crates/a/examples/01_hello.rs", "fn main() {}\n")], ["1: header"]);
    check_rules(&[text("crates/a/tests/it/main.rs", "mod a;\n")], ["1: header"]);
}

#[test]
fn mod_rs_and_names_that_say_nothing_are_found() {
    check_rules(&[module("crates/a/src/b/mod.rs", "")], ["1: name"]);
    for name in ["utils", "helpers", "common", "misc", "manager", "imp", "types"] {
        check_rules(&[module(&format!("crates/a/src/{name}.rs"), "")], ["1: name"]);
        check_rules(&[module(&format!("crates/a/src/{name}/b.rs"), "")], ["1: name"]);
    }
}

#[test]
fn every_crate_root_but_the_engines_forbids_unsafe_code() {
    check_rules(&[module("crates/a/src/lib.rs", "")], ["1: unsafe"]);
    check_rules(&[module("crates/a/src/main.rs", "fn main() {}\n")], ["1: unsafe"]);
    check_rules(&[module("crates/genesis-mesh-local/src/lib.rs", "")], []);
    check_rules(&[root_file(&[])], []);
}

#[test]
fn allow_is_found_and_expect_is_not() {
    let attribute = |word: &str| module("crates/a/src/b.rs", &format!("#[{word}(dead_code)]\nfn f() {{}}\n"));
    check_rules(&[attribute("expect")], []);
    check_rules(&[attribute("allow")], ["4: allow"]);
    check_rules(&[module("crates/a/src/b.rs", "#![allow(dead_code)]\n")], ["4: allow"]);
    let inside = "fn f() {\n    #[allow(unused)]\n    let a = 1;\n}\n";
    check_rules(&[module("crates/a/src/b.rs", inside)], ["5: allow"]);
}

#[test]
fn open_work_needs_the_number_of_an_issue() {
    let marker = ["TO", "DO"].concat();
    let comment = |rest: &str| module("crates/a/src/b.rs", &format!("// {marker}{rest}\n"));
    check_rules(&[comment("(#12): more")], []);
    check_rules(&[comment(": more")], ["4: open-work"]);
    check_rules(&[comment("(#): more")], ["4: open-work"]);
    check_rules(&[text("scripts/a.sh", &format!("# {marker} later\n"))], ["1: open-work"]);
    check_rules(&[text("CONTRIBUTING.md", &format!("A {marker} needs an issue.\n"))], []);
}

#[test]
fn clocks_and_tasks_have_homes() {
    let call = |call: &str| module("crates/a/src/b.rs", &format!("fn f() {{ {call}(); }}\n"));
    for name in ["tokio::spawn", "tokio::task::spawn", "std::time::Instant::now", "SystemTime::now"] {
        check_rules(&[call(name)], ["4: home"]);
    }
    check_rules(&[call("tracker::spawn"), call("my::Instant::later")], []);
    let tests = "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }\n";
    check_rules(&[module("crates/a/src/b.rs", tests)], []);
}

#[test]
fn no_file_names_a_registry_host_or_a_place_outside_the_clone() {
    let hosts = [["pypi", "org"].join("."), ["crates", "io"].join("."), ["deb", "debian", "org"].join(".")];
    for host in hosts {
        check_rules(&[text("README.md", &format!("From {host}.\n"))], ["1: host"]);
    }
    for place in [["..", "shared"].join("/"), ["", "work", "main"].join("/")] {
        check_rules(&[text("scripts/a.sh", &format!("\ncat {place}/x\n"))], ["2: place"]);
    }
    check_rules(&[text("Cargo.lock", &["crates", "io"].join("."))], []);
    check_rules(&[text("docs/a.md", "The workers share.\n")], []);
}

#[test]
fn documents_name_files_that_are_there() {
    let source = || module("crates/a/src/run/first.rs", "");
    let document = |path: &str, line: &str| vec![text(path, &format!("{line}\n")), source()];
    for line in ["[x](crates/a)", "[x](https://a.b/c)", "[x](#y)", "[x](README.md#y)", "`gone.rs`"] {
        check_rules(&document("README.md", line), []);
    }
    check_rules(&document("docs/a.md", "[x](../crates/a/src/run/first.rs)"), []);
    check_rules(&document("docs/a.md", "[x](crates/a)"), ["1: link"]);
    check_rules(&document("README.md", "[x](docs/gone.md)"), ["1: link"]);
    check_rules(&document("ARCHITECTURE.md", "`run/first.rs` and `first.rs`"), []);
    check_rules(&document("ARCHITECTURE.md", "`first.rs` and `irst.rs`"), ["1: link"]);
    check_rules(&document("docs/a.md", "`gone.rs`"), ["1: link"]);
}

#[test]
fn rust_in_the_documents_is_part_of_an_example() {
    let shown = |page, code: &str| text(page, &format!("Text.\n\n```rust\n{code}\n```\n\n```\nno\n```\n"));
    let example = || text("crates/a/examples/01_hello.rs", "//! Hello.\nfn main() {\n    hello();\n}\n");
    for page in ["README.md", "docs/a.md"] {
        check_rules(&[shown(page, "fn main() {\n    hello();\n}"), example()], []);
        check_rules(&[shown(page, "fn main() {\n    hullo();\n}"), example()], ["3: link"]);
    }
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let source = || {
        module("crates/a/src/b.rs", "impl E {\nfn code(&self) -> &str { \"a_b\" }\nfn x() { \"c\"; }\n}\n")
    };
    let page = |codes: &str| text("docs/errors.md", &format!("| code | meaning |\n| --- | --- |\n{codes}"));
    check_rules(&[source(), page("| `a_b` | x |\n")], []);
    check_rules(&[source(), page("")], ["5: error-code"]);
    check_rules(&[source(), page("| `a_b` | x |\n| `gone` | x |\n")], ["4: error-code"]);
}

#[test]
fn the_repository_keeps_its_own_rules() {
    let files = source::read_tree(root()).unwrap();
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "these are not the repository's files");
    let findings: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
