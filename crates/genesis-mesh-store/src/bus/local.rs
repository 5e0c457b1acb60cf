//! The bus of one process.
//!
//! Owns: nothing but its hub.
//! Never: loses a hint, unless its reader is far behind; then it says so.

use super::hub::Hub;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, BusError, Hint, Hints, Topic};
use std::fmt;
use std::sync::Arc;

/// Carries hints within one process. Dropping it ends all subscriptions.
#[derive(Default)]
pub struct LocalBus {
    hub: Arc<Hub>,
}

impl LocalBus {
    /// A bus without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Bus for LocalBus {
    fn publish(&self, hint: Hint) {
        self.hub.tell(hint);
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<Hints, BusError>> {
        let hints = self.hub.subscribe(topic);
        Box::pin(async move { Ok(hints) })
    }
}

impl Drop for LocalBus {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBus").field("subscriptions", &self.hub.len()).finish()
    }
}
