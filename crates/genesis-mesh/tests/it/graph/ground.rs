//! What the tests of graphs stand on: a small state, nodes that sign a log, a clock that is set by hand.

use genesis_mesh::graph::{Ambient, Graph, GraphStream, NodeError, StreamPart};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{MemoryStore, State};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::task::Poll;

#[derive(Debug, Clone, Default, serde::Serialize, State)]
pub(crate) struct Log {
    pub(crate) x: i64,
    pub(crate) word: String,
    #[reduce(append)]
    pub(crate) log: Vec<String>,
}

/// A node that writes its name to the log.
pub(crate) fn signs(
    name: &'static str,
) -> impl Fn(Snapshot<Log>) -> std::future::Ready<LogUpdate> + Clone + Send + Sync + 'static {
    move |_| std::future::ready(Log::update().log([name]))
}

/// What a log says, in one line.
pub(crate) fn read(log: &Log) -> String {
    log.log.join(" ")
}

pub(crate) fn kept<S: State>(graph: Graph<S>) -> Graph<S> {
    graph.with_store(Arc::new(MemoryStore::new()))
}

/// All parts of a stream that comes to its end.
pub(crate) async fn parts<S>(mut stream: GraphStream<S>) -> Vec<StreamPart> {
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await {
        parts.push(part.unwrap());
    }
    parts
}

/// The data of all parts of a stream that comes to its end.
pub(crate) async fn data<S>(stream: GraphStream<S>) -> Vec<Value> {
    parts(stream).await.into_iter().map(|part| part.data).collect()
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Counts; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicU32>);

impl Count {
    /// Counts one more, and gives the number.
    pub(crate) fn one(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts when it is dropped.
    pub(crate) fn guard(&self) -> Guard {
        Guard(self.clone())
    }
}

pub(crate) struct Guard(Count);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.one();
    }
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub(crate) struct Clock(pub(crate) AtomicI64);

impl Ambient for Clock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn random(&self) -> u64 {
        7
    }
}

pub(crate) fn retryable(message: &str) -> NodeError {
    NodeError::new("Flaky", message).retryable()
}
