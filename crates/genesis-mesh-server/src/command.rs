//! Commands: what the program can do besides serving, one file each.
//!
//! Owns: the list of subcommands and the way to each.
//! Never: does a command's work.

mod local;
mod pinned;
mod remote;
mod chat;
mod check;
mod config;
mod health;
mod init;
mod keys;
mod models;
mod run;
mod runs;
mod serve;
mod shell;
mod store;
mod threads;

use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::Subcommand;
use std::time::Instant;

/// What to do; serving without one.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the mesh (also without a subcommand)
    Serve,
    /// Check the configuration with all that it names, without loading models
    Check(check::Arguments),
    /// Write an example configuration
    Init(init::Arguments),
    /// Make keys that open the server
    Keys(keys::Arguments),
    /// About the configuration file
    Config(config::Arguments),
    /// Talk with an agent in the terminal
    Chat(chat::Arguments),
    /// Run an agent once
    Run(run::Arguments),
    /// List, fetch and describe models
    #[command(subcommand)]
    Models(models::Models),
    /// List, follow and stop the runs of a server
    Runs(runs::Arguments),
    /// List, read and delete the threads of a server
    Threads(threads::Arguments),
    /// Copy a store into another
    #[command(subcommand)]
    Store(store::Store),
    /// Ask a server whether it is well; for health checks of containers
    Health(health::Arguments),
    /// Write completions for a shell
    Completions(shell::CompletionsArguments),
    /// Write the manual
    Man(shell::ManArguments),
}

/// Does `command`; `started` is when the program began, `program` all its flags and their words.
pub(crate) async fn run(
    command: Command,
    settings: Settings,
    started: Instant,
    program: fn() -> clap::Command,
) -> Outcome {
    match command {
        Command::Serve => serve::run(&settings, started).await,
        Command::Check(arguments) => check::run(&arguments, &settings).await,
        Command::Init(arguments) => init::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments, &settings),
        Command::Config(arguments) => config::run(&arguments),
        Command::Chat(arguments) => chat::run(arguments, &settings).await,
        Command::Run(arguments) => run::run(&arguments, &settings).await,
        Command::Models(models) => models::run(&models, &settings).await,
        Command::Runs(arguments) => runs::run(&arguments).await,
        Command::Threads(arguments) => threads::run(&arguments).await,
        Command::Store(store) => store::run(store).await,
        Command::Health(arguments) => health::run(&arguments, &settings).await,
        Command::Completions(arguments) => shell::completions(&arguments, program()),
        Command::Man(arguments) => shell::man(&arguments, program()),
    }
}
