//! `genesis-mesh models show`: what a model is, without loading it.
//!
//! Owns: finding the file that a name means, and the table.
//! Never: fetches.

use super::{DEFAULT_NAME, ShowArguments, megabytes};
use crate::outcome::Outcome;
use crate::settings::Settings;
use genesis_mesh::local::fetch::Fetcher;
use genesis_mesh::local::fetch::hub::{HubFetcher, HubFile};
use genesis_mesh::local::inspect::Inspection;
use genesis_mesh_server::config::ModelPlan;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) fn run(arguments: &ShowArguments, settings: &Settings) -> Outcome {
    let path = find(&arguments.name, settings)?;
    let wrong = |code: &str, error: &dyn Error| format!("{}: {error} ({code})", path.display());
    let found = Inspection::of(&path).map_err(|error| wrong(error.code(), &error))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        table(&mut out, &path, &found)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The file at this path, or that of the model of this name: the configuration's, or the cache's.
fn find(name: &str, settings: &Settings) -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let config = settings.load()?;
    let mut wanted = name.to_owned();
    let cached = match config.models().find(|(known, _)| *known == name).map(|(_, plan)| plan) {
        Some(ModelPlan::Gguf { path, .. }) => Some(path.clone()),
        Some(ModelPlan::Hub { file, .. }) => {
            wanted = file.to_string();
            HubFetcher::from_env(file.clone())?.cached()?
        }
        Some(ModelPlan::SmolLm2 { .. }) => {
            DEFAULT_NAME.clone_into(&mut wanted);
            Fetcher::from_env()?.cached()?
        }
        Some(plan @ (ModelPlan::Script { .. } | ModelPlan::Upstream(_))) => {
            return Err(format!("{name} is no model of this machine; it is from {}", plan.origin()).into());
        }
        _ if name == DEFAULT_NAME => Fetcher::from_env()?.cached()?,
        _ => match name.parse::<HubFile>() {
            Ok(file) => HubFetcher::from_env(file)?.cached()?,
            Err(_) => return Err(format!("no file is at {name}, and no model has this name").into()),
        },
    };
    cached.ok_or_else(|| {
        format!("{name} is not in the cache; `genesis-mesh models pull {wanted}` fetches it").into()
    })
}

fn table(out: &mut impl Write, path: &Path, found: &Inspection) -> io::Result<()> {
    let unknown = || "?".to_owned();
    let number = |value: Option<u32>| value.map_or_else(unknown, |value| value.to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or_else(unknown);
    let mut row = |name: &str, value: &dyn Display| writeln!(out, "{name:13} {value}");
    row("file", &format_args!("{} ({})", path.display(), megabytes(found.file_bytes)))?;
    row("name", &text(&found.name))?;
    row("architecture", &text(&found.architecture))?;
    row("parameters", &format_args!("{:.1} million", found.parameter_count as f64 / 1e6))?;
    let (heads, kv_heads) = (number(found.head_count), number(found.kv_head_count));
    let (layers, width) = (number(found.layer_count), number(found.embedding_len));
    row("shape", &format_args!("{layers} layers of {width}, {heads} heads, {kv_heads} for keys and values"))?;
    row("context", &format_args!("{} tokens", number(found.context_tokens)))?;
    let vocabulary = found.vocabulary_tokens.map_or_else(unknown, |count| count.to_string());
    row("vocabulary", &format_args!("{vocabulary} tokens"))?;
    for (index, packing) in found.packings.iter().enumerate() {
        let size = packing.bytes.map_or_else(|| "size unknown".to_owned(), megabytes);
        let (kind, count) = (&packing.block_type, packing.tensor_count);
        row(if index == 0 { "packing" } else { "" }, &format_args!("{kind}: {count} tensors, {size}"))?;
    }
    let template = match (found.has_chat_template, found.has_tools) {
        (false, _) => "none",
        (true, false) => "yes, without tools",
        (true, true) => "yes, with tools",
    };
    row("chat template", &template)?;
    if let (Some(weights), Some(kv)) = (found.memory_bytes, found.kv_bytes_per_token) {
        row(
            "memory",
            &format_args!("{} of weights, and {:.1} KB a token", megabytes(weights), kv as f64 / 1e3),
        )?;
    }
    match &found.obstacle {
        None => row("runs here", &"yes"),
        Some(obstacle) => row("runs here", &format_args!("no: {} ({})", obstacle.message, obstacle.code)),
    }
}
