//! Functions as graphs: a plain async function whose calls are kept, over the same machine.
//!
//! Owns: what such a function returns, and what it keeps for its next run.
//! Never: needs a state; the argument comes in, the return value goes out.

use genesis_mesh_core::state::ChannelValue;
use serde::Serialize;
use std::sync::Arc;

/// What a function returns beside what it keeps for its next run on the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final<T, K> {
    /// What the caller gets.
    pub value: T,
    /// What `Context::previous` gives next time.
    pub save: K,
}

pub(super) type Shared = Arc<dyn ChannelValue>;

/// A type that a function can return.
pub trait IntoFinal {
    /// What the caller gets, and what is kept.
    fn into_final(self) -> (Arc<dyn ChannelValue>, Arc<dyn ChannelValue>);
}

impl<T: Serialize + Clone + Send + Sync + 'static> IntoFinal for T {
    fn into_final(self) -> (Shared, Shared) {
        let value: Shared = Arc::new(self);
        (Arc::clone(&value), value)
    }
}

impl<T, K> IntoFinal for Final<T, K>
where
    T: Serialize + Clone + Send + Sync + 'static,
    K: Serialize + Clone + Send + Sync + 'static,
{
    fn into_final(self) -> (Shared, Shared) {
        (Arc::new(self.value), Arc::new(self.save))
    }
}
