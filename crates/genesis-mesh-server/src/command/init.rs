//! `genesis-mesh init`: an example configuration with its schema beside it.
//!
//! Owns: writing both, and never over a file that is there.
//! Never: knows what stands in the example; the file `init/mesh.toml` is it.

use super::config;
use crate::outcome::Outcome;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The example.
const EXAMPLE: &str = include_str!("init/mesh.toml");

/// The file of the schema, which the example names for editors.
const SCHEMA_FILE: &str = "mesh.schema.json";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to write
    #[arg(default_value = "mesh.toml")]
    path: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let schema_path = arguments.path.with_file_name(SCHEMA_FILE);
    let files = [(arguments.path.as_path(), EXAMPLE.to_owned()), (&schema_path, config::schema()?)];
    // Both or none: looked at before either is written.
    if let Some((path, _)) = files.iter().find(|(path, _)| !arguments.force && path.exists()) {
        return Err(format!("{} is there already; `--force` writes over it", path.display()).into());
    }
    for (path, text) in &files {
        write(path, text, arguments.force)
            .map_err(|error| format!("can't write {}: {error}", path.display()))?;
        drop(writeln!(io::stderr().lock(), "wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str, is_forced: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    // A file that came in between is not written over either.
    if is_forced {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path)?.write_all(text.as_bytes())
}
