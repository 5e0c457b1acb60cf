//! Secrets: by reference alone, and in no error and no debug form.

use super::super::{Config, ModelPlan, Sources};
use super::folder;
use std::fs;

const SECRET: &str = "sk-0123456789abcdefghij";

fn upstream(more: &str) -> String {
    format!("[models.a]\nupstream = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n{more}\n")
}

#[test]
fn a_secret_comes_from_a_variable_or_a_file_and_shows_nowhere() {
    let folder = folder();
    fs::write(folder.path().join("key"), format!("{SECRET}\n")).unwrap();
    let mesh = folder.path().join("mesh.toml");
    for reference in ["env:KEY", "file:key"] {
        let text = upstream(&format!(
            "api_key = \"{reference}\"\nheaders = {{ x-token = \"{reference}\", x-org = \"acme\" }}"
        ));
        let sources = Sources::none().text(&mesh, text).variable("KEY", SECRET);
        let config = Config::load(&sources).unwrap();
        let Some((_, ModelPlan::Upstream(options))) = config.models().next() else { panic!("an upstream") };
        assert_eq!(options.api_key, Some(genesis_mesh::ApiKey::new(SECRET)), "{reference}");
        let header = |name: &str| {
            options.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!((header("x-token"), header("x-org")), (Some(SECRET), Some("acme")));
        let shown = format!("{config:?} {sources:?} {:?}", config.mesh());
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    for (more, place) in [
        (format!("api_key = \"{SECRET}\""), "mesh.toml:4:1"),
        (format!("headers = {{ api-key = \"{SECRET}\" }}"), "mesh.toml:4:13"),
        (format!("headers = {{ Authorization = \"Bearer {SECRET}\" }}"), "mesh.toml:4:13"),
    ] {
        let told = super::mistakes(&upstream(&more));
        let expected =
            format!("{place}: a secret must not stand here: write `env:NAME` or `file:PATH`, where it is");
        assert_eq!(told, expected);
    }
    // Nor where it has no business at all.
    for text in [
        format!("[server]\nport = \"{SECRET}\""),
        format!("[server]\nhost = \"a\"\ninsecure = \"{SECRET}\""),
        upstream(&format!("retries = \"{SECRET}\"")),
        upstream(&format!("api_key = [\"{SECRET}\"]")),
        format!("[telemetry]\nlog_format = \"{SECRET}\""),
        format!("[telemetry]\notlp_endpoint = \"{SECRET}\""),
        format!("[models.a]\nbuiltin = \"{SECRET}\""),
        format!("[[keys]]\nname = \"a\"\nsha256 = \"{SECRET}\""),
        format!("[[keys]]\nname = \"a\"\nsha256 = \"x\"\nexpires = \"{SECRET}\"\nscopes = [\"{SECRET}\"]"),
        format!("api_key = {SECRET}"),
        format!("api_key = \"{SECRET}"),
    ] {
        let told = super::mistakes(&text);
        assert!(!told.is_empty() && !told.contains(SECRET), "{text}: {told}");
    }
}

#[test]
fn a_reference_that_leads_to_nothing_is_told() {
    let folder = folder();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let mesh = folder.path().join("mesh.toml");
    let large = folder.path().join("large");
    fs::write(&large, "x".repeat(65_537)).unwrap();
    let show = |name: &str| folder.path().join(name).display().to_string();
    for (reference, says) in [
        ("env:NONE", "the environment has no variable `NONE`".to_owned()),
        ("env:EMPTY", "the variable `EMPTY` is empty".to_owned()),
        ("file:none", format!("can't read {}: No such file or directory (os error 2)", show("none"))),
        ("file:empty", format!("{} is empty", show("empty"))),
        ("file:large", format!("{} has 65537 bytes; a secret has at most 65536", show("large"))),
    ] {
        let text = upstream(&format!("api_key = \"{reference}\""));
        let sources = Sources::none().text(&mesh, text).variable("EMPTY", " ");
        let told = Config::load(&sources).unwrap_err().to_string();
        assert_eq!(told, format!("{}:4:1: {says}", mesh.display()));
    }
}

#[test]
fn a_wrong_address_of_an_upstream_is_told_without_its_password() {
    let told =
        super::mistakes(&format!("[models.a]\nupstream = \"ftp://me:{SECRET}@127.0.0.1/v1\"\nmodel = \"m\""));
    assert!(told.starts_with("mesh.toml:2:1: `base_url` ") && !told.contains(SECRET), "{told}");
}
