//! Who may ask: keys, scopes, tickets and origins, each refused before 101 with its code.

mod logs;
mod tickets;

use crate::desk::{Client, Desk};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use genesis_mesh_server::{ApiKey, Scope, ServeOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

/// A key whose text is `gm_` and its name.
pub(crate) fn key(name: &str, scopes: &[Scope]) -> ApiKey {
    let mut key = ApiKey::new(name, Sha256::digest(format!("gm_{name}")).into());
    key.scopes = scopes.to_vec();
    key
}

/// The keys `all`, `puppet` (that agent alone), `run`, `observe`, `expired`, `revoked`, and `late`, which expires in
/// the year 2100.
fn keys() -> Vec<ApiKey> {
    let mut keys = vec![
        key("all", &[]),
        key("puppet", &[Scope::Agent("puppet".into())]),
        key("run", &[Scope::Run]),
        key("observe", &[Scope::Observe]),
        key("expired", &[]),
        key("revoked", &[]),
        key("late", &[]),
    ];
    keys[4].expires_at = Some(1_000_000_000);
    keys[5].is_revoked = true;
    keys[6].expires_at = Some(4_102_444_800);
    keys
}

pub(crate) async fn locked() -> Desk {
    let mut options = ServeOptions::default();
    options.keys = keys();
    Desk::with(options).await
}

/// Sends a handshake for `path` and reads the answer's head, and its body if it is no 101.
async fn upgrade(desk: &Desk, path: &str, headers: &str) -> (u16, String, Value, TcpStream) {
    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\nHost: {}\n{UPGRADE}{headers}\n", desk.addr);
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").expect("a status line").get(..3).unwrap().parse().unwrap();
    let head = head.to_lowercase();
    let mut body = Value::Null;
    if status != 101 {
        let bytes = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let mut bytes = vec![0; bytes.parse().unwrap()];
        stream.read_exact(&mut bytes).await.unwrap();
        body = serde_json::from_slice(&bytes).unwrap();
    }
    (status, head, body, stream)
}

/// The client of a handshake that was answered with 101.
async fn opened(stream: TcpStream) -> Client {
    Client { socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await }
}

#[tokio::test]
async fn a_key_that_does_not_open_is_refused_before_101() {
    let desk = locked().await;
    let refusals = [
        ("/ws/puppet", "", 401, "key_missing"),
        ("/ws/puppet", "Authorization: Basic Z21fYWxs\n", 401, "key_missing"),
        ("/ws/puppet", "Authorization: Bearer gm_al\n", 401, "key_invalid"),
        ("/ws/puppet", "Authorization: Bearer gm_all2\n", 401, "key_invalid"),
        ("/ws/puppet", "Authorization: Bearer \n", 401, "key_missing"),
        ("/ws/puppet", "Authorization: Bearer gm_expired\n", 401, "key_expired"),
        ("/ws/puppet", "Authorization: Bearer gm_revoked\n", 401, "key_revoked"),
        ("/ws/puppet", "x-api-key: gm_\n", 401, "key_invalid"),
        (
            "/ws/puppet",
            "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.gm_x\n",
            401,
            "key_invalid",
        ),
        ("/ws/puppet", "Sec-WebSocket-Protocol: genesis.v1, bearer.gm_all\n", 401, "key_invalid"),
        ("/ws/puppet?token=gm_all", "", 401, "key_invalid"),
        ("/ws/puppet?api_key=gm_all", "", 401, "key_invalid"),
        ("/ws/puppet", "Authorization: Bearer gm_observe\n", 403, "scope_missing"),
        ("/ws/lines", "Authorization: Bearer gm_puppet\n", 403, "scope_missing"),
        ("/ws/nobody", "Authorization: Bearer gm_puppet\n", 403, "scope_missing"),
        ("/ws/puppet", "Authorization: Bearer gm_all\nOrigin: https://evil.net\n", 403, "origin_not_allowed"),
        ("/ws/puppet", "Authorization: Bearer gm_all\nOrigin: null\n", 403, "origin_not_allowed"),
    ];
    for (path, headers, status, code) in refusals {
        let (found, head, body, _) = upgrade(&desk, path, headers).await;
        assert_eq!((found, body["error"]["code"].as_str()), (status, Some(code)), "{path} {headers}{body}");
        assert_eq!(head.contains("\r\nwww-authenticate: bearer\r\n"), status == 401, "{head}");
    }
    desk.puppet.live(0).await;
}

#[tokio::test]
async fn a_key_opens_from_each_place_where_it_may_stand_and_no_secret_is_echoed() {
    let desk = locked().await;
    let bearer = URL_SAFE_NO_PAD.encode("gm_all");
    for (headers, echoed) in [
        ("Authorization: Bearer gm_all\n".to_owned(), None),
        ("authorization: bearer   gm_run\n".to_owned(), None),
        ("X-Api-Key: gm_puppet\n".to_owned(), None),
        ("Authorization: Bearer gm_late\n".to_owned(), None),
        (format!("Sec-WebSocket-Protocol: genesis.v1, bearer.{bearer}\n"), Some("genesis.v1")),
        (format!("Sec-WebSocket-Protocol: bearer.{bearer},genesis.v1\n"), Some("genesis.v1")),
        (
            "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.gm_all, openai-beta.realtime-v1\n"
                .to_owned(),
            Some("realtime"),
        ),
        (format!("Sec-WebSocket-Protocol: bearer.{bearer}\n"), None),
        (format!("Authorization: Bearer gm_all\nOrigin: http://{}\n", desk.addr), None),
    ] {
        let (status, head, body, stream) = upgrade(&desk, "/ws/puppet", &headers).await;
        assert_eq!(status, 101, "{headers}{body}");
        let echo = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(echo, echoed, "{head}");
        assert_eq!(opened(stream).await.ask("echo hi").await.0, "hi");
    }
}

#[tokio::test]
async fn open_routes_ask_for_no_key_and_all_others_do() {
    let desk = locked().await;
    assert_eq!(desk.get("/health").await.0, 200);
    for (path, key, status) in [
        ("/metrics", "", 401),
        ("/info", "gm_run", 403),
        ("/v1/models", "", 401),
        ("/v1/models", "gm_observe", 403),
        ("/nowhere", "", 401),
        ("/health/", "", 401),
        ("/nowhere", "gm_all", 404),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer {key}\n\n");
        assert_eq!(desk.http(&request).await.0, status, "{path} {key}");
    }
}

#[tokio::test]
async fn without_keys_everybody_may_and_a_foreign_page_may_not() {
    let desk = Desk::open().await;
    for headers in ["", "Authorization: Bearer sk-other\n", "Origin: http://127.0.0.1:1\n"] {
        let (status, ..) = upgrade(&desk, "/ws/puppet?token=gm_x", headers).await;
        assert_eq!(status, if headers.starts_with("Origin") { 403 } else { 101 }, "{headers}");
    }
    // A name that somebody made point to this machine: the page's origin is then the server's own.
    let rebound = "GET /v1/models HTTP/1.1\nHost: evil.net\nConnection: close\n\n";
    let (status, _, body) = desk.http(rebound).await;
    assert_eq!((status, body["error"]["code"].as_str()), (403, Some("host_not_allowed")));
    // With keys the page has none to send.
    let desk = locked().await;
    let request = rebound.replace("Connection", "Authorization: Bearer gm_all\nConnection");
    assert_eq!(desk.http(&request.replace("/v1/models", "/nowhere")).await.0, 404);
}

#[tokio::test]
async fn runs_of_one_key_are_bounded_over_all_its_sockets() {
    let mut options = ServeOptions::default();
    options.keys = keys();
    options.limits.runs_per_key = 2;
    let desk = Desk::with(options).await;
    let mut clients = Vec::new();
    for key in ["gm_all", "gm_all", "gm_all", "gm_run"] {
        let (_, _, _, stream) = upgrade(&desk, "/ws/puppet", &format!("Authorization: Bearer {key}\n")).await;
        clients.push(opened(stream).await);
    }
    for index in [0, 1, 3] {
        clients[index].send(json!({"prompt": "wait"})).await;
        assert_eq!(clients[index].next().await["text"], "started");
    }
    clients[2].send(json!({"prompt": "echo hi"})).await;
    assert_eq!(clients[2].error().await, "too_many_runs");
    clients[0].send(json!({"type": "cancel"})).await;
    assert_eq!(clients[0].next().await["finish_reason"], "cancelled");
    assert_eq!(clients[2].ask("echo hi").await.0, "hi");
}

#[tokio::test]
async fn pages_of_listed_origins_may_and_a_preflight_needs_no_key() {
    let mut options = ServeOptions::default();
    options.keys = keys();
    options.origins = vec!["https://app.example.org".into()];
    let desk = Desk::with(options).await;
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /v1/realtime/client_secrets HTTP/1.1\nHost: x\nConnection: close\nOrigin: {origin}\n\
            Access-Control-Request-Method: POST\n\
            Access-Control-Request-Headers: authorization,x-stainless-os\n\n"
        )
    };
    let (status, head, _) = desk.http(&preflight("https://app.example.org")).await;
    assert_eq!(status, 200);
    for line in [
        "access-control-allow-origin: https://app.example.org\r\n",
        "access-control-allow-headers: authorization,x-stainless-os\r\n",
        "access-control-allow-methods: get,post,delete\r\n",
    ] {
        assert!(head.contains(line), "{line}{head}");
    }
    let (_, head, _) = desk.http(&preflight("https://evil.net")).await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
    let post = |origin: &str| {
        format!(
            "POST /v1/realtime/client_secrets HTTP/1.1\nHost: x\nConnection: close\nOrigin: {origin}\n\
            Authorization: Bearer gm_all\nContent-Length: 2\n\n{{}}"
        )
    };
    let (status, head, _) = desk.http(&post("https://app.example.org")).await;
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("access-control-expose-headers: x-request-id,retry-after"), "{head}");
    let (status, _, body) = desk.http(&post("https://evil.net")).await;
    assert_eq!((status, body["error"]["code"].as_str()), (403, Some("origin_not_allowed")));
    let headers = "Authorization: Bearer gm_all\nOrigin: https://app.example.org\n";
    assert_eq!(upgrade(&desk, "/ws/puppet", headers).await.0, 101);
}

#[tokio::test]
async fn an_origin_that_is_none_is_found_at_start() {
    use genesis_mesh::{GenesisMesh, ScriptedModel};
    use genesis_mesh_server::{Serve, ServeError};
    let model = ScriptedModel::from_toml("[[rule]]\ntext = \"Hello.\"").unwrap();
    let mut options = ServeOptions::default();
    options.origins = vec!["example.org".into()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served =
        GenesisMesh::new().model("hello", model).serve_on(listener, options, std::future::pending()).await;
    let Err(error @ ServeError::Origin { .. }) = served else { panic!("{served:?}") };
    assert_eq!((error.code(), error.is_retryable()), ("origin_invalid", false));
}
