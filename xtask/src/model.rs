//! `cargo xtask model`: puts the default model into the user's cache and prints its path, for tests and benches.
//!
//! Owns: the words about the progress; the path stands alone on standard output.
//! Never: downloads; the engine's own `fetch` does, as it does for a first start.

use genesis_mesh_local::fetch::{self, Stage};

/// Fetches the default model if it is not cached.
///
/// # Errors
/// What the engine's fetch says, with both ways to get the model.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut told = None;
    let path = fetch::fetch(&mut |now| {
        if told.replace(now.stage) != Some(now.stage) {
            eprintln!("model: {}", words(now.stage));
        }
    })?;
    println!("{}", path.display());
    Ok(())
}

fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "another process fetches it; waiting",
        Stage::Downloading => "downloading",
        Stage::Unpacking => "unpacking",
    }
}
