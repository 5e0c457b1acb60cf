//! The command line: what a person may say, with its environment variables and defaults.
//!
//! Owns: flags and their words.
//! Never: acts on them; `main` and `choice` do.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, Error, FromArgMatches, Parser};
use std::path::PathBuf;

/// Serves a language model over WebSocket.
///
/// Without --model the default model (SmolLM2-135M-Instruct, 98 MB) is fetched on the first start and kept in
/// the user's cache directory. Clients send one JSON object to ws://HOST:PORT/ws/NAME and get the answer as it
/// is made.
#[derive(Debug, Parser)]
#[command(name = "genesis-mesh", version)]
pub(crate) struct Cli {
    /// The address to listen on.
    #[arg(long, env = "GENESIS_MESH_HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,

    /// The port to listen on; 0 lets the system choose one, which is printed.
    #[arg(long, env = "GENESIS_MESH_PORT", default_value_t = 8080)]
    pub(crate) port: u16,

    /// A model file in GGUF format; it is served under its file's name.
    #[arg(long, env = "GENESIS_MESH_MODEL", value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,

    /// A script in TOML that plays a model, for tests and for work on clients.
    #[arg(long, env = "GENESIS_MESH_SCRIPT", value_name = "PATH")]
    pub(crate) script: Option<PathBuf>,

    /// Threads that compute; without it, one for each core.
    #[arg(long, env = "GENESIS_MESH_THREADS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// Memory for the conversations that are computed at the same time, in MiB; without it 512.
    #[arg(long, env = "GENESIS_MESH_KV_MEMORY_MB", value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) kv_memory_mb: Option<u32>,

    /// How long runs may go on after the first SIGTERM or SIGINT, in seconds.
    #[arg(long, env = "GENESIS_MESH_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    pub(crate) drain_seconds: u64,
}

impl Cli {
    /// Reads the program's arguments and environment; on a mistake it says so and ends the program.
    pub(crate) fn read() -> Self {
        Self::resolve(&Self::command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// One of `--model` and `--script` counts, and a flag beats the other's environment variable.
    fn resolve(matches: &ArgMatches) -> Result<Self, Error> {
        let mut cli = Self::from_arg_matches(matches)?;
        if cli.model.is_some() && cli.script.is_some() {
            let is_flag = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
            match (is_flag("model"), is_flag("script")) {
                (true, true) => {
                    let message = "--model cannot be used with --script";
                    return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
                }
                (true, false) => cli.script = None,
                (false, _) => cli.model = None,
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

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let matches = Cli::command().mut_args(|flag| flag.env(None)).get_matches_from(["genesis-mesh"]);
        let cli = Cli::resolve(&matches).expect("no arguments are right");
        assert_eq!((cli.host.as_str(), cli.port, cli.drain_seconds), ("127.0.0.1", 8080, 10));
        assert!(cli.model.is_none() && cli.script.is_none());
    }
}
