//! The program `genesis-mesh`: it serves a mesh, and has commands around that.
//!
//! Owns: the runtime, the exit status, and where words go: stdout for scripts, stderr for people.
//! Never: knows frames or runs; `Serve` does.
//! Flow: arguments -> a command, each in its own file; `command/serve.rs` is the default.
#![forbid(unsafe_code)]

mod outcome;
mod settings;
mod logs;
mod progress;
mod loading;
mod banner;
mod signals;
mod command;
mod cli;

use clap::{CommandFactory, Parser};
use cli::Cli;
use command::Command;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a fetch may take to end its download.
const STOP_LOADING: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let command = cli.command.unwrap_or(Command::Serve);
    let status = match runtime.block_on(command::run(command, cli.settings, started, Cli::command)) {
        Ok(status) => status,
        Err(error) => fail(error.as_ref()),
    };
    // A fetch ends its download when it is told to stop; a model that is being loaded must not hold the program.
    runtime.shutdown_timeout(STOP_LOADING);
    status
}

fn fail(error: &dyn Error) -> ExitCode {
    let words = error.to_string();
    // Several mistakes stand one a line, where editors find them by their places.
    let separator = if words.contains('\n') { '\n' } else { ' ' };
    drop(writeln!(io::stderr().lock(), "error:{separator}{words}"));
    ExitCode::FAILURE
}
