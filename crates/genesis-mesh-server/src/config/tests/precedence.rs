//! Which source wins: flags beat variables, which beat the file, for every key that has a variable.

use super::super::{Config, ModelPlan, Sources};
use super::folder;
use serde_json::Value;
use std::fs;

/// Three values that the key takes; the schema says of which kind they are.
fn values(schema: &Value, key: &str) -> Option<[String; 3]> {
    if matches!(key, "server.tls_cert" | "server.tls_key") {
        return None; // They need files; `loads_files_of_tls` is their test.
    }
    let path = key.split('.').fold(schema, |table, part| {
        let table = table.get("$ref").and_then(Value::as_str).map_or(table, |path| {
            schema.pointer(path.trim_start_matches('#')).expect("a reference leads somewhere")
        });
        &table["properties"][part]
    });
    Some(match (key, path["type"].as_str()) {
        ("telemetry.log_format", _) => ["auto", "human", "json"].map(str::to_owned),
        ("telemetry.otlp_endpoint", _) => ["http://a:1", "http://b:2", "http://c:3"].map(str::to_owned),
        ("server.store", _) => ["memory", "sqlite:a.db", "sqlite:b.db"].map(str::to_owned),
        ("server.bus", _) => ["local", "nats://a:4222", "nats://b:4222"].map(str::to_owned),
        (_, Some("integer")) => {
            let least = path["minimum"].as_u64().unwrap_or(0);
            [least, least + 1, least + 2].map(|number| number.to_string())
        }
        (_, Some("boolean")) => ["false", "true", "false"].map(str::to_owned),
        (_, Some("array")) => ["https://a.b", "https://b.c", "https://c.d"].map(str::to_owned),
        (_, Some("string")) => ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(str::to_owned),
        other => panic!("{other:?} has no values"),
    })
}

fn file(key: &str, kind: &str, value: &str) -> String {
    let (table, key) = key.rsplit_once('.').expect("a key has a table");
    let value = match kind {
        "list" => format!("[\"{value}\"]"),
        "text" => format!("\"{value}\""),
        _ => value.to_owned(),
    };
    format!("[{table}]\n{key} = {value}\n")
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file_for_every_key() {
    let schema = Config::schema();
    let mut checked = 0;
    let named = Config::variables();
    for (variable, key) in named.iter().filter(|(_, key)| !key.starts_with("models.")) {
        let Some([of_file, of_variable, of_flag]) = values(&schema, key) else { continue };
        let kind = match key.as_str() {
            "server.origins" => "list",
            "server.host" | "server.store" | "server.bus" | "server.data_dir" => "text",
            key if key.starts_with("telemetry.") => "text",
            _ => "bare",
        };
        // A configuration is compared by all that it says.
        let says = |sources: &Sources| {
            let config = Config::load(sources).unwrap_or_else(|error| panic!("{variable}: {error}"));
            format!(
                "{:?} {} {} {} {} {:?}",
                config.serve_options(),
                config.store(),
                config.bus(),
                config.host(),
                config.port(),
                config.is_insecure
            )
        };
        let only = |value: &str| says(&Sources::none().text("mesh.toml", file(key, kind, value)));
        let with_file = Sources::none().text("mesh.toml", file(key, kind, &of_file));
        let with_variable = with_file.clone().variable(variable, &of_variable);
        let with_flag = with_variable.clone().set("--set", key, &of_flag);
        assert_eq!(says(&with_file), only(&of_file), "{variable}");
        assert_eq!(says(&with_variable), only(&of_variable), "{variable}");
        assert_ne!(says(&with_variable), says(&with_file), "{variable}");
        assert_eq!(says(&with_flag), only(&of_flag), "{variable}");
        checked += 1;
    }
    assert_eq!(
        checked, 24,
        "the keys of [server], its limits and [telemetry], and two names of OpenTelemetry"
    );
}

#[test]
fn our_variables_beat_those_of_open_telemetry() {
    let sources = Sources::none()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318")
        .variable("GENESIS_MESH_OTLP_ENDPOINT", "http://own:4318");
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.telemetry().otlp_endpoint.as_deref(), Some("http://own:4318"));
}

#[test]
fn an_empty_variable_and_a_kubernetes_address_say_nothing() {
    let sources = Sources::none()
        .variable("GENESIS_MESH_HOST", "")
        .variable("GENESIS_MESH_PORT", "tcp://10.0.0.7:8080");
    let config = Config::load(&sources).unwrap();
    assert_eq!((config.host(), config.port()), ("127.0.0.1", 8080));
}

/// The models of a configuration, as `name=origin`.
fn models(sources: &Sources) -> Vec<String> {
    let config = Config::load(sources).unwrap();
    config.models().map(|(name, plan)| format!("{name}={}", plan.origin())).collect()
}

#[test]
fn a_model_of_the_command_line_stands_in_for_every_model_of_the_file() {
    let folder = folder();
    let path = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "[[rule]]\ntext = \"x\"").unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, two) = (path("One.toml"), path("two.toml"));
    let of_file =
        Sources::none().text("mesh.toml", "[models.a]\nbuiltin = \"smollm2\"\n[models.b]\nhub = \"o/n\"");
    let with_variable = of_file.clone().variable("GENESIS_MESH_SCRIPT", &one);
    let with_flag = with_variable.clone().set("--script", "models.*.script", &two);
    assert_eq!(models(&of_file), ["a=the cache", "b=the hub, o/n"]);
    assert_eq!(models(&with_variable), [format!("a={one}"), format!("b={one}")]);
    assert_eq!(models(&with_flag), [format!("a={two}"), format!("b={two}")]);
    // A flag for a file beats a variable for a script; without models in the file the name is the file's.
    let alone = Sources::none().variable("GENESIS_MESH_SCRIPT", &one);
    assert_eq!(models(&alone), [format!("one={one}")]);
    assert_eq!(models(&alone.set("--model", "models.*.gguf", &two)), [format!("two={two}")]);
}

#[test]
fn threads_and_memory_of_the_command_line_count_for_models_that_are_computed_here() {
    let folder = folder();
    let script = folder.path().join("script.toml");
    fs::write(&script, "[[rule]]\ntext = \"x\"").unwrap();
    let text = format!(
        "[models.a]\nbuiltin = \"smollm2\"\nthreads = 1\nslots = 2\n[models.b]\nscript = {:?}",
        script.to_str().unwrap()
    );
    let sources = Sources::none()
        .text("mesh.toml", text)
        .variable("GENESIS_MESH_THREADS", "3")
        .variable("GENESIS_MESH_KV_MEMORY_MB", "64")
        .set("--kv-memory-mb", "models.*.kv_memory_mb", "65");
    let config = Config::load(&sources).unwrap();
    let plans: Vec<&ModelPlan> = config.models().map(|(_, plan)| plan).collect();
    let [ModelPlan::SmolLm2 { options }, ModelPlan::Script { .. }] = plans.as_slice() else {
        panic!("{plans:?}")
    };
    assert_eq!((options.threads, options.kv_bytes_max, options.slots), (Some(3), 65 << 20, 2));
}

#[test]
fn paths_of_the_file_are_relative_to_it_and_those_of_flags_to_the_program() {
    let folder = folder();
    fs::write(folder.path().join("script.toml"), "[[rule]]\ntext = \"x\"").unwrap();
    let file = folder.path().join("mesh.toml");
    let sources = Sources::none().text(&file, "[models.a]\nscript = \"script.toml\"");
    assert_eq!(models(&sources), [format!("a={}", folder.path().join("script.toml").display())]);
    let sources = sources.set("--script", "models.*.script", "script.toml");
    let told = Config::load(&sources).unwrap_err().to_string();
    assert!(told.starts_with("--script: can't read the script script.toml: "), "{told}");
}

#[test]
fn loads_files_of_tls() {
    let folder = folder();
    for name in ["a.pem", "b.pem"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let file = folder.path().join("mesh.toml");
    let sources = Sources::none()
        .text(file, "[server]\ntls_cert = \"a.pem\"\ntls_key = \"none.pem\"")
        .variable("GENESIS_MESH_TLS_KEY", folder.path().join("b.pem").to_str().unwrap());
    let tls = Config::load(&sources).unwrap().serve_options().tls.unwrap();
    assert_eq!([tls.cert, tls.key], ["a.pem", "b.pem"].map(|name| folder.path().join(name)));
}

#[test]
fn a_key_with_dots_in_a_name_is_quoted() {
    let sources = Sources::none().text("mesh.toml", "[models.\"a.b\"]\nbuiltin = \"smollm2\"").set(
        "--set",
        "models.\"a.b\".threads",
        "2",
    );
    let config = Config::load(&sources).unwrap();
    let plan = config.models().next().map(|(_, plan)| plan.clone());
    assert!(matches!(plan, Some(ModelPlan::SmolLm2 { options }) if options.threads == Some(2)));
}
