//! Model sources: a model that is there, or the recipe by which setup makes one.
//!
//! Owns: what `GenesisMesh::model` accepts, and loading without holding up the async threads.
//! Never: keeps a model; the mesh does.
//! Flow: declared on the builder, loaded by `GenesisMesh::setup`, all sources at the same time.

use genesis_mesh_core::Model;
use std::error::Error;
use std::fmt;
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
