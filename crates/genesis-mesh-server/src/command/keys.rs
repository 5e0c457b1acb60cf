//! `genesis-mesh keys`: makes keys that open the server.
//!
//! Owns: the text form of a key, and its table in the configuration.
//! Never: stores a key: it is shown once, and its SHA-256 is kept.

use crate::outcome::Outcome;
use crate::settings::Settings;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use genesis_mesh_server::config::{Config, ConfigError};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How every key starts, so that people and scanners for leaked secrets know one.
const KEY_PREFIX: &str = "gm_";

/// The random bytes of a key: nobody guesses 256 bits.
const KEY_BYTES: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key: it is printed once, on stdout; its table for the configuration goes to stderr
    New(NewArguments),
}

#[derive(Debug, Args)]
struct NewArguments {
    /// The name by which logs and metrics know it
    #[arg(long)]
    name: String,
    /// What it may do: run, agent:NAME or observe; may be repeated; everything without one
    #[arg(long)]
    scope: Vec<String>,
    /// From when on it is refused: a date (2027-01-31, its first moment in UTC) or a time with its offset
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Add its table to the configuration file
    #[arg(long)]
    append: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Outcome {
    let What::New(arguments) = &arguments.what;
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let table = table(arguments, &key);
    let sources = settings.sources();
    let file = sources.config_file();
    let text = match file {
        Some(path) => {
            fs::read_to_string(path).map_err(|error| format!("can't read {}: {error}", path.display()))?
        }
        None => String::new(),
    };
    // A table begins after an empty line.
    let gap = if text.is_empty() {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    check(&sources, &text, &format!("{gap}{table}"))?;
    match file {
        Some(path) if arguments.append => {
            append(path, &format!("{gap}{table}"))
                .map_err(|error| format!("can't write {}: {error}", path.display()))?;
            drop(writeln!(io::stderr().lock(), "added `{}` to {}", arguments.name, path.display()));
        }
        None if arguments.append => {
            return Err("there is no configuration file to append to; `genesis-mesh init` writes one".into());
        }
        _ => drop(write!(io::stderr().lock(), "{table}")),
    }
    // Whoever cannot read the key must know: it is gone.
    writeln!(io::stdout().lock(), "{key}")?;
    Ok(ExitCode::SUCCESS)
}

/// The key's table in the configuration.
fn table(arguments: &NewArguments, key: &str) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut table = format!("[[keys]]\nname = {}\nsha256 = \"sha256:{digest}\"\n", quoted(&arguments.name));
    if !arguments.scope.is_empty() {
        let scopes: Vec<String> = arguments.scope.iter().map(|scope| quoted(scope)).collect();
        table.push_str(&format!("scopes = [{}]\n", scopes.join(", ")));
    }
    if let Some(date) = &arguments.expires {
        table.push_str(&format!("expires = {}\n", quoted(date)));
    }
    table
}

/// Whether the file stays right with `added` at its end; what was wrong with it before is not asked here.
fn check(sources: &genesis_mesh_server::config::Sources, text: &str, added: &str) -> Result<(), String> {
    let path = sources.config_file().unwrap_or(Path::new("the key"));
    let lines = text.lines().count();
    match Config::load(&sources.clone().text(path, format!("{text}{added}"))) {
        Err(ConfigError::Invalid { problems }) => {
            let is_new = |position: Option<(usize, usize)>| position.is_some_and(|(line, _)| line > lines);
            let new: Vec<&str> = problems
                .iter()
                .filter(|problem| is_new(problem.position))
                .map(|problem| problem.message.as_str())
                .collect();
            if new.is_empty() { Ok(()) } else { Err(format!("this key can't be made: {}", new.join("; "))) }
        }
        _ => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}
