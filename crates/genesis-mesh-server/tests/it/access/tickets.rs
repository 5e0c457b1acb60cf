//! Tickets: from a key to a page's WebSocket, once and within a minute.

use super::{locked, opened, upgrade};
use crate::desk::Desk;
use std::time::Duration;
use tokio::time;

async fn ticket(desk: &Desk, key: &str) -> String {
    let request = format!(
        "POST /v1/realtime/client_secrets HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer {key}\n\
        Content-Length: 0\n\n"
    );
    let (status, head, body) = desk.http(&request).await;
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(body["expires_at"].is_i64(), "{body}");
    body["value"].as_str().expect("a ticket").to_owned()
}

async fn refused(desk: &Desk, path: &str, headers: &str) -> String {
    let (status, head, body, _) = upgrade(desk, path, headers).await;
    assert_ne!(status, 101, "{head}");
    body["error"]["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn a_ticket_opens_one_socket_with_its_keys_rights() {
    let desk = locked().await;
    let value = ticket(&desk, "gm_puppet").await;
    assert!(value.starts_with("ek_") && value.len() == 46, "{value}");
    let (status, _, body, stream) = upgrade(&desk, &format!("/ws/puppet?token={value}"), "").await;
    assert_eq!(status, 101, "{body}");
    assert_eq!(opened(stream).await.ask("echo hi").await.0, "hi");
    assert_eq!(refused(&desk, &format!("/ws/puppet?token={value}"), "").await, "ticket_invalid");

    let value = ticket(&desk, "gm_puppet").await;
    let protocols = format!("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{value}\n");
    assert_eq!(upgrade(&desk, "/ws/puppet", &protocols).await.0, 101);
    let value = ticket(&desk, "gm_puppet").await;
    assert_eq!(refused(&desk, &format!("/ws/lines?token={value}"), "").await, "scope_missing");
    assert_eq!(refused(&desk, "/ws/puppet?token=ek_never", "").await, "ticket_invalid");
}

#[tokio::test]
async fn a_ticket_is_too_old_after_a_minute() {
    let desk = locked().await;
    let (early, late) = (ticket(&desk, "gm_all").await, ticket(&desk, "gm_all").await);
    time::pause();
    time::advance(Duration::from_millis(59_000)).await;
    time::resume();
    assert_eq!(upgrade(&desk, &format!("/ws/puppet?token={early}"), "").await.0, 101);
    time::pause();
    time::advance(Duration::from_millis(1_001)).await;
    time::resume();
    assert_eq!(refused(&desk, &format!("/ws/puppet?token={late}"), "").await, "ticket_invalid");
}

#[tokio::test]
async fn a_ticket_is_no_key_and_makes_no_tickets() {
    let desk = locked().await;
    let value = ticket(&desk, "gm_all").await;
    for line in ["GET /v1/models", "POST /v1/realtime/client_secrets"] {
        let request = format!(
            "{line} HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer {value}\nContent-Length: 0\n\n"
        );
        let (status, _, body) = desk.http(&request).await;
        assert_eq!((status, body["error"]["code"].as_str()), (401, Some("ticket_invalid")), "{line}");
    }
    // It was not used up by that.
    assert_eq!(upgrade(&desk, &format!("/ws/puppet?token={value}"), "").await.0, 101);
    let request =
        "GET /v1/realtime/client_secrets HTTP/1.1\nHost: x\nConnection: close\nx-api-key: gm_all\n\n";
    let (status, head, _) = desk.http(request).await;
    assert!(status == 405 && head.contains("allow: post\r\n"), "{head}");
    let (status, _, body) = desk
        .http("POST /v1/realtime/client_secrets HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 0\n\n")
        .await;
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("key_missing")));
}
