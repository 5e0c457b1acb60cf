//! The program itself: its lines on start, its answer, its stop.

use futures_util::{SinkExt, StreamExt};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genesis-mesh"));
    // Tests run beside each other, and the user's data folder is no place for them.
    command.env("GENESIS_MESH_STORE", "memory");
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("GENESIS_MESH_");
    for (variable, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(variable);
    }
    command
}

/// The address in the line `listening on http://…`.
pub(crate) async fn address(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let address = line.trim().strip_prefix("listening on http://");
    address.unwrap_or_else(|| panic!("unexpected line: {line:?}")).to_owned()
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("the program runs").to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// A script in a folder of its own, which goes with it.
pub(crate) struct Script(PathBuf);

impl Script {
    pub(crate) fn new(test: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("genesis-mesh-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("My Script.toml"), text).unwrap();
        Self(folder)
    }

    /// `program`, which serves it, and its address.
    pub(crate) async fn start(&self, mut program: Command) -> (Child, String) {
        let mut child = program.arg("--script").arg(self.0.join("My Script.toml")).spawn().unwrap();
        let address = address(&mut child).await;
        (child, address)
    }

    pub(crate) fn path(&self) -> String {
        self.0.join("My Script.toml").to_str().unwrap().to_owned()
    }

    /// The program that serves it, its address, and a socket that has asked.
    pub(crate) async fn serve(&self) -> (Child, String, WebSocketStream<TcpStream>) {
        let (child, address) = self.start(program(&["--port", "0"])).await;
        let stream = TcpStream::connect(&address).await.unwrap();
        let (mut socket, _) = client_async(format!("ws://{address}/ws/my-script"), stream).await.unwrap();
        socket.send(Message::text(r#"{"prompt":"hi"}"#)).await.unwrap();
        (child, address, socket)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn the_program_serves_a_script_and_stops_on_sigterm() {
    let script = Script::new("stop", "[[rule]]\ntext = \"hello\"");
    let (child, address, mut socket) = script.serve().await;
    for start in [r#"{"type":"run","run_id":"#, r#"{"type":"delta","text":"#] {
        let update = socket.next().await.unwrap().unwrap();
        assert!(update.to_text().unwrap().starts_with(start), "{update}");
    }
    signal(&child, "-TERM");
    let mut code = None;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            code = Some(u16::from(frame.code));
        }
    }
    assert_eq!(code, Some(1012));
    drop(socket);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let banner = String::from_utf8(output.stderr).unwrap();
    assert!(banner.contains(&format!("ws://{address}/ws/my-script")), "{banner}");
}

#[tokio::test]
async fn a_second_signal_ends_the_program_while_a_run_goes_on() {
    let script = Script::new("twice", "[[rule]]\npieces = [\"a\", \"b\"]\nrepeat = 1000\ndelay_ms = 1000");
    let (mut child, _, mut socket) = script.serve().await;
    socket.next().await.unwrap().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "-INT");
    while !errors.next_line().await.unwrap().expect("the stop is told").contains("stopping") {}
    signal(&child, "-INT");
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
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
