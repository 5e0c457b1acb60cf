//! `genesis-mesh run`: runs one agent once, without a server.
//!
//! Owns: reading the input, writing the answer as it is made, and the exit status.
//! Never: changes what a run tells: `--json` writes the updates of the plain socket.

use super::local;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signals::Signals;
use clap::Args;
use genesis_mesh::{FinishReason, Mesh, Run, Update};
use serde_json::Value;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// The most that is read as an input: what a client may send to the server.
const INPUT_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The agent: a model's name, or a pipeline's
    agent: String,

    /// The input as JSON, as @FILE that holds it, or as - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    input: String,

    /// Write one update a line, as JSON, in place of the text
    #[arg(long)]
    json: bool,
}

/// 0 for an answer that came to its end, 1 for all others.
pub(super) async fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let input = read_input(&arguments.input)?;
    let mut signals = Signals::install()?;
    let mesh = match local::mesh(settings, &mut signals).await? {
        Ok(mesh) => mesh,
        Err(stopped) => return stopped,
    };
    let run = start(&mesh, &arguments.agent, input).await?;
    show(run, arguments.json, &mut signals).await
}

async fn start(mesh: &Mesh, agent: &str, input: Value) -> Result<Run, String> {
    let started = mesh.start(agent, input).await;
    started.map_err(|error| told(error.code(), &error, error.is_retryable()))
}

/// Writes what the run tells; the first signal stops the run, and its end is still told.
async fn show(mut run: Run, as_json: bool, signals: &mut Signals) -> Outcome {
    let mut out = io::stdout();
    let mut status = ExitCode::FAILURE;
    loop {
        let update = tokio::select! {
            update = run.next() => update,
            () = signals.next() => {
                run.cancel();
                continue;
            }
        };
        let Some(update) = update else { return Ok(status) };
        let update = update.map_err(|error| told(error.code(), &error, error.is_retryable()))?;
        if as_json {
            writeln!(out, "{}", serde_json::to_string(&update)?)?;
        }
        match update {
            Update::Delta { text, .. } if !as_json => write!(out, "{text}")?,
            Update::ToolCall(call) if !as_json => writeln!(out, "{}({})", call.name, call.arguments)?,
            Update::Done { finish_reason, .. } => {
                if !as_json {
                    writeln!(out)?;
                }
                if finish_reason != FinishReason::Cancelled {
                    status = ExitCode::SUCCESS;
                }
            }
            _ => {}
        }
        out.flush()?;
    }
}

/// What went wrong, its code, and what to do.
fn told(code: &str, error: &dyn Error, is_retryable: bool) -> String {
    let advice = if is_retryable { "run this again" } else { "docs/errors.md says what to do" };
    format!("{error} ({code}); {advice}")
}

fn read_input(given: &str) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let text = match given.strip_prefix('@') {
        _ if given == "-" => read_all(io::stdin().lock(), "standard input")?,
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
            read_all(file, path)?
        }
        None => given.to_owned(),
    };
    let hint = r#"give an object, for example --input '{"prompt": "Hello."}'"#;
    Ok(serde_json::from_str(&text)
        .map_err(|error| format!("the input is no JSON: {error}; {hint} (invalid_json)"))?)
}

fn read_all(reader: impl Read, name: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = reader.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("{name}: {error}"))?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        return Err(format!("{name}: an input has at most {INPUT_BYTES_MAX} bytes"));
    }
    Ok(text)
}
