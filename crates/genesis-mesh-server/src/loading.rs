//! Loading: the mesh of a configuration, with the progress of what has to be fetched.
//!
//! Owns: one progress for each model, and the end of all fetches when the program stops.
//! Never: sets the mesh up; a command does.

use crate::progress::FetchProgress;
use genesis_mesh::GenesisMesh;
use genesis_mesh_server::config::{Config, ModelPlan};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The models and agents of `config`; `stop` ends fetches.
pub(crate) fn mesh(config: &Config, stop: &CancellationToken) -> GenesisMesh {
    let stop = stop.clone();
    let shown: Mutex<HashMap<String, FetchProgress>> = Mutex::default();
    config.mesh_watched(move |plan, now| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = || match plan {
            ModelPlan::Hub { file, .. } => FetchProgress::of(&file.to_string()),
            _ => FetchProgress::of("the default model"),
        };
        shown.entry(plan.origin()).or_insert_with(progress).show(now);
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}
