//! The program itself: its lines on start, its answer, its stop.

use futures_util::{SinkExt, StreamExt};
use std::io::Write as _;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

const SCRIPT: &str = "[[rule]]\ntext = \"hello\"";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genesis-mesh"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for variable in ["HOST", "PORT", "MODEL", "SCRIPT", "THREADS", "KV_MEMORY_MB", "DRAIN_SECONDS"] {
        command.env_remove(format!("GENESIS_MESH_{variable}"));
    }
    command
}

/// The address in the line `listening on http://…`.
async fn address(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let address = line.trim().strip_prefix("listening on http://");
    address.unwrap_or_else(|| panic!("unexpected line: {line:?}")).to_owned()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("the program runs").to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn the_program_serves_a_script_and_stops_on_sigterm() {
    let folder = std::env::temp_dir().join(format!("genesis-mesh-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("My Script.toml");
    std::fs::File::create(&path).unwrap().write_all(SCRIPT.as_bytes()).unwrap();
    let mut child = program(&["--port", "0", "--script", path.to_str().unwrap()]).spawn().unwrap();
    let address = address(&mut child).await;
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}/ws/my-script"), stream).await.unwrap();
    socket.send(Message::text(r#"{"prompt":"hi"}"#)).await.unwrap();
    let first = socket.next().await.unwrap().unwrap();
    assert!(first.to_text().unwrap().starts_with(r#"{"type":"delta","text":"#), "{first}");
    signal(&child, "-TERM");
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            assert_eq!(u16::from(frame.code), 1012);
        }
    }
    drop(socket);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let banner = String::from_utf8(output.stderr).unwrap();
    assert!(banner.contains(&format!("ws://{address}/ws/my-script")), "{banner}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn mistakes_on_the_command_line_and_in_files_are_told_with_a_failing_status() {
    for (arguments, says) in [
        (&["--script", "/no/such/script.toml"][..], "/no/such/script.toml"),
        (&["--model", "/no/such/model.gguf"][..], "/no/such/model.gguf"),
        (&["--port", "99999"][..], "99999"),
        (&["--model", "x", "--script", "y"][..], "cannot be used with"),
    ] {
        let output = program(arguments).args(["--host", "127.0.0.1"]).output().await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(says), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "nothing listens");
    }
}
