//! Tasks of this crate: what lanes and buses do in the background.
//!
//! Owns: the one place that spawns.
//! Never: outlives its owner: a task that was not told to end is stopped when its owner is dropped.

use tokio::task::JoinHandle;

/// A task that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Begins a task on the runtime of the caller.
    pub(crate) fn begin(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins a task that ends by itself: when its queue is closed, and what was in it is done.
pub(crate) fn begin_draining(work: impl Future<Output = ()> + Send + 'static) {
    drop(spawn(work));
}

fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of tasks in this crate; their owners stop them"
    )]
    tokio::spawn(work)
}
