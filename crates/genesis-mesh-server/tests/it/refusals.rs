//! Requests that are refused before 101, and the routes that are no sockets.

use crate::desk::Desk;

const UPGRADE: &str = "Connection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Version: 13\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

#[tokio::test]
async fn refusals_are_json_with_a_status_a_code_and_what_to_do() {
    let desk = Desk::open().await;
    let cases = [
        ("GET /ws/nobody".to_owned(), format!("{UPGRADE}{KEY}"), 404, "agent_not_found", "`lines`, `puppet`"),
        ("GET /ws/nobody".to_owned(), String::new(), 404, "agent_not_found", "`nobody`"),
        ("GET /ws/%FF".to_owned(), format!("{UPGRADE}{KEY}"), 400, "invalid_path", "UTF-8"),
        ("GET /ws/puppet".to_owned(), String::new(), 426, "upgrade_required", "Upgrade: websocket"),
        ("POST /ws/puppet".to_owned(), format!("{UPGRADE}{KEY}"), 405, "method_not_allowed", "GET"),
        (
            "GET /ws/puppet".to_owned(),
            format!("{UPGRADE}{KEY}").replace("13", "8"),
            426,
            "websocket_version_unsupported",
            "13",
        ),
        ("GET /ws/puppet".to_owned(), UPGRADE.to_owned(), 400, "websocket_key_invalid", "base64"),
        (
            "GET /ws/puppet".to_owned(),
            format!("{UPGRADE}{}", KEY.replace("==", "=")),
            400,
            "websocket_key_invalid",
            "base64",
        ),
        ("GET /ws/".to_owned(), String::new(), 404, "route_not_found", "/ws/"),
        ("GET /nothing".to_owned(), String::new(), 404, "route_not_found", "/ws/{agent}"),
        ("DELETE /health".to_owned(), String::new(), 405, "method_not_allowed", "DELETE"),
    ];
    for (line, headers, status, code, says) in cases {
        let (found, head, body) =
            desk.http(&format!("{line} HTTP/1.1\nHost: x\n{}{headers}\n", "Connection: close\n")).await;
        assert_eq!((found, body["error"]["code"].as_str()), (status, Some(code)), "{line}\n{head}\n{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(says), "{body}");
        assert!(head.contains("content-type: application/json"), "{head}");
    }
    let (_, head, _) = desk.get("/ws/puppet").await;
    assert!(head.contains("upgrade: websocket"), "{head}");
    desk.stopped().await;
}

#[tokio::test]
async fn health_is_ok_and_counts_the_sockets() {
    let desk = Desk::open().await;
    assert_eq!(desk.get("/health").await.2["sockets"], 0);
    let _client = desk.client("puppet").await;
    let (status, _, body) = desk.get("/health").await;
    assert_eq!((status, body["status"].as_str(), body["sockets"].as_u64()), (200, Some("ok"), Some(1)));
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let desk = Desk::open().await;
    let (status, ..) = desk.http(&format!("GET /health HTTP/1.1\nX: {}\n\n", "x".repeat(20_000))).await;
    assert_eq!(status, 431);
    assert_eq!(desk.get("/health").await.0, 200);
}
