//! The store as a run sees it: what it keeps in its thread goes through its writer, under its lease.
//!
//! Owns: `LeasedStore`, waiting for a store that can't be read now, and not waiting for ever.
//! Never: lets a run that has lost its lease keep anything.

use super::writer::RunWriter;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::RunStore;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A store whose appends are commits of one run.
pub(super) struct LeasedStore {
    pub(super) store: Arc<dyn RunStore>,
    pub(super) writer: Arc<RunWriter>,
}

/// How long a read waits before it is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// What `read` gives; while the store can't be reached it is asked again. A run does not fail because its store is away: it
/// waits, as its commits do, and whoever drives it stops it if its lease is lost.
pub(super) async fn patient<'a, T>(
    mut read: impl FnMut() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    loop {
        match read().await {
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "a read is tried again");
                tokio::time::sleep(RETRY).await;
            }
            done => return done,
        }
    }
}

/// What a call of the store gives; one that does not return within `bound` has failed. A loop that waits for a call must not
/// wait for ever: the next call may be answered.
pub(super) async fn within<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let silent =
        |_| StoreError::Unavailable { message: format!("no answer within {} ms", bound.as_millis()) };
    timeout(bound, call).await.map_err(silent)?
}

impl fmt::Debug for LeasedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedStore").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Store for LeasedStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(self.writer.keep(key, entries))
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        Box::pin(async move {
            self.writer.settled().await?;
            patient(move || self.store.lineage(key, at)).await
        })
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        Box::pin(async move {
            self.writer.settled().await?;
            patient(move || self.store.history(key, query.clone())).await
        })
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        Box::pin(async move {
            self.writer.settled().await?;
            patient(move || self.store.namespaces(thread)).await
        })
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.copy_thread(from, to)
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.delete_thread(thread)
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.prune_thread(thread)
    }
}
