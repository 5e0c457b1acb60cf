//! TLS: HTTPS and WebSockets over it, and files that are wrong.

use crate::desk::{Client, Desk};
use genesis_mesh::{GenesisMesh, ScriptedModel};
use genesis_mesh_server::{Serve, ServeOptions, TlsFiles};
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;

/// A certificate for `localhost` and its key, in PEM.
fn identity() -> (String, String) {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (identity.cert.pem(), identity.signing_key.serialize_pem())
}

fn files(folder: &TempDir, cert: &str, key: &str) -> TlsFiles {
    let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

/// A server with TLS, its certificate, and the folder of its files.
async fn secured(change: impl FnOnce(&mut ServeOptions)) -> (Desk, String, TempDir) {
    let folder = TempDir::new().unwrap();
    let (cert, key) = identity();
    let mut options = ServeOptions::default();
    options.tls = Some(files(&folder, &cert, &key));
    change(&mut options);
    (Desk::with(options).await, cert, folder)
}

async fn connect(desk: &Desk, cert: &str) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(desk.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn https_and_a_websocket_over_tls_work_and_what_speaks_no_tls_does_not() {
    let (desk, cert, _folder) = secured(|_| ()).await;
    let mut stream = connect(&desk, &cert).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let stream = connect(&desk, &cert).await;
    let (socket, _) = client_async("wss://localhost/ws/puppet", stream).await.unwrap();
    let mut client = Client { socket };
    for _ in 0..3 {
        let text = "x".repeat(20_000);
        assert_eq!(client.ask(&format!("echo {text}")).await.0, text);
    }
    client.send(json!({"prompt": "wait"})).await;
    assert_eq!(client.next().await["text"], "started");

    let mut plain = TcpStream::connect(desk.addr).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    drop(plain.read_to_end(&mut told).await);
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    drop(client);
    desk.puppet.live(0).await;
    desk.stopped().await;
}

#[tokio::test]
async fn a_page_without_tls_may_not_use_the_server_with_it() {
    let (desk, cert, _folder) = secured(|_| ()).await;
    for (origin, status) in [("https://localhost", "101"), ("http://localhost", "403")] {
        let mut stream = connect(&desk, &cert).await;
        let request = format!(
            "GET /ws/puppet HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(line, *format!("HTTP/1.1 {status}").as_bytes(), "{origin}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_with_the_time_of_headers() {
    let (desk, _, _folder) =
        secured(|options| options.limits.header_timeout = Duration::from_millis(100)).await;
    for part in [&b""[..], b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(desk.addr).await.unwrap();
        stream.write_all(part).await.unwrap();
        let mut told = Vec::new();
        drop(stream.read_to_end(&mut told).await);
        assert_eq!(told, b"");
    }
}

#[tokio::test]
async fn files_that_are_wrong_are_told_at_start() {
    let ((cert, key), (_, other)) = (identity(), identity());
    let broken = "-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo!\n-----END PRIVATE KEY-----\n";
    let cases = [
        (cert.as_str(), other.as_str(), "tls_key_mismatch"),
        (&key, &key, "tls_no_certificate"),
        ("", &key, "tls_no_certificate"),
        (&cert, &cert, "tls_no_key"),
        (&cert, "", "tls_no_key"),
        (&cert, broken, "tls_not_pem"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", &key, "tls_not_pem"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, "tls_unusable"),
    ];
    for (cert, key, code) in cases {
        let folder = TempDir::new().unwrap();
        let error = refused(files(&folder, cert, key)).await;
        assert_eq!(error.0, code, "{error:?}");
        assert!(!error.1.contains("c3dvcm"), "a key is shown: {error:?}");
    }
    let folder = TempDir::new().unwrap();
    let mut missing = files(&folder, &cert, &key);
    missing.key.push("nothing");
    let (code, message) = refused(missing.clone()).await;
    assert_eq!(code, "tls_unreadable");
    assert!(message.contains(missing.key.to_str().unwrap()), "{message}");
}

/// The code and the message with which a server with these files ends.
async fn refused(tls: TlsFiles) -> (&'static str, String) {
    let mut options = ServeOptions::default();
    options.tls = Some(tls);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let model = ScriptedModel::from_toml("[[rule]]\ntext = \"Hello.\"").unwrap();
    let served =
        GenesisMesh::new().model("hello", model).serve_on(listener, options, std::future::pending()).await;
    let error = served.expect_err("the files are wrong");
    (error.code(), error.to_string())
}
