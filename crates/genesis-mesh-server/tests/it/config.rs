//! The program with a configuration: init, check, keys, schema, health, the rule for open addresses, the banner.

use crate::binary::{program, signal};
use genesis_mesh_server::config::{Config, Sources};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A folder in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("script.toml"), "[[rule]]\ntext = \"hello\"").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.current_dir(self.0.path());
        command
    }

    /// Runs it to its end: whether it succeeded, stdout, stderr.
    async fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let Output { status, stdout, stderr } = self.program(arguments).output().await.unwrap();
        (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Serves, and gives the line of stdout.
    async fn serve(&self, mut command: Command) -> (Child, String) {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        if line.is_empty() {
            panic!("{}", String::from_utf8(child.wait_with_output().await.unwrap().stderr).unwrap());
        }
        (child, line.trim().to_owned())
    }
}

/// Stops the program and gives what it said on stderr.
async fn stopped(child: Child) -> String {
    signal(&child, "-TERM");
    String::from_utf8(child.wait_with_output().await.unwrap().stderr).unwrap()
}

#[tokio::test]
async fn init_writes_an_example_that_passes_check_and_serves() {
    let place = Place::new();
    let (is_fine, _, told) = place.run(&["init"]).await;
    assert!(is_fine && told == "wrote mesh.toml\nwrote mesh.schema.json\n", "{told}");
    assert!(place.read("mesh.toml").starts_with("#:schema ./mesh.schema.json\n"));
    let (is_fine, told, errors) = place.run(&["check"]).await;
    assert!(is_fine && told.contains("mesh.toml: ok; 1 models (not loaded), 0 keys"), "{told}{errors}");

    let command =
        place.program(&["--port", "0", "--script", "script.toml", "--set", "telemetry.log_format=human"]);
    let (child, line) = place.serve(command).await;
    let address = line.strip_prefix("listening on http://").expect("the line for scripts").to_owned();
    let healthy = place.run(&["health", "--url", &format!("http://{address}/health")]).await;
    assert_eq!(healthy, (true, String::new(), String::new()));
    let banner = stopped(child).await;
    for line in [
        "  model   smollm2: ".to_owned(),
        format!("  agent   ws://{address}/ws/haiku"),
        format!("  docs    http://{address}/docs"),
        "  config  mesh.toml".to_owned(),
        "  keys    none; this machine alone reaches it".to_owned(),
    ] {
        assert!(banner.contains(&line), "{line} is not in {banner}");
    }
    let (is_fine, _, told) = place.run(&["health", "--url", &format!("http://{address}/health")]).await;
    assert!(!is_fine && told.starts_with(&format!("error: http://{address}/health: ")), "{told}");
}

#[tokio::test]
async fn init_never_writes_over_a_file_without_force() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), "mine").unwrap();
    let (is_fine, _, told) = place.run(&["init", "mine.toml"]).await;
    assert!(!is_fine && told.contains("mine.toml is there already"), "{told}");
    assert_eq!(place.read("mine.toml"), "mine");
    assert!(!place.path("mesh.schema.json").exists(), "both or none");
    let (is_fine, ..) = place.run(&["init", "mine.toml", "--force"]).await;
    assert!(is_fine && place.read("mine.toml").contains("[server]"));
}

#[tokio::test]
async fn check_tells_all_mistakes_with_a_failing_status_and_serving_refuses_them() {
    let place = Place::new();
    fs::write(place.path("mesh.toml"), "[server]\nprot = 1\n[models.a]\nscript = \"none\"").unwrap();
    for arguments in [&["check"][..], &[], &["serve"], &["check", "--config", "./mesh.toml"]] {
        let (is_fine, out, told) = place.run(arguments).await;
        assert!(!is_fine && out.is_empty(), "{told}");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(
            lines[1].ends_with("mesh.toml:2:1: unknown key `prot`; the nearest known key is `port`"),
            "{told}"
        );
        assert!(lines[2].contains("mesh.toml:4:1: can't read the script "), "{told}");
    }
    let (is_fine, _, told) = place.run(&["check", "--config", "none.toml"]).await;
    assert!(!is_fine && told.contains("can't read the configuration none.toml"), "{told}");
    let (is_fine, _, told) = place.run(&["check", "--set", "server"]).await;
    assert!(!is_fine && told.contains("expected KEY=VALUE"), "{told}");
}

#[tokio::test]
async fn check_loads_the_models_when_it_is_asked_to() {
    let place = Place::new();
    fs::write(place.path("model.gguf"), "no model").unwrap();
    let (is_fine, out, told) = place.run(&["check", "--model", "model.gguf"]).await;
    assert!(is_fine && out.contains("no configuration file: ok; 1 models (not loaded)"), "{out}{told}");
    let (is_fine, _, told) = place.run(&["check", "--model", "model.gguf", "--load"]).await;
    assert!(!is_fine && told.contains("model `model` could not be loaded from model.gguf"), "{told}");
    let (is_fine, out, _) = place.run(&["check", "--script", "script.toml", "--load"]).await;
    assert!(is_fine && out.contains("1 models (loaded)"), "{out}");
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_its_hash_is_appended_beneath_the_comments() {
    let place = Place::new();
    let before = "# mine\n[models.a] # here\nscript = \"script.toml\""; // No line end.
    fs::write(place.path("mesh.toml"), before).unwrap();
    let arguments =
        ["keys", "new", "--name", "c\"i", "--scope", "run", "--scope", "agent:a", "--expires", "2027-01-31"];
    let (is_fine, key, table) = place.run(&arguments).await;
    assert!(is_fine, "{table}");
    assert_eq!(place.read("mesh.toml"), before, "nothing is written without --append");
    let (is_fine, appended, told) = place.run(&[&arguments[..], &["--append"]].concat()).await;
    assert!(is_fine && told == "added `c\"i` to mesh.toml\n", "{told}");
    let [key, appended] = [key, appended].map(|key| key.trim().to_owned());
    assert_ne!(key, appended);
    for key in [&key, &appended] {
        let text = key.strip_prefix("gm_").expect("a key starts with gm_");
        assert_eq!(text.len(), 43, "32 bytes in base64");
    }
    let file = place.read("mesh.toml");
    assert!(file.starts_with(&format!("{before}\n\n[[keys]]\n")), "{file}");
    assert!(!file.contains(&appended) && !table.contains(&key), "{file}{table}");
    let config = Config::load(&Sources::none().file(place.path("mesh.toml"))).unwrap();
    let [record] = config.serve_options().keys.try_into().unwrap();
    assert_eq!(
        (record.name.as_str(), record.sha256[..].to_vec()),
        ("c\"i", Sha256::digest(&appended).to_vec())
    );
    assert_eq!((record.scopes.len(), record.expires_at), (2, Some(1_801_353_600)));
    // The table of the first goes to stderr, as the file wants it.
    fs::write(place.path("other.toml"), &table).unwrap();
    let (is_fine, _, told) =
        place.run(&["check", "--config", "other.toml", "--set", "models.a.script=script.toml"]).await;
    assert!(is_fine, "{told}");
}

#[tokio::test]
async fn a_key_that_would_make_the_file_wrong_is_not_made() {
    let place = Place::new();
    let hash = "3".repeat(64);
    let file = format!("[server]\nprot = 1\n[[keys]]\nname = \"a\"\nsha256 = \"sha256:{hash}\"\n");
    fs::write(place.path("mesh.toml"), &file).unwrap();
    for (arguments, says) in [
        (&["--name", "a"][..], "a second key has the name `a`"),
        (&["--name", ""], "expected a text, got an empty one"),
        (&["--name", "b", "--scope", "all"], "expected `run`, `observe` or `agent:NAME`"),
        (&["--name", "b", "--scope", "agent:smol"], "the nearest known name is `smollm2`"),
        (&["--name", "b", "--expires", "soon"], "expected a date"),
    ] {
        let (is_fine, key, told) = place.run(&[&["keys", "new", "--append"], arguments].concat()).await;
        assert!(!is_fine && key.is_empty() && told.contains(says), "{arguments:?}: {told}");
        assert!(!told.contains("prot"), "what was wrong before is not asked: {told}");
    }
    assert_eq!(place.read("mesh.toml"), file);
    fs::remove_file(place.path("mesh.toml")).unwrap();
    let (is_fine, key, told) = place.run(&["keys", "new", "--name", "a", "--append"]).await;
    assert!(!is_fine && key.is_empty() && told.contains("genesis-mesh init"), "{told}");
}

#[tokio::test]
async fn the_schema_is_printed_as_init_writes_it() {
    let place = Place::new();
    place.run(&["init"]).await;
    let (is_fine, schema, _) = place.run(&["config", "schema"]).await;
    assert!(is_fine && schema == place.read("mesh.schema.json"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&schema).unwrap(), Config::schema());
}

#[tokio::test]
async fn an_open_address_is_served_with_keys_or_insecure_alone() {
    let place = Place::new();
    let open = [
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--script",
        "script.toml",
        "--set",
        "telemetry.log_format=human",
    ];
    let (is_fine, out, told) = place.run(&open).await;
    assert!(!is_fine && out.is_empty(), "{told}");
    assert!(told.contains("genesis-mesh keys new") && told.contains("--insecure"), "{told}");
    let (child, line) = place.serve(place.program(&[&open[..], &["--insecure"]].concat())).await;
    assert!(line.starts_with("listening on http://0.0.0.0:"), "{line}");
    let banner = stopped(child).await;
    assert!(banner.contains("NONE: everybody who reaches it may do everything"), "{banner}");
    fs::write(place.path("mesh.toml"), "").unwrap();
    let (_, key, _) = place.run(&["keys", "new", "--name", "a", "--append"]).await;
    let (child, _) = place.serve(place.program(&open)).await;
    let banner = stopped(child).await;
    assert!(banner.contains("  keys    1 known") && !banner.contains(key.trim()), "{banner}");
}

#[tokio::test]
async fn flags_beat_the_environment_which_beats_the_file() {
    let place = Place::new();
    fs::write(
        place.path("mine.toml"),
        "[server]\nhost = \"127.0.0.2\"\n[models.own]\nscript = \"script.toml\"",
    )
    .unwrap();
    let arguments = ["--port", "0", "--set", "telemetry.log_format=human"];
    let command = |more: &[&str], host: Option<&str>| {
        let mut command = place.program(&[&arguments[..], more].concat());
        command.env("GENESIS_MESH_CONFIG", "mine.toml").env("GENESIS_MESH_PORT", "1");
        host.map(|host| command.env("GENESIS_MESH_HOST", host));
        command
    };
    for (more, host, expected) in [
        (&[][..], None, "127.0.0.2"),
        (&[], Some("127.0.0.3"), "127.0.0.3"),
        (&["--host", "127.0.0.4"], Some("127.0.0.3"), "127.0.0.4"),
    ] {
        let (child, line) = place.serve(command(more, host)).await;
        assert!(line.starts_with(&format!("listening on http://{expected}:")), "{line}");
        let banner = stopped(child).await;
        assert!(banner.contains("/ws/own") && banner.contains("  config  mine.toml"), "{banner}");
    }
}

/// Answers one TLS connection with `status`, and shows the certificate in the files.
async fn serve_once(listener: TcpListener, files: [String; 2], status: &'static str) {
    let [cert, key] = files;
    let certificates =
        CertificateDer::pem_slice_iter(cert.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
        return;
    };
    let mut head = [0; 1024];
    let count = stream.read(&mut head).await.unwrap();
    assert!(head[..count].starts_with(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1:"));
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    drop(stream.shutdown().await);
}

#[tokio::test]
async fn the_health_of_a_server_with_tls_is_asked_for_by_its_certificate() {
    let place = Place::new();
    let identity = || {
        let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).unwrap();
        [made.cert.pem(), made.signing_key.serialize_pem()]
    };
    let (own, other) = (identity(), identity());
    fs::write(place.path("cert.pem"), &own[0]).unwrap();
    fs::write(place.path("key.pem"), &own[1]).unwrap();
    for (shown, status, expected) in [
        (&own, "200 OK", None),
        (&own, "503 Service Unavailable", Some("status 503")),
        (&other, "200 OK", Some("invalid peer certificate")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let arguments = ["health", "--port", &port, "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
        let arguments = [&arguments[..], &["--script", "script.toml"]].concat();
        let (answer, ()) = tokio::join!(place.run(&arguments), serve_once(listener, shown.clone(), status));
        let (is_fine, _, told) = answer;
        assert_eq!(is_fine, expected.is_none(), "{told}");
        assert!(told.contains(expected.unwrap_or_default()), "{told}");
    }
    let (is_fine, _, told) = place
        .run(&[
            "health",
            "--script",
            "script.toml",
            "--url",
            "https://127.0.0.1:1/health",
            "--cert",
            "none.pem",
        ])
        .await;
    assert!(!is_fine && told.starts_with("error: https://127.0.0.1:1/health: "), "{told}");
}
