//! Tasks: the one place of this crate that spawns, for work that no reader drives.
//!
//! Owns: the tracker of a runner's tasks and the token that ends them.
//! Never: knows what a task does.
//! Flow: `work.rs` ends them after the stop, in order or because it was dropped.

use std::future::Future;
use tokio_util::future::FutureExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The tasks of one runner.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl Tasks {
    /// Runs `task` until it ends, or until all are ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.tracker.track_future(task.with_cancellation_token_owned(self.abort.clone()));
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that spawns: counted, and ended with its owner"
        )]
        drop(tokio::spawn(task));
    }

    /// Drops every task where it is, once the guard is dropped.
    pub(super) fn abort_guard(&self) -> DropGuard {
        self.abort.clone().drop_guard()
    }

    /// Returns when all tasks are ended, and no other begins.
    pub(super) async fn ended(&self) {
        self.abort.cancelled().await;
    }

    /// Drops every task where it is, and returns when all are gone.
    pub(super) async fn end(&self) {
        self.abort.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
