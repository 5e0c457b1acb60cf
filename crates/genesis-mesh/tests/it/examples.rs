//! The examples: each of them runs, asserts what it shows, and fits on a page.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Needs the weights of the default model.
const WITH_WEIGHTS: [&str; 1] = ["01_hello"];

/// The names of the numbered examples with their sources.
fn examples() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sources = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = sources.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    let mut numbered: Vec<_> =
        named.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit())).collect();
    numbered.sort();
    assert!(numbered.len() >= 12, "{numbered:?}");
    numbered
}

#[test]
fn every_example_runs_to_its_end() {
    // Cargo builds examples for `cargo test`, beside the folder of the tests.
    let programs = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    for (name, _) in examples().iter().filter(|(name, _)| !WITH_WEIGHTS.contains(&name.as_str())) {
        let program = programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let ended = Command::new(&program).output();
        let ended =
            ended.unwrap_or_else(|error| panic!("{}: {error}; build the examples first", program.display()));
        assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn every_example_says_what_is_learned_and_fits_on_a_page() {
    for (name, source) in examples() {
        let text = std::fs::read_to_string(source).unwrap();
        assert!(text.starts_with("//! You learn: "), "{name}");
        assert!(text.contains(&format!("--example {name}`")), "{name}");
        assert!(text.lines().count() <= 80, "{name}");
    }
}
