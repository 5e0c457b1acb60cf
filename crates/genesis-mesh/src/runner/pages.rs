//! Pages of a log on their way from the store: who asks for the same page while it is on its way shares it.
//!
//! Owns: the reads that are under way.
//! Never: keeps a page; the tail of the log does, and who has read it.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use genesis_mesh_core::log::{LogEvent, RunStore, Seq};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// So many events are read from the store at one time.
pub(super) const PAGE: usize = 512;

type Read = BoxFuture<'static, Result<Arc<[LogEvent]>, StoreError>>;

/// The reads of one run's log that are under way, by their cursors.
#[derive(Default)]
pub(super) struct Pages(Mutex<HashMap<Seq, WeakShared<Read>>>);

impl Pages {
    /// The events after `cursor`, a page of them at most.
    pub(super) fn read(&self, store: &Arc<dyn RunStore>, run: RunId, cursor: Seq) -> Shared<Read> {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = reads.get(&cursor).and_then(WeakShared::upgrade);
        if let Some(read) = under_way.filter(|read| read.peek().is_none()) {
            return read;
        }
        let store = Arc::clone(store);
        let read = async move { store.events(run, cursor, PAGE).await.map(Arc::from) };
        let read = read.boxed().shared();
        reads.retain(|_, read| read.upgrade().is_some());
        if let Some(weak) = read.downgrade() {
            reads.insert(cursor, weak);
        }
        read
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}
