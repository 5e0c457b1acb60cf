//! `genesis-mesh check`: whether the configuration is right, with all that it names, and fits what the store keeps.
//!
//! Owns: what is said of one that is.
//! Never: binds, makes or changes a store; loads models only when it is asked to.

use crate::loading;
use crate::outcome::Outcome;
use crate::settings::Settings;
use clap::Args;
use genesis_mesh::store::StoreError;
use genesis_mesh::{BusSource, Found, GenesisMesh, StoreSource};
use genesis_mesh_server::config::Config;
use std::io::{self, Write};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Load the models too; the hub's and the default one are fetched
    #[arg(long)]
    load: bool,

    /// Leave the store alone: don't read the threads that it keeps
    #[arg(long)]
    no_threads: bool,
}

/// 0 if all is well; else 1 and all mistakes.
pub(super) async fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let config = settings.load()?;
    let mut models = 0;
    for (name, plan) in config.models() {
        models += 1;
        drop(writeln!(io::stdout().lock(), "model {name}: {}", plan.origin()));
    }
    let stop = CancellationToken::new();
    if arguments.load {
        // Without the store: it may be a server's.
        loading::mesh(&config, &stop).store(StoreSource::Memory).bus(BusSource::Local).setup().await?;
    }
    let file = config.file().map_or("no configuration file".to_owned(), |file| file.display().to_string());
    let keys = config.serve_options().keys.len();
    let loaded = if arguments.load { "loaded" } else { "not loaded" };
    drop(writeln!(io::stdout().lock(), "{file}: ok; {models} models ({loaded}), {keys} keys"));
    if arguments.no_threads || matches!(config.store(), StoreSource::Memory) {
        return Ok(ExitCode::SUCCESS);
    }
    threads(&config, loading::mesh(&config, &stop)).await
}

/// Reads all threads that the store keeps with the agents as they are now; 1 if one can't be read.
async fn threads(config: &Config, mesh: GenesisMesh) -> Outcome {
    let store = config.store();
    let told = |error: StoreError| format!("store {store}: {error} ({})", error.code());
    let left = |why: &str| {
        drop(writeln!(io::stdout().lock(), "store {store}: {why}"));
        Ok(ExitCode::SUCCESS)
    };
    match store.look().await.map_err(told)? {
        Found::Ready => {}
        Found::Nothing => return left("not there yet; the first start makes it"),
        Found::Older => {
            return left("of an older version, which the next start migrates; its threads were not read");
        }
    }
    let opened = match store.clone().open().await {
        Err(StoreError::InUse { .. }) => return left("a server has it open; its threads were not read"),
        opened => opened.map_err(told)?,
    };
    let checked = mesh.store(opened).bus(BusSource::Local).check_threads().await?;
    for thread in &checked.unreadable {
        drop(writeln!(io::stdout().lock(), "{thread}"));
    }
    drop(writeln!(io::stdout().lock(), "store {store}: {checked}"));
    Ok(if checked.unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
