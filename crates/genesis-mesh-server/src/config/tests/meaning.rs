//! What a right file means: the mesh that it makes, and the options.

use super::super::{Config, Sources};
use super::folder;
use crate::keys::Scope;
use crate::options::{LogFormat, ServeOptions};
use serde_json::json;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

#[test]
fn without_sources_the_default_model_is_served_on_this_machine() {
    let config = Config::load(&Sources::none()).unwrap();
    assert_eq!((config.host(), config.port()), ("127.0.0.1", 8080));
    let names: Vec<&str> = config.models().map(|(name, _)| name).collect();
    assert_eq!(names, ["smollm2"]);
    assert_eq!(config.serve_options(), ServeOptions::default());
    assert!(config.file().is_none());
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_options() {
    let schema = Config::schema();
    let mut text = String::new();
    for (table, form) in
        [("server", "ServerForm"), ("server.limits", "LimitsForm"), ("telemetry", "TelemetryForm")]
    {
        text.push_str(&format!("[{table}]\n"));
        for (key, value) in schema["$defs"][form]["properties"].as_object().unwrap() {
            if let Some(default) = value.get("default") {
                text.push_str(&format!("{key} = {default}\n"));
            }
        }
    }
    assert!(text.contains("runs_per_key = 256"), "{text}");
    let config = Config::load(&Sources::none().text("mesh.toml", text)).unwrap();
    assert_eq!(config.serve_options(), ServeOptions::default());
    assert_eq!((config.host(), config.port(), config.is_insecure), ("127.0.0.1", 8080, false));
}

const FILE: &str = r#"
[server]
host = "0.0.0.0"
linger_ms = 8
origins = ["https://a.b"]
[server.limits]
body_timeout_ms = 1500
[telemetry]
log_format = "json"
[models.echo]
script = "script.toml"
[models.twin]
script = "script.toml"
[agents.alias]
model = "echo"
[agents.lines]
model = "echo"
description = "Lists"
system = "Say {{ word }}."
messages = [{ role = "user", content = "a" }, { role = "assistant", content = "b" }]
prompt = "{{ word }} now"
input_schema = { type = "object", properties = { word = { type = "string" } }, required = ["word"] }
output = "lines"
temperature = 1
seed = 7
stop = ["END"]
[agents.read]
model = "twin"
prompt = "{{ topic }}"
input_schema = "file:schema.json"
output = { json_schema = { type = "array" } }
[[keys]]
name = "all"
sha256 = "sha256:327013c568df4d8293b75c8816305bee506ff2c0b3007a8c661369da8fae3964"
[[keys]]
name = "some"
sha256 = "sha256:427013c568df4d8293b75c8816305bee506ff2c0b3007a8c661369da8fae3964"
scopes = ["run", "agent:lines", "agent:own", "observe"]
expires = 1970-01-02
revoked = true
[[keys]]
name = "timed"
sha256 = "sha256:527013c568df4d8293b75c8816305bee506ff2c0b3007a8c661369da8fae3964"
expires = 1970-01-01T01:00:10+01:00
"#;

#[tokio::test]
async fn a_file_becomes_a_mesh_with_its_options_and_keys() {
    let folder = folder();
    fs::write(
        folder.path().join("script.toml"),
        "[[rule]]\nwhen = { contains = \"sea now\" }\ntext = \"- one\\n- two\"\n[[rule]]\ntext = \"[1]\"",
    )
    .unwrap();
    fs::write(
        folder.path().join("schema.json"),
        r#"{"type": "object", "properties": {"topic": {"type": "string"}}}"#,
    )
    .unwrap();
    let file = folder.path().join("mesh.toml");
    fs::write(&file, FILE).unwrap();
    let config = Config::load(&Sources::none().file(&file).agent("own")).unwrap();
    let options = config.serve_options();
    assert_eq!((options.linger.as_millis(), options.limits.body_timeout.as_millis()), (8, 1500));
    assert_eq!(config.telemetry().log_format, LogFormat::Json);
    let [all, some, timed] = options.keys.as_slice() else { panic!("{:?}", options.keys) };
    assert_eq!((all.sha256[0], all.scopes.len(), all.expires_at, all.is_revoked), (0x32, 0, None, false));
    let agent = |name: &str| Scope::Agent(name.to_owned());
    assert_eq!(some.scopes, [Scope::Run, agent("lines"), agent("own"), Scope::Observe]);
    assert_eq!((some.expires_at, some.is_revoked), (Some(86_400), true));
    assert_eq!(timed.expires_at, Some(10));

    let mesh = config.mesh().setup().await.unwrap();
    let names: Vec<&str> = mesh.agents().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["alias", "echo", "lines", "read", "twin"]);
    assert_eq!(mesh.agent("lines").unwrap().description, "Lists");
    let output = |agent: &'static str, input| {
        let mesh = mesh.clone();
        async move {
            let mut run = mesh.start(agent, input).await.unwrap();
            let mut output = None;
            while let Some(update) = run.next().await {
                if let genesis_mesh::Update::Output { value } = update.unwrap() {
                    output = Some(value);
                }
            }
            output
        }
    };
    assert_eq!(output("lines", json!({"word": "sea"})).await, Some(json!(["one", "two"])));
    assert_eq!(output("read", json!({"topic": "x"})).await, Some(json!([1])));
    assert!(mesh.start("read", json!({"topic": 3})).await.is_err());
    // Two names of one plan are one model in memory.
    let models: Vec<_> = mesh.models().map(|(_, model)| model.info()).collect();
    assert!(std::ptr::eq(models[0], models[1]));
}

#[test]
fn an_address_that_others_reach_needs_keys_or_insecure() {
    let listen = |sources: &Sources, address: &str| {
        let config = Config::load(sources).unwrap();
        config.may_listen_on(address.parse::<IpAddr>().unwrap()).is_ok()
    };
    let plain = Sources::none();
    for (address, is_fine) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("0.0.0.0", false),
        ("::", false),
        ("10.0.0.1", false),
    ] {
        assert_eq!(listen(&plain, address), is_fine, "{address}");
        let named = plain.clone().set("--host", "server.host", address);
        assert_eq!(Config::load(&named).is_ok(), is_fine, "{address}");
    }
    let insecure = plain.clone().set("--insecure", "server.insecure", "true");
    assert!(listen(&insecure.clone().set("--host", "server.host", "0.0.0.0"), "0.0.0.0"));
    let hash = "3".repeat(64);
    let keyed = plain.text("mesh.toml", format!("[[keys]]\nname = \"a\"\nsha256 = \"sha256:{hash}\""));
    assert!(listen(&keyed, "10.0.0.1"));
}

#[test]
fn a_watch_is_kept_for_the_fetches_of_setup() {
    let watch = Arc::new(());
    let held = Arc::clone(&watch);
    let config = Config::load(&Sources::none()).unwrap();
    let mesh = config.mesh_watched(move |_, _| {
        let _ = &held;
        std::ops::ControlFlow::Break(())
    });
    assert_eq!(Arc::strong_count(&watch), 2);
    drop(mesh);
    assert_eq!(Arc::strong_count(&watch), 1);
}
