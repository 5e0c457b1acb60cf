//! `genesis-mesh chat` with pipes in place of a terminal: one question a line.

use crate::binary::{Script, program, signal};
use std::process::{Output, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

const SCRIPT: &str = r#"
[[rule]]
when = { contains = "count" }
pieces = ["tick ", "tock "]
repeat = 100000
delay_ms = 50

[[rule]]
when = { contains = "fail" }
error = { code = "model_failed", message = "the disk is on fire" }

[[rule]]
when = { contains = "And then?", conversation_contains = "be brief" }
text = "Briefly."

[[rule]]
when = { contains = "And then?", conversation_contains = "It is Paris." }
text = "Then Lyon."

[[rule]]
when = { contains = "And then?" }
text = "After what?"

[[rule]]
text = "It is Paris."
"#;

fn chat(arguments: &[&str]) -> Child {
    program(&["chat"]).args(arguments).stdin(Stdio::piped()).spawn().unwrap()
}

async fn said(mut child: Child, lines: &str) -> (Output, String, String) {
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let (out, err) = (output.stdout.clone(), output.stderr.clone());
    (output, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

async fn say(script: &Script, lines: &str) -> (Output, String, String) {
    said(chat(&["--script", &script.path()]), lines).await
}

#[tokio::test]
async fn answers_are_lines_and_know_what_was_said_before() {
    let script = Script::new("chat", SCRIPT);
    let (output, out, err) = say(&script, "And then?\nWhere?\n\nAnd then?").await;
    assert_eq!(out, "After what?\nIt is Paris.\nThen Lyon.\n", "{err}");
    assert!(output.status.success() && err.is_empty(), "{err}");
}

#[tokio::test]
async fn orders_change_the_conversation_and_are_not_part_of_it() {
    let script = Script::new("chat-orders", SCRIPT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let file = file.to_str().unwrap();
    let lines = format!(
        "Where?\n/reset\nAnd then?\n/system be brief\nAnd then?\n/save {file}\n/save {file}\n/model nobody\n\
         /model my-script\n/wrong\n/quit\nWhere?\n"
    );
    let (output, out, err) = say(&script, &lines).await;
    assert_eq!(out, "It is Paris.\nAfter what?\nBriefly.\n", "{err}");
    for part in [
        "a new conversation",
        "5 messages are in",
        "exists",
        "no agent is named nobody",
        "now with my-script",
        "/wrong",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(output.status.success(), "{err}");
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(saved["messages"][0], serde_json::json!({"role": "system", "content": "be brief"}));
    assert_eq!(saved["messages"][4]["content"], "Briefly.");
}

#[tokio::test]
async fn a_question_that_fails_is_told_and_the_next_one_is_answered() {
    let script = Script::new("chat-fail", SCRIPT);
    let (output, out, err) = say(&script, "fail\nWhere?\n").await;
    assert_eq!(out, "It is Paris.\n");
    assert!(err.contains("the disk is on fire (model_failed)"), "{err}");
    assert_eq!(output.status.code(), Some(1), "a script learns that a question was not answered");
}

/// Reads until `text` has come.
async fn wait_for(from: &mut (impl AsyncReadExt + Unpin), text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        assert!(from.read_buf(&mut seen).await.unwrap() > 0, "the end before {text:?}: {seen:?}");
    }
}

#[tokio::test]
async fn an_interrupt_stops_the_answer_and_not_the_program() {
    let script = Script::new("chat-interrupt", SCRIPT);
    let path = script.path();
    let (server, address, _socket) = script.serve().await;
    let url = format!("ws://{address}");
    for arguments in [&["--script", &path][..], &["my-script", "--url", &url]] {
        let mut child = chat(arguments);
        let (mut input, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        input.write_all(b"count\n").await.unwrap();
        wait_for(&mut out, "tick ").await;
        signal(&child, "-INT");
        let mut err = child.stderr.take().unwrap();
        wait_for(&mut err, "the answer is not whole: cancelled").await;
        input.write_all(b"Where?\n").await.unwrap();
        wait_for(&mut out, "It is Paris.\n").await;
        drop(input);
        assert!(child.wait().await.unwrap().success(), "{arguments:?}");
    }
    drop(server);
}

#[tokio::test]
async fn a_server_answers_as_a_mesh_in_the_program_does() {
    let script = Script::new("chat-url", SCRIPT);
    let (server, address, _socket) = script.serve().await;
    let url = format!("ws://{address}");
    let (output, out, err) = said(chat(&["my-script", "--url", &url]), "Where?\nAnd then?\n").await;
    assert_eq!(out, "It is Paris.\nThen Lyon.\n", "{err}");
    assert!(output.status.success(), "{err}");
    let (output, _, err) = said(chat(&["nobody", "--url", &url]), "Where?\n").await;
    assert!(!output.status.success() && err.contains("(agent_not_found)"), "{err}");
    drop(server);
    let (_, _, err) = said(chat(&["my-script", "--url", "wss://127.0.0.1"]), "").await;
    assert!(err.contains("ws://HOST:PORT"), "{err}");
}
