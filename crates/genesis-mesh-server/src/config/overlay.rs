//! Variables and flags over the file: each sets its keys in the tree.
//!
//! Owns: the names of the variables, and what a model of the command line means for the models of the file.
//! Never: checks a value; the schema does, when everything is in the tree.

use super::problem::{Place, Problem};
use super::schema::{kind, resolve};
use super::source::Sources;
use super::tree::{self, Entry, Node, Value};
use genesis_mesh::local::fetch::Source;
use serde_json::Value as Json;
use std::path::Path;

/// How the name of every variable starts.
const PREFIX: &str = "GENESIS_MESH_";

/// The tables whose keys have variables, with what stands between prefix and key.
const TABLES: [(&[&str], &str); 3] =
    [(&["server"], ""), (&["server", "limits"], "LIMITS_"), (&["telemetry"], "")];

/// Variables of OpenTelemetry, which collectors' users set for all their programs; our own beat them.
const FOREIGN: [(&str, &str); 2] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
];

/// Keys of every model that is computed here.
const LOCAL_KEYS: [&str; 2] = ["threads", "kv_memory_mb"];

/// The keys that make a model one that is computed here.
const LOCAL_TAGS: [&str; 3] = ["gguf", "hub", "builtin"];

/// The name of the default model.
const DEFAULT_NAME: &str = "smollm2";

/// The longest name that a mesh takes, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Each variable with the key that it sets; `models.*` stands for every model.
pub(super) fn variables(schema: &Json) -> Vec<(String, String)> {
    let mut named = FOREIGN.map(|(name, key)| (name.to_owned(), key.to_owned())).to_vec();
    for (path, middle) in TABLES {
        let table = path.iter().fold(schema, |table, part| {
            let part = table.get("properties").and_then(|known| known.get(part)).unwrap_or(&Json::Null);
            resolve(schema, part)
        });
        for (key, value) in table.get("properties").and_then(Json::as_object).into_iter().flatten() {
            if kind(schema, value) != Some("object") {
                let name = format!("{PREFIX}{middle}{}", key.to_uppercase());
                named.push((name, format!("{}.{key}", path.join("."))));
            }
        }
    }
    let of_models = [("MODEL", "gguf"), ("SCRIPT", "script"), ("THREADS", "threads")];
    for (variable, key) in of_models.into_iter().chain([("KV_MEMORY_MB", "kv_memory_mb")]) {
        named.push((format!("{PREFIX}{variable}"), format!("models.*.{key}")));
    }
    named
}

/// Sets in `root` what variables and flags say.
pub(super) fn apply(root: &mut Node, sources: &Sources, schema: &Json) -> Vec<Problem> {
    let mut settings = Vec::new();
    for (name, key) in variables(schema) {
        let value = sources.variables.get(&name).filter(|value| !value.is_empty());
        // Where a Kubernetes service has this program's name, its pods get the service's address by this name.
        let value = value.filter(|value| !(key == "server.port" && value.starts_with("tcp://")));
        settings.extend(value.map(|value| (Place::Variable(name), key, value.clone())));
    }
    settings.extend(
        sources
            .flags
            .iter()
            .map(|flag| (Place::Flag(flag.name.clone()), flag.key.clone(), flag.value.clone())),
    );
    choose_models(root, &settings);
    let mut problems = Vec::new();
    for (place, key, value) in &settings {
        match key.strip_prefix("models.*.") {
            Some(key) if LOCAL_KEYS.contains(&key) => set_local(root, key, &Node::raw(place, value)),
            Some(_) => {}
            None => match path_of(key) {
                Some(path) => {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    root.set(&path, Node::raw(place, value));
                }
                None => {
                    let message = "expected a key like `server.port`".to_owned();
                    problems.push(Problem { place: place.clone(), message });
                }
            },
        }
    }
    problems
}

/// The parts of a key as TOML reads it, so that a name with dots can be quoted.
fn path_of(key: &str) -> Option<Vec<String>> {
    let (tree, problems) = tree::parse(&format!("{key} = 0"));
    let mut path = Vec::new();
    let mut node = &tree;
    while let [entry] = node.entries() {
        path.push(entry.name.clone());
        node = &entry.node;
    }
    (problems.is_empty() && matches!(node.value, Value::Integer(0))).then_some(path)
}

/// A file or a script that is named by a flag or a variable plays all models of the file; without models there,
/// it is one by its own name. Without any model there is the default one.
fn choose_models(root: &mut Node, settings: &[(Place, String, String)]) {
    // Flags come last and win; of two variables that of the script does.
    let chosen =
        settings.iter().rfind(|(_, key, _)| matches!(key.as_str(), "models.*.gguf" | "models.*.script"));
    let names: Vec<String> = match root.get("models").map(|models| &models.node.value) {
        None => Vec::new(),
        Some(Value::Table(models)) => models.iter().map(|model| model.name.clone()).collect(),
        // A mistake, which the check will tell.
        Some(_) => return,
    };
    match chosen {
        Some((place, key, path)) => {
            let tag = key.rsplit('.').next().unwrap_or_default();
            let names = if names.is_empty() { vec![name(Path::new(path))] } else { names };
            for name in names {
                root.set(&["models", &name], table(tag, Node::raw(place, path)));
            }
        }
        None if names.is_empty() => {
            let builtin = Node { place: Place::Default, value: Value::Text("smollm2".to_owned()) };
            root.set(&["models", DEFAULT_NAME], table("builtin", builtin));
        }
        None => {}
    }
}

fn table(key: &str, node: Node) -> Node {
    let place = node.place.clone();
    let entry = Entry { name: key.to_owned(), place: place.clone(), node };
    Node { place, value: Value::Table(vec![entry]) }
}

fn set_local(root: &mut Node, key: &str, value: &Node) {
    let models = root.get("models").map(|models| models.node.entries()).unwrap_or_default();
    let is_local = |model: &&Entry| LOCAL_TAGS.iter().any(|tag| model.node.get(tag).is_some());
    let names: Vec<String> = models.iter().filter(is_local).map(|model| model.name.clone()).collect();
    for name in names {
        root.set(&["models", &name, key], value.clone());
    }
}

/// A file's name as a model's name: lower case, other characters as `-`.
fn name(path: &Path) -> String {
    let default = Source::smollm2().member;
    if path.file_name().is_some_and(|file| Path::new(&default).file_name() == Some(file)) {
        return DEFAULT_NAME.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = stem.chars().map(allowed).collect();
    let name: String =
        name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "model".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_becomes_a_models_name() {
        for (path, expected) in [
            ("/models/Llama-3.2-1B.Q4_K.gguf", "llama-3.2-1b.q4_k"),
            ("My Script.toml", "my-script"),
            ("__x.gguf", "x"),
            ("été.gguf", "t-"),
            ("ü.gguf", "model"),
            ("", "model"),
        ] {
            assert_eq!(name(Path::new(path)), expected, "{path}");
        }
        assert_eq!(name(Path::new(&"x".repeat(100))).len(), NAME_BYTES_MAX);
        assert_eq!(name(&Path::new("/elsewhere").join(Source::smollm2().member)), DEFAULT_NAME);
    }
}
