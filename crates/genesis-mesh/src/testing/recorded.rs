//! The recorded model: another model, and the requests that it was given.
//!
//! Owns: the list of requests, in the order in which they came.
//! Never: changes a request or an answer.

use genesis_mesh_core::{BoxFuture, GenerateRequest, Model, ModelError, ModelInfo, ModelLoad, ModelStream};
use genesis_mesh_models::{ScriptError, ScriptedModel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A model that keeps each request that it is given, also those that it refuses; clones share what they keep.
///
/// A test gives one clone to the mesh and asks the other.
#[derive(Debug, Clone)]
pub struct RecordedModel {
    model: Arc<dyn Model>,
    requests: Arc<Mutex<Vec<GenerateRequest>>>,
}

impl RecordedModel {
    /// Records what `model` is asked.
    pub fn new(model: impl Model + 'static) -> Self {
        Self { model: Arc::new(model), requests: Arc::default() }
    }

    /// Records what a scripted model is asked; `toml` is its script, as docs/scripted-model.md says.
    ///
    /// # Errors
    /// The script's mistakes, with their lines.
    pub fn script(toml: &str) -> Result<Self, ScriptError> {
        Ok(Self::new(ScriptedModel::from_toml(toml)?))
    }

    /// The requests so far, the first one first.
    #[must_use]
    pub fn requests(&self) -> Vec<GenerateRequest> {
        self.kept().clone()
    }

    /// The requests so far, which are forgotten with this: a test that has several parts asks after each.
    #[must_use]
    pub fn take_requests(&self) -> Vec<GenerateRequest> {
        std::mem::take(&mut self.kept())
    }

    /// A push or a take leaves the list whole, so a thread that panicked beside it spoils nothing.
    fn kept(&self) -> MutexGuard<'_, Vec<GenerateRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for RecordedModel {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        self.kept().push(request.clone());
        self.model.generate(request)
    }

    fn current_load(&self) -> Option<ModelLoad> {
        self.model.current_load()
    }

    fn goes_on(&self) -> bool {
        self.model.goes_on()
    }
}
