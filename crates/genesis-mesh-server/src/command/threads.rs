//! `genesis-mesh threads`: the threads of a server: their states, their histories, and all of one as a document.
//!
//! Owns: the subcommands and their tables.
//! Never: opens a store; the server that has it is asked.

mod export;

use super::remote::{Remote, Server, Table, age, stamp, tell, text, write_json};
use crate::outcome::Outcome;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Threads,
}

#[derive(Debug, Subcommand)]
enum Threads {
    /// List threads, the one that was used last first
    List {
        /// So many are passed over
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        offset: usize,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Say where a thread stands
    Show {
        /// The thread
        id: String,
    },
    /// List the checkpoints of a thread, the newest first
    History {
        /// The thread
        id: String,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Write a thread as one JSON document: its state, its runs with their logs, its history
    Export {
        /// The thread
        id: String,
    },
    /// Delete a thread with its history and its runs, whatever they do
    Delete {
        /// The thread
        id: String,
    },
}

pub(super) async fn run(arguments: &Arguments) -> Outcome {
    let (server, json) = (Server::new(&arguments.remote)?, arguments.remote.json);
    match &arguments.command {
        Threads::List { offset, limit } => list(&server, *offset, *limit, json).await?,
        Threads::Show { id } => {
            let thread = server.get(&["threads", id], &[]).await?;
            tell(json, &thread, write_thread)?;
        }
        Threads::History { id, limit } => {
            let query = [("limit", limit.to_string())];
            let history = server.get(&["threads", id, "history"], &query).await?;
            tell(json, &history, write_history)?;
        }
        Threads::Export { id } => write_json(&export::document(&server, id).await?)?,
        Threads::Delete { id } => {
            let deleted = server.ask(Method::DELETE, &["threads", id], &[]).await?;
            tell(json, &deleted, |_| writeln!(io::stdout(), "{id} is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(found: &Value) -> &[Value] {
    found.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

fn ms(row: &Value, field: &str) -> Option<i64> {
    row.get(field).and_then(Value::as_i64)
}

async fn list(
    server: &Server,
    offset: usize,
    limit: u16,
    json: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let query = [("offset", offset.to_string()), ("limit", limit.to_string())];
    let found = server.get(&["threads"], &query).await?;
    if json {
        return Ok(write_json(&found)?);
    }
    let now_ms = Timestamp::now().as_millisecond();
    let mut table = Table::new(["THREAD", "USED", "AGE", "METADATA"]);
    for row in rows(&found) {
        let metadata = text(row, "metadata");
        table.push([
            text(row, "thread_id"),
            age(ms(row, "updated_at_ms"), now_ms),
            age(ms(row, "created_at_ms"), now_ms),
            if metadata == "{}" { String::new() } else { metadata },
        ]);
    }
    table.write(&mut io::stdout().lock())?;
    if found.get("has_more") == Some(&Value::Bool(true)) {
        writeln!(io::stderr(), "there are more: --offset {}", offset + rows(&found).len())?;
    }
    Ok(())
}

fn write_thread(thread: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let state = thread.get("state").unwrap_or(&Value::Null);
    let next = names(state);
    for (name, value) in [
        ("thread", text(thread, "thread_id")),
        ("agent", text(thread, "agent")),
        ("began", stamp(ms(thread, "created_at_ms"))),
        ("used", stamp(ms(thread, "updated_at_ms"))),
        ("metadata", text(thread, "metadata")),
        ("checkpoint", text(state, "checkpoint_id")),
        ("next", next),
    ] {
        if !value.is_empty() && value != "{}" {
            writeln!(out, "{name:10} {value}")?;
        }
    }
    for (name, value) in [("asks", state.get("interrupts")), ("values", state.get("values"))] {
        let Some(value) = value.filter(|value| !value.is_null() && **value != serde_json::json!([])) else {
            continue;
        };
        writeln!(out, "{name}\n{}", serde_json::to_string_pretty(value).unwrap_or_default())?;
    }
    Ok(())
}

/// The nodes that run next.
fn names(state: &Value) -> String {
    let next = state.get("next").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    next.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn write_history(history: &Value) -> io::Result<()> {
    let mut table = Table::new(["CHECKPOINT", "STEP", "TIME", "NEXT", "RUN"]);
    for row in rows(history) {
        table.push([
            text(row, "checkpoint_id"),
            text(row, "step"),
            stamp(ms(row, "created_at_ms")),
            names(row),
            text(row, "run_id"),
        ]);
    }
    table.write(&mut io::stdout().lock())
}
