//! The choice of the model: a script, a file, or the default model, and the name under which it is served.
//!
//! Owns: from flags to a named source.
//! Never: loads; setup does.

use crate::progress::FetchProgress;
use crate::settings::Settings;
use genesis_mesh::local::fetch::{Fetcher, Source};
use genesis_mesh::local::{LocalModel, LocalOptions};
use genesis_mesh::{LoadFailure, ModelSource, ScriptedModel};
use std::ops::ControlFlow;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// The name of the default model.
const DEFAULT_NAME: &str = "smollm2";

/// The longest name that a mesh takes, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The model that the flags ask for, with its name; `stop` ends a fetch.
pub(crate) fn model(settings: &Settings, stop: &CancellationToken) -> (String, ModelSource) {
    if let Some(path) = settings.script.clone() {
        let name = name(&path);
        return (name, ModelSource::lazy(path.display().to_string(), || ScriptedModel::from_file(path)));
    }
    let options = options(settings);
    match settings.model.clone() {
        Some(path) => (name(&path), ModelSource::gguf(path, options)),
        None => {
            let stop = stop.clone();
            let load = move || -> Result<LocalModel, LoadFailure> {
                let mut progress = FetchProgress::new();
                let path = Fetcher::from_env()?.fetch(&mut |now| {
                    progress.show(now);
                    if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                drop(progress);
                Ok(LocalModel::load(&path, &options)?)
            };
            (DEFAULT_NAME.to_owned(), ModelSource::lazy("the cache", load))
        }
    }
}

fn options(settings: &Settings) -> LocalOptions {
    let default = LocalOptions::default();
    LocalOptions {
        threads: settings.threads.map(usize::from).or(default.threads),
        kv_bytes_max: settings.kv_memory_mb.map_or(default.kv_bytes_max, mebibytes),
        ..default
    }
}

fn mebibytes(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(1 << 20)
}

/// A file's name as an agent's name: lower case, other characters as `-`.
fn name(path: &Path) -> String {
    let default = Source::smollm2().member;
    if path.file_name().is_some_and(|file| Path::new(&default).file_name() == Some(file)) {
        return DEFAULT_NAME.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = stem.chars().map(allowed).collect();
    let name: String =
        name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "model".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_becomes_an_agents_name() {
        for (path, expected) in [
            ("/models/Llama-3.2-1B.Q4_K.gguf", "llama-3.2-1b.q4_k"),
            ("My Script.toml", "my-script"),
            ("__x.gguf", "x"),
            ("été.gguf", "t-"),
            ("ü.gguf", "model"),
            ("", "model"),
        ] {
            assert_eq!(name(Path::new(path)), expected, "{path}");
        }
        assert_eq!(name(Path::new(&"x".repeat(100))).len(), NAME_BYTES_MAX);
        assert_eq!(name(&Path::new("/elsewhere").join(Source::smollm2().member)), DEFAULT_NAME);
    }
}
