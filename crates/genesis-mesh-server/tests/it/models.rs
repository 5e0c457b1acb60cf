//! `genesis-mesh models` with a cache of its own, and a hub on this machine.

use crate::binary::program;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

/// A file that is a model by its first bytes alone.
const FILE: &[u8] = b"GGUF and no more than that";

async fn models(cache: &Path, endpoint: &str, arguments: &[&str]) -> (Output, String, String) {
    let mut command = program(&["models"]);
    command.args(arguments).env("GENESIS_MESH_CACHE_DIR", cache).env("HF_ENDPOINT", endpoint);
    command.env("HF_TOKEN", "hf_secret").env("NO_PROXY", "*");
    let output = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// A hub whose every file is `FILE`, outside of LFS, for those who know the token.
fn hub() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(&stream))));
    endpoint
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let lines: Result<Vec<String>, _> = BufReader::new(stream)
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .collect();
    let lines = lines?;
    let is_known = lines.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer hf_secret"));
    let status = if is_known { "200 OK" } else { "401 Unauthorized" };
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", FILE.len())?;
    if lines[0].starts_with("GET ") { stream.write_all(FILE) } else { Ok(()) }
}

#[tokio::test]
async fn a_model_is_pulled_then_listed_and_shown() {
    let (cache, endpoint) = (TempDir::new().unwrap(), hub());
    let (output, out, err) = models(cache.path(), &endpoint, &["list"]).await;
    assert!(output.status.success() && out.contains("no models in"), "{out}{err}");
    let (output, out, err) = models(cache.path(), &endpoint, &["pull", "org/tiny:a.gguf"]).await;
    assert!(output.status.success(), "{err}");
    let path = cache.path().join("models/hub/org/tiny/main/a.gguf");
    assert_eq!(out.trim(), path.to_str().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), FILE);
    assert!(err.contains("fetching org/tiny:a.gguf 100 %"), "{err}");
    let (_, out, _) = models(cache.path(), &endpoint, &["list"]).await;
    assert!(out.starts_with("org/tiny:a.gguf ") && out.contains(path.to_str().unwrap()), "{out}");
    let (_, out, _) = models(cache.path(), &endpoint, &["list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&listed["cached"][0]["name"], &listed["cached"][0]["bytes"]),
        (&"org/tiny:a.gguf".into(), &FILE.len().into())
    );
    assert_eq!(listed["configured"][0]["name"], "smollm2", "the default, without a file");
    let (output, _, err) = models(cache.path(), &endpoint, &["show", "org/tiny:a.gguf"]).await;
    assert!(!output.status.success() && err.contains("(gguf_"), "what was pulled is broken: {err}");
}

#[tokio::test]
async fn what_can_not_be_pulled_or_shown_is_told_with_its_code() {
    let cache = TempDir::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{closed}");
    for (arguments, says) in [
        (["pull", "org/tiny:a.gguf"], "(hub_offline)"),
        (["pull", "no repository"], "(hub_invalid_name)"),
        (["show", "org/tiny:a.gguf"], "is not in the cache"),
        (["show", "smollm2"], "is not in the cache"),
        (["show", "/no/such/file"], "no file is at"),
        (["show", "Cargo.toml"], "(gguf_foreign)"),
    ] {
        let (output, out, err) = models(cache.path(), &endpoint, &arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains(says) && out.is_empty(), "{arguments:?}: {err}");
        assert!(!err.contains("secret"), "{err}");
    }
}

#[tokio::test]
async fn the_real_model_is_shown() {
    let Some(path) = std::env::var_os("GENESIS_MESH_TEST_MODEL") else { return };
    let cache = TempDir::new().unwrap();
    let path = path.to_str().unwrap();
    let (output, out, err) = models(cache.path(), "http://127.0.0.1:1", &["show", path]).await;
    assert!(output.status.success(), "{err}");
    for part in [
        "architecture  llama",
        "134.5 million",
        "30 layers of 576, 9 heads, 3 for",
        "8192 tokens",
        "Q4_1: ",
        "runs here     yes",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, out, _) = models(cache.path(), "http://127.0.0.1:1", &["show", path, "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["layer_count"], &shown["obstacle"]), (&30.into(), &serde_json::Value::Null));
}
