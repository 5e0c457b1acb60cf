//! Threads that are pulled about: branches of branches, old answers, changes of what was.

use super::zoo::{ALL, Shaky};
use crate::graph::ground::{Log, LogUpdate, kept, read, signs};
use genesis_mesh::graph::{
    Command, Context, Durability, Graph, HistoryQuery, NodeError, START, StateChange, StateSnapshot,
};
use genesis_mesh::state::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn asks() -> Graph<Log> {
    let ask = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        Ok(Log::update().log([context.interrupt::<String>("?")?]))
    };
    let graph: Graph<Log> = Graph::builder("asks")
        .node("a", signs("a"))
        .node("ask", ask)
        .node("beside", signs("beside"))
        .node("c", signs("c"))
        .edge(START, "a")
        .edge("a", "ask")
        .edge("a", "beside")
        .join(["ask", "beside"], "c")
        .build()
        .unwrap();
    kept(graph)
}

fn seen(snapshot: &StateSnapshot) -> (Value, Vec<String>) {
    (snapshot.view.values.clone(), snapshot.view.next.iter().map(ToString::to_string).collect())
}

/// Holds what was seen of each checkpoint when it was new against what is seen now.
struct Witness(BTreeMap<genesis_mesh::graph::CheckpointId, (Value, Vec<String>)>);

impl Witness {
    async fn look(&mut self, graph: &Graph<Log>, after: &str) {
        let past = graph.thread("t").history(HistoryQuery::default()).await;
        let past = past.unwrap_or_else(|error| panic!("after {after}: {error:?}"));
        for snapshot in &past {
            let id = snapshot.view.head.unwrap().id;
            let now = seen(snapshot);
            let then = self.0.entry(id).or_insert_with(|| now.clone());
            assert_eq!(*then, now, "after {after}");
            let alone =
                graph.thread("t").state_at(id).await.unwrap_or_else(|e| panic!("after {after}: {e:?}"));
            assert_eq!(seen(&alone), now, "after {after}: alone");
        }
        assert_eq!(past.len(), self.0.len(), "after {after}");
    }
}

#[tokio::test]
async fn every_checkpoint_shows_for_ever_what_it_showed_when_it_was_new() {
    for durability in ALL {
        let graph = asks().with_durability(durability);
        let mut witness = Witness(BTreeMap::new());
        let asked = graph.run(json!({"x": 1})).thread("t").await.unwrap();
        let at = asked.checkpoint().unwrap().id;
        witness.look(&graph, "run").await;
        let a = graph.resume("A").thread("t").await.unwrap();
        assert_eq!(read(&a.state().unwrap()), "a A beside c");
        witness.look(&graph, "A").await;
        // The same question again, with another answer.
        let b = graph.resume("B").thread("t").at(at).await.unwrap();
        // An answer that was taken stands, if the taking was kept.
        let wanted = if durability == Durability::Exit { "a B beside c" } else { "a A beside c" };
        assert_eq!(read(&b.state().unwrap()), wanted, "{durability:?}");
        witness.look(&graph, "B").await;
        let fork = graph.go_on().thread("t").at(at).await.unwrap();
        assert_eq!(fork.interrupts().len(), 1);
        witness.look(&graph, "fork").await;
        let forked = fork.checkpoint().unwrap().id;
        graph.resume("C").thread("t").await.unwrap();
        witness.look(&graph, "C").await;
        let fork = graph.go_on().thread("t").at(forked).await.unwrap();
        witness.look(&graph, "fork of fork").await;
        assert_eq!(fork.interrupts().len(), 1);
        graph
            .thread("t")
            .update_at(Some(at), vec![vec![StateChange::new(json!({"log": ["u"]})).as_node("a")]])
            .await
            .unwrap();
        witness.look(&graph, "update").await;
        let new = graph.go_on().thread("t").await.unwrap();
        assert_eq!(read(&new.state().unwrap()), "a u", "{durability:?}");
        witness.look(&graph, "update, then on").await;
        let done = graph.resume("D").thread("t").await.unwrap();
        assert_eq!(read(&done.state().unwrap()), "a u D beside c", "{durability:?}");
        witness.look(&graph, "D").await;
        let first = *witness.0.keys().next().unwrap();
        graph.go_on().thread("t").at(first).await.unwrap();
        witness.look(&graph, "from the first").await;
    }
}

#[tokio::test]
async fn what_a_caller_writes_on_a_branch_is_written_once_under_every_durability() {
    for durability in ALL {
        let graph = asks().with_durability(durability);
        let asked = graph.run(json!({"x": 1})).thread("t").await.unwrap();
        let at = asked.checkpoint().unwrap().id;
        let command = Command::update(Log::update().log(["told"]));
        let asked = graph.command(command).thread("t").at(at).await.unwrap();
        assert_eq!(asked.interrupts().len(), 1);
        let done = graph.resume("A").thread("t").await.unwrap();
        assert_eq!(read(&done.state().unwrap()), "a told A beside c", "{durability:?}");
    }
}

#[tokio::test]
async fn two_runs_at_once_on_one_thread_leave_a_thread_that_can_be_read_and_go_on() {
    let graph = asks().with_store(Arc::new(Shaky::default()));
    let (one, two) = tokio::join!(
        graph.run(json!({"word": "1"})).thread("t").into_future(),
        graph.run(json!({"word": "2"})).thread("t").into_future()
    );
    assert_eq!((one.unwrap().interrupts().len(), two.unwrap().interrupts().len()), (1, 1));
    let (one, two) = tokio::join!(
        graph.resume("A").thread("t").into_future(),
        graph.resume("B").thread("t").into_future()
    );
    assert_eq!(read(&one.unwrap().state().unwrap()), "a A beside c");
    assert_eq!(read(&two.unwrap().state().unwrap()), "a B beside c");
    graph.thread("t").history(HistoryQuery::default()).await.unwrap();
    let next = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!(next.interrupts().len(), 1);
}
