//! Model sources: a model that is there, or the recipe by which setup makes one.
//!
//! Owns: what `GenesisMesh::model` accepts, and loading without holding up the async threads.
//! Never: keeps a model; the mesh does.
//! Flow: declared on the builder, loaded by `GenesisMesh::setup`, all sources at the same time.

use genesis_mesh_core::{BoxFuture, GenerateRequest, Model, ModelError, ModelInfo, ModelStream};
use genesis_mesh_local::fetch::hub::{HubFetcher, HubFile};
use genesis_mesh_local::{LocalModel, LocalOptions, fetch};
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a source gave no model: an error of the crate that loads it.
pub type LoadFailure = Box<dyn Error + Send + Sync>;

type Load = Box<dyn FnOnce() -> Result<Arc<dyn Model>, LoadFailure> + Send>;

/// Where a model comes from. Every [`Model`] is one; [`ModelSource::lazy`] makes one in setup.
pub struct ModelSource {
    origin: String,
    kind: Kind,
}

enum Kind {
    Ready(Arc<dyn Model>),
    Lazy(Load),
}

impl ModelSource {
    /// A model that `load` makes during setup; it may block, as reading a file does.
    ///
    /// `origin` says where it comes from, for error messages: a path, an address.
    pub fn lazy<M, E>(origin: impl Into<String>, load: impl FnOnce() -> Result<M, E> + Send + 'static) -> Self
    where
        M: Model + 'static,
        E: Into<LoadFailure>,
    {
        let load = move || match load() {
            Ok(model) => Ok(Arc::new(model) as Arc<dyn Model>),
            Err(error) => Err(error.into()),
        };
        Self { origin: origin.into(), kind: Kind::Lazy(Box::new(load)) }
    }

    /// The GGUF file at `path`, computed on this machine with `options`.
    #[must_use]
    pub fn gguf(path: impl Into<PathBuf>, options: LocalOptions) -> Self {
        let path = path.into();
        Self::lazy(path.display().to_string(), move || LocalModel::load(&path, &options))
    }

    /// The default model, SmolLM2-135M-Instruct: from the cache, where it is put on the first use (98 MB).
    #[must_use]
    pub fn smollm2(options: LocalOptions) -> Self {
        Self::lazy("the cache", move || -> Result<LocalModel, LoadFailure> {
            let path = fetch::fetch(&mut |_| {})?;
            Ok(LocalModel::load(&path, &options)?)
        })
    }

    /// A GGUF file of a repository of the Hugging Face hub: from the cache, where it is put on the first use.
    ///
    /// `file` is written `OWNER/NAME`, `OWNER/NAME:FILE` or `OWNER/NAME@REVISION:FILE`; a name that can't be one of
    /// the hub's is an error of setup. `HF_ENDPOINT` and `HF_TOKEN` count, as for the hub's own programs.
    ///
    /// ```
    /// use genesis_mesh::{ModelSource, local::LocalOptions};
    /// let source = ModelSource::hub("bartowski/SmolLM2-360M-Instruct-GGUF", LocalOptions::default());
    /// ```
    #[must_use]
    pub fn hub(file: &str, options: LocalOptions) -> Self {
        let named = file.parse::<HubFile>();
        Self::lazy(format!("the hub, {file}"), move || -> Result<LocalModel, LoadFailure> {
            let path = HubFetcher::from_env(named?)?.fetch(&mut |_| ControlFlow::Continue(()))?;
            Ok(LocalModel::load(&path, &options)?)
        })
    }

    /// A stand-in for it, for those who only read what was kept: it answers nobody.
    pub(crate) fn unloaded(self) -> Self {
        match self.kind {
            Kind::Ready(_) => self,
            Kind::Lazy(_) => {
                let description = format!("not loaded, from {}", self.origin);
                let info = ModelInfo { name: self.origin.clone(), context_tokens: None, description };
                Self { origin: self.origin, kind: Kind::Ready(Arc::new(Unloaded { info })) }
            }
        }
    }

    /// Where the model comes from, for error messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The model.
    ///
    /// # Errors
    /// What its recipe says, or that it panicked.
    ///
    /// # Cancel safety
    /// Dropping the future lets a load that runs finish in the background, and drops its model.
    pub(crate) async fn load(self) -> Result<Arc<dyn Model>, LoadFailure> {
        match self.kind {
            Kind::Ready(model) => Ok(model),
            Kind::Lazy(load) => tokio::task::spawn_blocking(load).await?,
        }
    }
}

#[derive(Debug)]
struct Unloaded {
    info: ModelInfo,
}

impl Model for Unloaded {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, _: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        let message = format!("the model of {} was not loaded", self.info.name);
        Box::pin(async move { Err(ModelError::Failed { message }) })
    }
}

impl<M: Model + 'static> From<M> for ModelSource {
    fn from(model: M) -> Self {
        let origin = model.info().description.clone();
        Self { origin, kind: Kind::Ready(Arc::new(model)) }
    }
}

impl fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSource").field("origin", &self.origin).finish_non_exhaustive()
    }
}
