//! `genesis-mesh models`: which models are here, getting one, and what one is.
//!
//! Owns: the three subcommands, and what a model's name means to them.
//! Never: loads a model.

mod list;
mod pull;
mod show;

use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::{Args, Subcommand};

/// The default model's name.
const DEFAULT_NAME: &str = "smollm2";

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models in the cache, and those of the configuration
    List(ListArguments),
    /// Fetch a model into the cache, or bring it up to date
    Pull(PullArguments),
    /// Say what a model is: its shape, its packing, its memory
    Show(ShowArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// smollm2 (the default model), or a GGUF file of the Hugging Face hub: OWNER/NAME[@REVISION][:FILE]
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A GGUF file, or the name of a model of the configuration or the cache
    name: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(models: &Models, settings: &Settings) -> Outcome {
    match models {
        Models::List(arguments) => list::run(arguments, settings),
        Models::Pull(arguments) => pull::run(arguments).await,
        Models::Show(arguments) => show::run(arguments, settings),
    }
}

/// A size for people: `98.4 MB`.
fn megabytes(bytes: u64) -> String {
    const MB: f64 = 1e6;
    let megabytes = bytes as f64 / MB;
    if megabytes < 1000.0 { format!("{megabytes:.1} MB") } else { format!("{:.2} GB", megabytes / 1000.0) }
}
