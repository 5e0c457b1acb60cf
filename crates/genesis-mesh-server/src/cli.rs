//! The command line as a whole: settings and a subcommand.
//!
//! Owns: how the program's arguments are read.
//! Never: acts on them; `command` does.

use crate::command::Command;
use crate::settings::Settings;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, Error, FromArgMatches, Parser};

/// Serves language models and agents over WebSocket and HTTP.
///
/// Without --model the default model (SmolLM2-135M-Instruct, 98 MB) is fetched on the first start and kept in
/// the user's cache directory. Clients send one JSON object to ws://HOST:PORT/ws/NAME and get the answer as it
/// is made.
#[derive(Debug, Parser)]
#[command(name = "genesis-mesh", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Cli {
    /// Reads the program's arguments and environment; on a mistake it says so and ends the program.
    pub(crate) fn read() -> Self {
        Self::resolve(&Self::command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// One of `--model` and `--script` counts, and a flag beats the other's environment variable.
    fn resolve(matches: &ArgMatches) -> Result<Self, Error> {
        let mut cli = Self::from_arg_matches(matches)?;
        if cli.settings.model.is_some() && cli.settings.script.is_some() {
            let is_flag = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
            match (is_flag("model"), is_flag("script")) {
                (true, true) => {
                    let message = "--model cannot be used with --script";
                    return Err(
                        <Self as CommandFactory>::command().error(ErrorKind::ArgumentConflict, message)
                    );
                }
                (true, false) => cli.settings.script = None,
                (false, _) => cli.settings.model = None,
            }
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }
}
