//! `genesis-mesh models list`: the models in the cache, and those of the configuration.
//!
//! Owns: the table, and its JSON form.
//! Never: opens a model file.

use super::{DEFAULT_NAME, ListArguments, megabytes};
use crate::outcome::Outcome;
use crate::settings::Settings;
use genesis_mesh::local::fetch::{self, Fetcher};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

#[derive(Debug, Serialize)]
struct Row {
    /// As `models pull` takes it; the file's name for one that was put there by hand.
    name: String,
    bytes: u64,
    /// As RFC 3339 writes it.
    #[serde(serialize_with = "written")]
    modified: Option<Timestamp>,
    path: PathBuf,
}

/// A model of the configuration.
#[derive(Debug, Serialize)]
struct Configured<'a> {
    name: &'a str,
    origin: String,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    cached: Vec<Row>,
    configured: Vec<Configured<'a>>,
}

pub(super) fn run(arguments: &ListArguments, settings: &Settings) -> Outcome {
    let cache = fetch::cache_dir()?;
    let default = Fetcher::from_env()?.path();
    let mut rows: Vec<Row> = Vec::new();
    for file in fetch::files(&cache) {
        let name = match file.hub {
            Some(hub) => hub.to_string(),
            None if file.path == default => DEFAULT_NAME.to_owned(),
            None => file_name(&file.path),
        };
        rows.push(Row { name, bytes: file.bytes, modified: time(file.modified), path: file.path });
    }
    let config = settings.load()?;
    let configured = config.models().map(|(name, plan)| Configured { name, origin: plan.origin() }).collect();
    let found = Found { cached: rows, configured };
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.cached.is_empty() {
        writeln!(out, "no models in {}; `genesis-mesh models pull smollm2` fetches one", cache.display())?;
    }
    table(&mut out, &found.cached)?;
    for Configured { name, origin } in &found.configured {
        writeln!(out, "configured: {name}, from {origin}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    for row in rows {
        let when =
            row.modified.map(|time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string());
        let when = when.unwrap_or_else(|| "-".to_owned());
        let (name, size, path) = (&row.name, megabytes(row.bytes), row.path.display());
        writeln!(out, "{name:width$}  {size:>10}  {when:16}  {path}")?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn written<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.as_ref().map(Timestamp::to_string).serialize(serializer)
}

fn time(time: Option<SystemTime>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::try_from(time).ok())
}
