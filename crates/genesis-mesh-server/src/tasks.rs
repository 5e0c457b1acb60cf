//! Tasks: the one place that spawns, and the tree of tokens that stops what was spawned.
//!
//! Owns: the kinds of tasks, their counts, and the three steps of stopping: stop, end, abort.
//! Never: knows what a task does.
//! Flow: `app::run` cancels the tokens from the leaf to the root; tasks watch the ones that concern them.

use std::future::Future;
use tokio_util::future::FutureExt;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// What a task is for, which decides who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// One HTTP connection: closed at the end, nobody waits for idle ones.
    Connection,
    /// One WebSocket: finishes its run after the stop, closes at the end.
    Socket,
    /// What a client has left to be done: its run is stopped, perhaps after a grace. Nobody waits for it.
    Errand,
}

/// An answer over HTTP that is being made: the stop waits until it is dropped.
#[derive(Debug)]
pub(crate) struct AnswerToken {
    _token: TaskTrackerToken,
}

/// All tasks of one server; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    connections: TaskTracker,
    sockets: TaskTracker,
    answers: TaskTracker,
    errands: TaskTracker,
    abort: CancellationToken,
    end: CancellationToken,
    stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        let abort = CancellationToken::new();
        let end = abort.child_token();
        let stop = end.child_token();
        Self {
            connections: TaskTracker::new(),
            sockets: TaskTracker::new(),
            answers: TaskTracker::new(),
            errands: TaskTracker::new(),
            abort,
            end,
            stop,
        }
    }

    /// Runs `task` until it finishes or everything is aborted.
    pub(crate) fn spawn(&self, kind: TaskKind, task: impl Future<Output = ()> + Send + 'static) {
        let tracker = match kind {
            TaskKind::Connection => &self.connections,
            TaskKind::Socket => &self.sockets,
            TaskKind::Errand => &self.errands,
        };
        // No async block: it would hold the task twice, and there is one task for each idle socket.
        let tracked = tracker.track_future(task.with_cancellation_token_owned(self.abort.clone()));
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that spawns: counted, and stopped by the tree"
        )]
        drop(tokio::spawn(tracked));
    }

    /// Resolves when nothing new may begin; what runs may finish.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Resolves when everything must close now, with its farewell.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.end
    }

    /// Drops every task where it is, once the guard is dropped.
    pub(crate) fn abort_guard(&self) -> DropGuard {
        self.abort.clone().drop_guard()
    }

    /// Counts an answer over HTTP, which is no task of its own, until the token is dropped.
    pub(crate) fn answer(&self) -> AnswerToken {
        AnswerToken { _token: self.answers.token() }
    }

    /// How many connections are open that did not become sockets.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How many sockets are open.
    pub(crate) fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    /// Resolves when no socket is open; call it after the stop, or new ones may come.
    pub(crate) async fn sockets_closed(&self) {
        self.sockets.close();
        self.sockets.wait().await;
    }

    /// Resolves when no answer over HTTP is being made; call it after the stop, or new ones may come.
    pub(crate) async fn answers_made(&self) {
        self.answers.close();
        self.answers.wait().await;
    }

    /// Resolves when no connection and no socket is open.
    pub(crate) async fn all_closed(&self) {
        self.connections.close();
        self.connections.wait().await;
        self.sockets_closed().await;
    }
}
