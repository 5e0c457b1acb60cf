//! `genesis-mesh runs follow`: the log of a run as it grows.
//!
//! Owns: the cursor, and reading on from it when a connection has broken.
//! Never: prints an event twice, or passes one over.

use super::line::{error, line};
use super::sse::Events;
use crate::command::remote::{Failure, Server, run_id, text};
use crate::outcome::Outcome;
use clap::Args;
use serde_json::Value;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long each try after a break waits, in milliseconds: about six seconds until it is given up. An event that comes
/// gives all of them back.
const WAITS_MS: [u64; 6] = [100, 200, 400, 800, 1_600, 3_000];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run
    #[arg(value_parser = run_id)]
    id: String,
    /// Begin after the event of this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
}

/// Why reading ends before the run does.
enum Cut {
    /// The connection, or the server, which may be back in a moment.
    Passing(Failure),
    /// For good.
    Final(Box<dyn Error + Send + Sync>),
}

impl From<Failure> for Cut {
    fn from(failure: Failure) -> Self {
        if failure.is_passing { Self::Passing(failure) } else { Self::Final(failure.into()) }
    }
}

/// 0 for a run that has succeeded or asks, 1 for one that has failed or was stopped.
pub(super) async fn run(server: &Server, arguments: &Arguments, json: bool) -> Outcome {
    let mut log = Log { server, id: &arguments.id, cursor: arguments.after, json, tries: 0 };
    // What is wrong with the run, the key or the address is told at once.
    log.row().await?;
    loop {
        let cut = match log.read().await {
            Ok(()) => match log.status().await {
                Ok(Some(status)) => return Ok(exit(&status)),
                Ok(None) => Failure::unreachable("the log", "the server ended it before its end"),
                Err(Cut::Passing(failure)) => failure,
                Err(Cut::Final(error)) => return Err(error),
            },
            Err(Cut::Passing(failure)) => failure,
            Err(Cut::Final(error)) => return Err(error),
        };
        let Some(wait) = WAITS_MS.get(log.tries) else { return Err(cut.into()) };
        log.tries += 1;
        writeln!(io::stderr(), "{cut}; reading on after {} in {wait} ms", log.cursor)?;
        tokio::time::sleep(Duration::from_millis(*wait)).await;
    }
}

fn exit(status: &str) -> ExitCode {
    if matches!(status, "succeeded" | "interrupted") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Log<'a> {
    server: &'a Server,
    id: &'a str,
    /// The number of the last event that was printed.
    cursor: u64,
    json: bool,
    /// So often it was tried since an event came.
    tries: usize,
}

impl Log<'_> {
    async fn row(&self) -> Result<Value, Failure> {
        self.server.get(&["runs", self.id], &[]).await
    }

    /// How the run ended, if it has, and all of its log was printed.
    async fn status(&self) -> Result<Option<String>, Cut> {
        let row = self.row().await?;
        let status = text(&row, "status");
        let last_seq = row.get("last_seq").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let is_end = !matches!(status.as_str(), "queued" | "running") && self.cursor >= last_seq;
        Ok(is_end.then_some(status))
    }

    /// Prints what comes, until the stream ends.
    async fn read(&mut self) -> Result<(), Cut> {
        let query = [("after", self.cursor.to_string()), ("stream", "true".to_owned())];
        let mut answer = self.server.stream(&["runs", self.id, "events"], &query).await?;
        let mut events = Events::default();
        loop {
            let bytes = answer.chunk().await.map_err(|error| Cut::Passing(self.server.broken(&error)))?;
            let Some(bytes) = bytes else { return Ok(()) };
            let mut out = io::stdout().lock();
            for event in events.push(&bytes) {
                let value: Value = serde_json::from_str(&event.data).map_err(|_| {
                    Cut::Final("the server sent an event that is no JSON; is something between?".into())
                })?;
                if event.event == "error" {
                    let told = value.get("error").map(error).unwrap_or_default();
                    return Err(Cut::Passing(Failure::unreachable("the log", &told)));
                }
                let seq = value.get("seq").and_then(Value::as_u64).unwrap_or(0);
                if seq <= self.cursor {
                    continue;
                }
                let told = if self.json { event.data } else { line(&value) };
                writeln!(out, "{told}").map_err(|error| Cut::Final(error.into()))?;
                (self.cursor, self.tries) = (seq, 0);
            }
            out.flush().map_err(|error| Cut::Final(error.into()))?;
        }
    }
}
