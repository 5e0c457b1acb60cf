//! The graphs that are attacked, a store that waits and fails when it is told to, and a patient client.

use crate::graph::ground::{Log, LogUpdate, poll_once, read, retryable};
use genesis_mesh::MemoryStore;
use genesis_mesh::graph::{
    Command, Context, Durability, Goto, Graph, GraphRunError, Keep, Namespace, NodeError, NodeSettings,
    Outcome, RetryPolicy, START, Send, Sent, Store,
};
use genesis_mesh::state::Snapshot;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::CheckpointId;
use genesis_mesh_core::store::{Appended, Checkpoint, Entry, HistoryQuery, Link, StoreError, ThreadKey};
use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A store that gives way before and after each call, and fails the call whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Shaky {
    pub(super) inner: MemoryStore,
    /// Calls until the one that fails; negative once that is over.
    pub(super) left: AtomicI64,
    /// Whether the failing call does its work first.
    pub(super) does_first: bool,
    pub(super) is_calm: bool,
}

impl Shaky {
    async fn turn(&self) -> Result<bool, StoreError> {
        if !self.is_calm {
            tokio::task::yield_now().await;
        }
        let fails = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if fails && !self.does_first { Err(broken()) } else { Ok(fails) }
    }

    async fn after<T>(&self, fails: bool, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if !self.is_calm {
            tokio::task::yield_now().await;
        }
        if fails { Err(broken()) } else { result }
    }
}

fn broken() -> StoreError {
    StoreError::Unavailable { message: "shaken".to_owned() }
}

impl Store for Shaky {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let fails = self.turn().await?;
            let result = self.inner.append(key, entries).await;
            self.after(fails, result).await
        })
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        Box::pin(async move {
            let fails = self.turn().await?;
            let result = self.inner.lineage(key, at).await;
            self.after(fails, result).await
        })
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        Box::pin(async move { self.inner.history(key, query).await })
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        self.inner.namespaces(thread)
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.copy_thread(from, to)
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.delete_thread(thread)
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.prune_thread(thread)
    }
}

/// A node that signs after it has given way.
fn slow(
    name: &'static str,
) -> impl Fn(Snapshot<Log>) -> BoxFuture<'static, LogUpdate> + Clone + std::marker::Send + Sync + 'static {
    move |_| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Log::update().log([name])
        })
    }
}

type Asked = Result<LogUpdate, NodeError>;

fn joins() -> Graph<Log> {
    Graph::builder("joins")
        .node("a", slow("a"))
        .node("b", slow("b"))
        .node("b2", slow("b2"))
        .node("c", slow("c"))
        .node_with("late", slow("late"), NodeSettings::new().deferred())
        .edge(START, "a")
        .edge(START, "b")
        .edge(START, "late")
        .edge("b", "b2")
        .join(["a", "b2"], "c")
        .build()
        .unwrap()
}

fn sends() -> Graph<Log> {
    let work = async |sent: Sent<u32>| {
        for _ in 0..*sent {
            tokio::task::yield_now().await;
        }
        Log::update().log([format!("{}", *sent)])
    };
    let fan = |_: &Log| [3_u32, 1, 1, 2].map(|n| Send::to("work", n)).to_vec();
    Graph::builder("sends")
        .node("plan", slow("plan"))
        .node("work", work)
        .node("end", slow("end"))
        .edge(START, "plan")
        .branch_to("plan", fan, ["work"])
        .edge("work", "end")
        .build()
        .unwrap()
}

fn asking(name: &'static str) -> Graph<Log> {
    let ask = move |_: Snapshot<Log>, context: Context| async move {
        tokio::task::yield_now().await;
        let one: String = context.interrupt(format!("{name} one?"))?;
        let two: String = context.interrupt(format!("{name} two?"))?;
        Asked::Ok(Log::update().log([format!("{name}:{one}{two}")]))
    };
    Graph::builder(name)
        .node("first", slow("first"))
        .node("ask", ask)
        .node("last", slow("last"))
        .sequence([START, "first", "ask", "last"])
        .output(["word"])
        .build()
        .unwrap()
}

fn nested(keep: Keep) -> Graph<Log> {
    let pass = async |log: Snapshot<Log>| Log::update().word(format!("{}+{}", log.word, log.log.len()));
    let inner: Graph<Log> = Graph::builder("inner")
        .node("a", slow("ia"))
        .node("b", slow("ib"))
        .node("pass", pass)
        .subgraph_with("asks", &asking("asking"), Keep::Inherit, NodeSettings::new())
        .sequence([START, "a", "b", "asks", "pass"])
        .output(["word"])
        .build()
        .unwrap();
    Graph::builder(if keep == Keep::Own { "own" } else { "nested" })
        .node("before", slow("before"))
        .subgraph_with("inner", &inner, keep, NodeSettings::new())
        .node("after", slow("after"))
        .sequence([START, "before", "inner", "after"])
        .build()
        .unwrap()
}

fn calls() -> Graph<Log> {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let call = |n: u32| {
            context.call("one", move |_| async move {
                for _ in 0..n {
                    tokio::task::yield_now().await;
                }
                Ok::<u32, NodeError>(n)
            })
        };
        let (a, b) = tokio::try_join!(call(2), call(1))?;
        let asked: String = context
            .call("asks", |context: Context| async move {
                tokio::task::yield_now().await;
                context.interrupt::<String>("within?")
            })
            .await?;
        let c = context.call("last", |_| async { Ok::<_, NodeError>("c".to_owned()) }).await?;
        let own: String = context.interrupt("own?")?;
        Ok(Log::update().log([format!("{a}{b}{asked}{c}{own}")]))
    };
    Graph::builder("calls")
        .node("calls", node)
        .node("end", slow("end"))
        .sequence([START, "calls", "end"])
        .build()
        .unwrap()
}

fn retries() -> Graph<Log> {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        tokio::task::yield_now().await;
        match context.attempt() {
            1 => Err(retryable("first")),
            attempt => Ok(Log::update().log([format!("attempt {attempt}")])),
        }
    };
    let fails = async |_: Snapshot<Log>| -> Asked {
        tokio::task::yield_now().await;
        Err(NodeError::new("Wrong", "for good"))
    };
    Graph::builder("retries")
        .node_with("flaky", node, NodeSettings::new().retry(now(3)))
        .node("fails", fails)
        .error_handler("fails", slow("handled"))
        .node("end", slow("end"))
        .edge(START, "flaky")
        .edge(START, "fails")
        .join(["flaky", "fails"], "end")
        .edge("flaky", "end")
        .build()
        .unwrap()
}

/// Tries at once.
pub(super) fn now(attempts: u32) -> RetryPolicy {
    RetryPolicy { initial_interval: Duration::ZERO, has_jitter: false, ..RetryPolicy::attempts(attempts) }
}

fn loops() -> Graph<Log> {
    let turn = async |log: Snapshot<Log>| {
        tokio::task::yield_now().await;
        let goto = if log.x < 4 { Goto::from("turn") } else { Goto::from("end") };
        Command::update(Log::update().x(log.x + 1).log([format!("{}", log.x)])).and_goto(goto)
    };
    Graph::builder("loops")
        .node_with("turn", turn, NodeSettings::new().ends(["turn", "end"]))
        .node("end", slow("end"))
        .edge(START, "turn")
        .build()
        .unwrap()
}

/// A question within a call within a subgraph within two sends.
fn deep() -> Graph<Log> {
    let node = async |log: Snapshot<Log>, context: Context| -> Asked {
        let x = log.x;
        let asked: String = context
            .call("asks", move |context: Context| async move {
                tokio::task::yield_now().await;
                context.interrupt::<String>(x)
            })
            .await?;
        Ok(Log::update().log([format!("{x}={asked}")]))
    };
    let child: Graph<Log> = Graph::builder("child")
        .node("begin", slow("begin"))
        .node("node", node)
        .sequence([START, "begin", "node"])
        .output(["log"])
        .build()
        .unwrap();
    let fan = |_: &Log| vec![Send::to("child", json!({"x": 1})), Send::to("child", json!({"x": 2}))];
    Graph::builder("deep")
        .node("plan", slow("plan"))
        .subgraph("child", &child)
        .node("end", slow("end"))
        .edge(START, "plan")
        .branch_to("plan", fan, ["child"])
        .edge("child", "end")
        .build()
        .unwrap()
}

/// All graphs, with what their logs say in the end.
pub(super) fn zoo() -> Vec<Graph<Log>> {
    vec![joins(), sends(), nested(Keep::Inherit), nested(Keep::Own), calls(), retries(), loops(), deep()]
}

pub(super) const ALL: [Durability; 3] = [Durability::Sync, Durability::Async, Durability::Exit];

/// One move of a client who looks where the thread stands: begins, answers `A`, or goes on; polls `polls` times at most.
pub(super) async fn step(graph: &Graph<Log>, polls: usize) -> Result<Option<Outcome<Log>>, GraphRunError> {
    let state = graph.thread("t").state().await?;
    let open = state.interrupts();
    let request = if state.checkpoint.is_none() {
        graph.run(json!({"x": 0}))
    } else if open.is_empty() {
        graph.go_on()
    } else {
        graph.resume_each(open.into_iter().map(|asked| (asked.id, json!("A"))).collect())
    };
    let mut run = request.thread("t").into_future();
    for _ in 0..polls {
        if let std::task::Poll::Ready(ended) = poll_once(&mut run).await {
            return ended.map(Some);
        }
        tokio::task::yield_now().await;
    }
    Ok(None)
}

/// What the thread comes to if nobody disturbs it.
pub(super) async fn settle(graph: &Graph<Log>) -> Result<String, GraphRunError> {
    for _ in 0..20 {
        if let Some(outcome) = step(graph, 100_000).await?
            && outcome.is_done()
        {
            let log = outcome.state().unwrap();
            return Ok(format!("{} | {} | {}", read(&log), log.word, log.x));
        }
    }
    panic!("the thread does not come to its end: {:?}", graph.thread("t").state().await);
}
