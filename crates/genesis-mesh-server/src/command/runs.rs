//! `genesis-mesh runs`: the runs of a server: what there are, what they told, and their end.
//!
//! Owns: the subcommands, their tables, and the exit status.
//! Never: opens a store; the server that has it is asked.

mod line;
mod sse;
mod follow;

use super::remote::{Remote, Server, Table, age, run_id, stamp, tell, text, write_json};
use crate::outcome::Outcome;
use clap::{Args, Subcommand, ValueEnum};
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
    command: Runs,
}

#[derive(Debug, Subcommand)]
enum Runs {
    /// List runs, the newest first
    List(ListArguments),
    /// Say all that is known of a run
    Show {
        /// The run
        #[arg(value_parser = run_id)]
        id: String,
    },
    /// Print the log of a run as it grows, to the run's end
    Follow(follow::Arguments),
    /// Ask a run to stop
    Cancel {
        /// The run
        #[arg(value_parser = run_id)]
        id: String,
        /// Undo what it did to its thread
        #[arg(long)]
        rollback: bool,
    },
    /// Run again what a run was asked, as a new run
    Retry {
        /// The run
        #[arg(value_parser = run_id)]
        id: String,
    },
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Those of a thread alone
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Those of an agent alone
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Those that stand so alone
    #[arg(long)]
    status: Option<Status>,
    /// Those that were accepted before this one
    #[arg(long, value_name = "ID", value_parser = run_id)]
    before: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Queued,
    Running,
    Succeeded,
    Failed,
    Interrupted,
    Cancelled,
}

impl Status {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

pub(super) async fn run(arguments: &Arguments) -> Outcome {
    let (server, json) = (Server::new(&arguments.remote)?, arguments.remote.json);
    match &arguments.command {
        Runs::List(arguments) => list(&server, arguments, json).await,
        Runs::Show { id } => {
            let row = server.get(&["runs", id], &[]).await?;
            tell(json, &row, write_run)?;
            Ok(ExitCode::SUCCESS)
        }
        Runs::Follow(arguments) => follow::run(&server, arguments, json).await,
        Runs::Cancel { id, rollback } => {
            let action = if *rollback { "rollback" } else { "interrupt" };
            let query = [("action", action.to_owned())];
            let row = server.ask(Method::POST, &["runs", id, "cancel"], &query).await?;
            tell(json, &row, |row| match text(row, "status").as_str() {
                "queued" | "running" => writeln!(io::stdout(), "{id} was asked to stop"),
                status => writeln!(io::stdout(), "{id} has ended: {status}"),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Runs::Retry { id } => {
            let row = server.ask(Method::POST, &["runs", id, "retry"], &[]).await?;
            tell(json, &row, |row| writeln!(io::stdout(), "{}", text(row, "run_id")))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(server: &Server, arguments: &ListArguments, json: bool) -> Outcome {
    let mut query = vec![("limit", arguments.limit.to_string())];
    let status = arguments.status.map(Status::name);
    for (name, value) in [
        ("thread_id", &arguments.thread),
        ("agent", &arguments.agent),
        ("status", &status),
        ("before", &arguments.before),
    ] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    let found = server.get(&["runs"], &query).await?;
    if json {
        write_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now_ms = Timestamp::now().as_millisecond();
    let mut table = Table::new(["RUN", "STATUS", "AGENT", "THREAD", "EVENTS", "AGE"]);
    let rows = found.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for row in rows {
        table.push([
            text(row, "run_id"),
            text(row, "status"),
            text(row, "agent"),
            text(row, "thread_id"),
            text(row, "last_seq"),
            age(row.get("created_at_ms").and_then(Value::as_i64), now_ms),
        ]);
    }
    table.write(&mut io::stdout().lock())?;
    if found.get("has_more") == Some(&Value::Bool(true))
        && let Some(last) = rows.last()
    {
        writeln!(io::stderr(), "there are more: --before {}", text(last, "run_id"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_run(row: &Value) -> io::Result<()> {
    let time = |field: &str| stamp(row.get(field).and_then(Value::as_i64));
    let error = row.get("error").filter(|error| !error.is_null());
    let mut out = io::stdout().lock();
    for (name, value) in [
        ("run", text(row, "run_id")),
        ("status", text(row, "status")),
        ("agent", text(row, "agent")),
        ("thread", text(row, "thread_id")),
        ("accepted", time("created_at_ms")),
        ("changed", time("updated_at_ms")),
        ("events", text(row, "last_seq")),
        ("attempts", text(row, "attempts")),
        ("owner", text(row, "owner")),
        ("to stop", text(row, "cancel")),
        ("error", error.map(line::error).unwrap_or_default()),
        ("metadata", text(row, "metadata")),
    ] {
        if !value.is_empty() && value != "{}" {
            writeln!(out, "{name:9} {}", line::plain(&value))?;
        }
    }
    Ok(())
}
