//! What is logged, at the most talkative level, of requests that carry secrets.

use super::{locked, upgrade};
use std::io;
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_key_and_no_ticket_is_ever_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    // A second one, so that an event which another test's thread meets first is not held to be of interest to nobody:
    // with one alone, `tracing` asks the thread that meets it.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    // The test's runtime has one thread, so the server logs here too.
    let _guard = tracing::subscriber::set_default(subscriber);
    let desk = locked().await;
    for secret in ["gm_all", "gm_swordfish"] {
        for (path, headers) in [
            ("/ws/puppet".to_owned(), format!("Authorization: Bearer {secret}\n")),
            ("/ws/puppet".to_owned(), format!("x-api-key: {secret}\n")),
            ("/ws/puppet".to_owned(), format!("Sec-WebSocket-Protocol: openai-insecure-api-key.{secret}\n")),
            (format!("/ws/puppet?token={secret}"), String::new()),
            (
                format!("/nowhere?token={secret}&api_key={secret}"),
                "Authorization: Bearer gm_all\n".to_owned(),
            ),
            ("/ws/puppet?token=ek_swordfish".to_owned(), String::new()),
        ] {
            upgrade(&desk, &path, &headers).await;
        }
    }
    desk.stopped().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("key_invalid") && log.contains("/ws/puppet"),
        "the log holds these requests:\n{log}"
    );
    for secret in ["gm_all", "swordfish"] {
        assert!(!log.contains(secret), "{:?}", log.lines().find(|line| line.contains(secret)));
    }
}
