//! `genesis-mesh config`: what there is to know about the configuration file.
//!
//! Owns: printing the schema.
//! Never: makes it; the library does, of the structs that read the file.

use crate::outcome::Outcome;
use clap::{Args, Subcommand};
use genesis_mesh_server::config::Config;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the JSON schema of the file, for editors
    Schema,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match arguments.what {
        What::Schema => write!(io::stdout().lock(), "{}", schema()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of the schema's file.
pub(super) fn schema() -> Result<String, serde_json::Error> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&Config::schema())?))
}
