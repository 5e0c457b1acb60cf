//! `genesis-mesh run`, and what is made of the flags: completions and the manual.

use crate::binary::{Script, program, signal};
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const SCRIPT: &str = r#"
[[rule]]
when = { contains = "fail" }
error = { code = "model_failed", message = "the disk is on fire" }

[[rule]]
when = { contains = "count" }
pieces = ["tick ", "tock "]
repeat = 100000
delay_ms = 50

[[rule]]
text = "It is Paris."
"#;

async fn run(script: &Script, arguments: &[&str]) -> Output {
    program(&["run"]).args(arguments).args(["--script", &script.path()]).output().await.unwrap()
}

#[tokio::test]
async fn an_answer_goes_to_standard_output() {
    let script = Script::new("run-text", SCRIPT);
    let output = run(&script, &["my-script", "--input", r#"{"prompt": "Where?"}"#]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "It is Paris.\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn as_json_each_update_is_a_line() {
    let script = Script::new("run-json", SCRIPT);
    let output = run(&script, &["my-script", "--json", "-i", r#"{"prompt": "Where?"}"#]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "delta");
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["finish_reason"]), (&"done".into(), &"stop".into()));
}

#[tokio::test]
async fn an_input_comes_from_a_file_and_from_standard_input() {
    let script = Script::new("run-input", SCRIPT);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"prompt": "Where?"}"#).unwrap();
    let at = format!("@{}", file.path().display());
    assert!(run(&script, &["my-script", "--input", &at]).await.status.success());
    let mut command = program(&["run", "my-script", "--input", "-", "--script", &script.path()]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"prompt": "Where?"}"#).await.unwrap();
    assert_eq!(child.wait_with_output().await.unwrap().stdout, b"It is Paris.\n");
}

#[tokio::test]
async fn mistakes_and_failures_are_told_with_their_code() {
    let script = Script::new("run-wrong", SCRIPT);
    for (agent, input, says) in [
        ("nobody", r#"{"prompt": "x"}"#, &["(agent_not_found)", "my-script"][..]),
        ("my-script", r#"{"prompt": 1}"#, &["(invalid_input)", "prompt"]),
        ("my-script", "Where?", &["(invalid_json)", "--input '{"]),
        ("my-script", "@/no/such/file", &["/no/such/file"]),
        ("my-script", r#"{"prompt": "fail"}"#, &["(model_failed)", "the disk is on fire"]),
    ] {
        let output = run(&script, &[agent, "--input", input]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{input}: {told}");
        assert!(
            told.starts_with("error: ") && says.iter().all(|part| told.contains(part)),
            "{input}: {told}"
        );
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[tokio::test]
async fn an_interrupt_stops_the_run_and_its_end_is_told() {
    let script = Script::new("run-interrupt", SCRIPT);
    let arguments =
        ["run", "my-script", "--json", "-i", r#"{"prompt": "count"}"#, "--script", &script.path()];
    let mut child = program(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("tick"));
    signal(&child, "-INT");
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last = line;
    }
    assert!(last.contains(r#""finish_reason":"cancelled""#), "{last}");
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn completions_and_the_manual_name_every_command() {
    for arguments in
        [&["completions", "bash"][..], &["completions", "zsh"], &["completions", "fish"], &["man"]]
    {
        let output = program(arguments).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for command in ["serve", "chat", "run", "models", "health"] {
            assert!(text.contains(command), "{arguments:?} lack {command}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = program(&["man", "--dir", folder.path().to_str().unwrap()]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(folder.path().join("genesis-mesh-chat.1").is_file(), "a page for each command");
}
