//! Crate edges: who may depend on whom, by floor; and versions, which stand in the workspace alone.
//!
//! Owns: the floor plan of ARCHITECTURE.md as a table.
//! Never: looks at code; the compiler holds what the manifests allow.

use super::finding::Finding;
use super::source::File;
use toml::{Table, Value};

/// The crates of this project, lowest floor first, each with those that it may depend on.
const FLOORS: [(&str, &[&str]); 8] = [
    ("genesis-mesh-core", &[]),
    // Its tests see the core; the macros name it in the code that they make and use nothing of it.
    ("genesis-mesh-macros", &["genesis-mesh-core"]),
    ("genesis-mesh-models", &["genesis-mesh-core"]),
    ("genesis-mesh-local", &["genesis-mesh-core"]),
    ("genesis-mesh-store", &["genesis-mesh-core"]),
    (
        "genesis-mesh",
        &[
            "genesis-mesh-core",
            "genesis-mesh-macros",
            "genesis-mesh-models",
            "genesis-mesh-local",
            "genesis-mesh-store",
        ],
    ),
    ("genesis-mesh-server", &["genesis-mesh"]),
    ("xtask", &EVERYTHING),
];

/// What automation may see: all of it.
const EVERYTHING: [&str; 7] = [
    "genesis-mesh-macros",
    "genesis-mesh-core",
    "genesis-mesh-models",
    "genesis-mesh-local",
    "genesis-mesh-store",
    "genesis-mesh",
    "genesis-mesh-server",
];

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let manifests = files.iter().filter(|file| file.path.split('/').next_back() == Some("Cargo.toml"));
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(file: &File) -> Vec<Finding> {
    match file.text.parse::<Table>() {
        Err(error) => vec![Finding::new(&file.path, 1, "edge", format!("make it TOML: {error}"))],
        Ok(manifest) if manifest.contains_key("workspace") => check_workspace(file, &manifest),
        Ok(manifest) => check_package(file, &manifest),
    }
}

/// The root manifest: the one place of the version; our own crates are paths without one.
fn check_workspace(file: &File, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let workspace = manifest.get("workspace");
    if workspace.and_then(|table| table.get("package")?.get("version")?.as_str()).is_none() {
        findings.push(Finding::new(&file.path, 1, "version", "set `version` in [workspace.package]"));
    }
    let Some(dependencies) = workspace.and_then(|table| table.get("dependencies")?.as_table()) else {
        return findings;
    };
    for (name, value) in dependencies {
        if EVERYTHING.contains(&package(name, value)) && value.get("version").is_some() {
            let advice = format!("drop the version of `{name}`: ours stands in [workspace.package] alone");
            findings.push(Finding::new(&file.path, line_of(&file.text, name), "version", advice));
        }
    }
    findings
}

fn check_package(file: &File, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |key: &str, rule, advice: String| {
        findings.push(Finding::new(&file.path, line_of(&file.text, key), rule, advice));
    };
    let name = manifest.get("package").and_then(|table| table.get("name")?.as_str()).unwrap_or_default();
    let version = manifest.get("package").and_then(|table| table.get("version"));
    if version.and_then(|version| version.get("workspace")?.as_bool()) != Some(true) {
        add(
            "version",
            "version",
            "write `version.workspace = true`: the version stands in one place".to_owned(),
        );
    }
    let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == name) else {
        add("name", "edge", format!("give `{name}` a floor in xtask/src/tidy/edges.rs and ARCHITECTURE.md"));
        return findings;
    };
    for (dependency, value) in dependencies(manifest) {
        let package = package(dependency, value);
        if FLOORS.iter().any(|(floor, _)| *floor == package) && !allowed.contains(&package) {
            let advice = match allowed {
                [] => format!("`{name}` may depend on none of ours: remove `{package}`"),
                allowed => format!("`{name}` may depend on {} only: remove `{package}`", allowed.join(", ")),
            };
            add(dependency, "edge", advice);
        }
        if value.get("workspace").and_then(Value::as_bool) != Some(true) {
            let advice =
                format!("write `{dependency}.workspace = true`; versions stand in the root Cargo.toml");
            add(dependency, "version", advice);
        }
    }
    findings
}

/// All dependencies of a manifest, also those of one target only.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&String, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = [manifest].into_iter().chain(targets.filter_map(Value::as_table));
    let sections =
        tables.flat_map(|table| SECTIONS.iter().filter_map(|section| table.get(*section)?.as_table()));
    sections.flatten()
}

/// The package that a dependency is, whatever it is called here.
fn package<'a>(name: &'a str, value: &'a Value) -> &'a str {
    value.get("package").and_then(Value::as_str).unwrap_or(name)
}

/// The first line that sets `key`, from 1; 1 if none does.
fn line_of(text: &str, key: &str) -> usize {
    let sets = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    text.lines().position(sets).map_or(1, |index| index + 1)
}
