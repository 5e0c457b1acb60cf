//! `genesis-mesh store`: what is done to a store while no server has it.
//!
//! Owns: what `--from` and `--to` mean, and the progress that a person sees.
//! Never: makes a source that is not there.

use crate::outcome::Outcome;
use clap::{Args, Subcommand};
use genesis_mesh::{Counts, Found, StoreSource, carry};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// After so many rows more the progress is told.
const TOLD_EACH: u64 = 50_000;

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Copy everything from one store into another, which is empty: all of it, or nothing
    Migrate(MigrateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The store to read: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE; no server may have it open
    #[arg(long, value_name = "STORE", value_parser = on_disk)]
    from: StoreSource,
    /// The store to fill, of the same forms; it is made if it is not there
    #[arg(long, value_name = "STORE", value_parser = on_disk)]
    to: StoreSource,
}

/// A store that outlives its process.
fn on_disk(text: &str) -> Result<StoreSource, String> {
    match StoreSource::parse(text, Path::new("")) {
        Ok(source @ StoreSource::Postgres(..)) => Ok(source),
        Ok(source @ StoreSource::Sqlite(..)) if text != "sqlite" => Ok(source),
        _ => Err("expected `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`".to_owned()),
    }
}

pub(super) async fn run(store: Store) -> Outcome {
    match store {
        Store::Migrate(MigrateArguments { from, to }) => migrate(from, to).await,
    }
}

/// There is nothing that could be copied.
#[derive(Debug, thiserror::Error)]
#[error("{store}: there is no store; look at the path")]
struct StoreMissing {
    store: String,
}

impl StoreMissing {
    fn code(&self) -> &'static str {
        "store_missing"
    }
}

async fn migrate(from: StoreSource, to: StoreSource) -> Outcome {
    let (from_name, to_name) = (from.to_string(), to.to_string());
    if from_name == to_name {
        return Err(format!("{from_name} is the source and the target; name another target").into());
    }
    if from.look().await.map_err(|error| told(error.code(), &error))? == Found::Nothing {
        let error = StoreMissing { store: from_name };
        return Err(told(error.code(), &error).into());
    }
    let failed = |error: genesis_mesh::store::StoreError| told(error.code(), &error);
    let (source, target) =
        (from.open_to_carry().await.map_err(failed)?, to.open_to_carry().await.map_err(failed)?);
    say(&format!("{from_name} -> {to_name}"));
    let mut next = TOLD_EACH;
    let watch = |read: &Counts| {
        let rows = read.checkpoints + read.facts + read.runs + read.events;
        if rows >= next {
            next = rows + TOLD_EACH;
            say(&format!("  so far {read}"));
        }
    };
    let counts = carry(&source, &target, watch).await.map_err(|error| told(error.code(), &error))?;
    say("  counted in both: equal");
    writeln!(io::stdout(), "{counts}")?;
    Ok(ExitCode::SUCCESS)
}

fn told(code: &str, error: &dyn std::error::Error) -> String {
    format!("{error} ({code})")
}

fn say(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}
