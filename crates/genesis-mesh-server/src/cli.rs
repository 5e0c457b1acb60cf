//! The command line as a whole: settings and a subcommand.
//!
//! Owns: how the program's arguments are read.
//! Never: acts on them; `command` does.

use crate::command::Command;
use crate::settings::Settings;
use clap::Parser;

/// Serves language models and agents over WebSocket and HTTP.
///
/// Without a configuration and without --model the default model (SmolLM2-135M-Instruct, 98 MB) is fetched on
/// the first start and kept in the user's cache directory. Clients send one JSON object to ws://HOST:PORT/ws/NAME
/// and get the answer as it is made.
#[derive(Debug, Parser)]
#[command(name = "genesis-mesh", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }
}
