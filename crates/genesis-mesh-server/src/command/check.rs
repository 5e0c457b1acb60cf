//! `genesis-mesh check`: whether the configuration is right, with all that it names.
//!
//! Owns: what is said of one that is.
//! Never: binds; loads models only when it is asked to.

use crate::loading;
use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Load the models too; the hub's and the default one are fetched
    #[arg(long)]
    load: bool,
}

/// 0 if all is well; else 1 and all mistakes.
pub(super) async fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let config = settings.load()?;
    let mut models = 0;
    for (name, plan) in config.models() {
        models += 1;
        drop(writeln!(io::stdout().lock(), "model {name}: {}", plan.origin()));
    }
    let mesh = loading::mesh(&config, &CancellationToken::new());
    if arguments.load {
        mesh.setup().await?;
    }
    let file = config.file().map_or("no configuration file".to_owned(), |file| file.display().to_string());
    let keys = config.serve_options().keys.len();
    let loaded = if arguments.load { "loaded" } else { "not loaded" };
    drop(writeln!(io::stdout().lock(), "{file}: ok; {models} models ({loaded}), {keys} keys"));
    Ok(ExitCode::SUCCESS)
}
