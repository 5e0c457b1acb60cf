//! The schema and the page of all keys, which are files of the repository: both must be what the program says.
//!
//! `GENESIS_MESH_WRITE_DOCS=1 cargo test -p genesis-mesh-server --lib config::tests::pages` writes them.

use super::super::Config;
use super::repository;
use serde_json::Value;
use std::fs;

/// What stands before and after the generated part of the page.
const MARKS: [&str; 2] = ["<!-- keys: generated -->\n", "<!-- keys: end -->\n"];

/// Holds the file at `path` to `expected`, or writes it.
fn hold(path: &str, expected: &str) {
    let file = repository().join(path);
    if std::env::var_os("GENESIS_MESH_WRITE_DOCS").is_some() {
        fs::write(&file, expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == expected, "{path} is not current: run this test with GENESIS_MESH_WRITE_DOCS=1");
}

#[test]
fn the_schema_in_the_repository_is_the_one_that_the_program_prints() {
    let schema = serde_json::to_string_pretty(&Config::schema()).unwrap();
    hold("docs/mesh.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_page_lists_every_key_with_its_meaning_and_variable() {
    let page = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).expect("the page has the first mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("the page has the last mark");
    hold("docs/configuration.md", &format!("{before}{}{}{}{after}", MARKS[0], tables(), MARKS[1]));
}

#[test]
fn the_schema_closes_every_table_and_has_no_null() {
    let text = Config::schema().to_string();
    assert!(!text.contains("null"), "{text}");
    let schema = Config::schema();
    for (name, form) in schema["$defs"].as_object().unwrap() {
        if form.get("properties").is_some() {
            assert_eq!(form["additionalProperties"], false, "{name}");
        }
    }
    jsonschema_accepts_the_example(&schema);
}

/// The example that `init` writes fits the schema as an editor reads it.
fn jsonschema_accepts_the_example(schema: &Value) {
    let example: toml::Value = toml::from_str(include_str!("../../command/init/mesh.toml")).unwrap();
    let compiled = genesis_mesh::Schema::compile(schema.clone()).unwrap();
    compiled.check(&serde_json::to_value(example).unwrap()).unwrap();
}

fn tables() -> String {
    let schema = Config::schema();
    let variables = Config::variables();
    let forms = [
        ("[server]", "ServerForm", "server."),
        ("[server.limits]", "LimitsForm", "server.limits."),
        ("[models.NAME], a file", "GgufForm", "models.*."),
        ("[models.NAME], the Hugging Face hub", "HubForm", "models.*."),
        ("[models.NAME], known to the program", "BuiltinForm", "models.*."),
        ("[models.NAME], a script", "ScriptForm", "models.*."),
        ("[models.NAME], behind another server", "UpstreamForm", ""),
        ("[agents.NAME]", "AgentForm", ""),
        ("[[keys]]", "KeyForm", ""),
        ("[telemetry]", "TelemetryForm", "telemetry."),
    ];
    let mut text = String::new();
    for (title, form, prefix) in forms {
        let form = &schema["$defs"][form];
        let words = form["description"].as_str().unwrap();
        text.push_str(&format!(
            "\n### `{title}`\n\n{words}\n\n| key | value | without it | what it says |\n"
        ));
        text.push_str("| --- | --- | --- | --- |\n");
        let required: Vec<&str> =
            form["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // The keys of a model that is computed here stand once.
        let local = schema["$defs"]["GgufForm"]["properties"].as_object().unwrap();
        let is_more_local = title.contains("hub") || title.contains("known");
        for (key, value) in form["properties"].as_object().unwrap() {
            if is_more_local && local.contains_key(key) {
                continue;
            }
            let full = format!("{prefix}{key}");
            let variable = variables.iter().rfind(|(_, of)| !prefix.is_empty() && *of == full);
            let variable = variable.map(|(name, _)| format!(" Variable: `{name}`.")).unwrap_or_default();
            let without = match value.get("default") {
                _ if required.contains(&key.as_str()) => "needed".to_owned(),
                Some(default) => format!("`{default}`"),
                None => String::new(),
            };
            let words = value["description"].as_str().unwrap_or_default();
            text.push_str(&format!(
                "| `{key}` | {} | {without} | {words}{variable} |\n",
                kind(&schema, value)
            ));
        }
    }
    text.push_str("\nThe keys of a file from `threads` on are those of every model that is computed on this machine.\n\n");
    text
}

/// The kind of a value, in words.
fn kind(schema: &Value, value: &Value) -> String {
    if let Some(path) = value["$ref"].as_str() {
        return kind(schema, schema.pointer(path.trim_start_matches('#')).unwrap());
    }
    if let Some(variants) = value["anyOf"].as_array() {
        let mut words: Vec<String> = variants.iter().map(|variant| kind(schema, variant)).collect();
        words.dedup();
        return words.join(" or ");
    }
    let bound = |key: &str| value.get(key).filter(|bound| bound.is_number());
    match (value["type"].as_str(), bound("minimum").or(bound("exclusiveMinimum")), bound("maximum")) {
        (Some("array"), _, _) => "list".to_owned(),
        (Some("object"), _, _) => "table".to_owned(),
        (Some("boolean"), _, _) => "true or false".to_owned(),
        (Some("string"), _, _) => match value["enum"].as_array() {
            Some(choices) => {
                let choices: Vec<String> =
                    choices.iter().filter_map(Value::as_str).map(|choice| format!("`{choice}`")).collect();
                choices.join(", ")
            }
            None if value["const"].is_string() => format!("`{}`", value["const"].as_str().unwrap()),
            None => "text".to_owned(),
        },
        (Some(_), Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(_), Some(min), None) => format!("{min} or more"),
        (kind, _, _) => panic!("{kind:?} has no words"),
    }
}
