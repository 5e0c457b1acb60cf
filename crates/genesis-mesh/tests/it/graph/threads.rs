//! Threads: what is kept when, histories, forks, changes from outside, drained and dropped runs.

use super::ground::{Count, Log, LogUpdate, kept, poll_once, read, signs};
use genesis_mesh::MemoryStore;
use genesis_mesh::graph::{
    Context, Durability, Graph, HistoryQuery, INPUT, NodeError, START, StateChange, StateSnapshot, Store,
};
use genesis_mesh::state::Snapshot;
use serde_json::json;
use std::sync::Arc;

fn chain() -> Graph<Log> {
    Graph::builder("chain")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .node("c", signs("c"))
        .sequence([START, "a", "b", "c"])
        .build()
        .unwrap()
}

async fn history(graph: &Graph<Log>, thread: &str) -> Vec<StateSnapshot> {
    graph.thread(thread).history(HistoryQuery::default()).await.unwrap()
}

fn log_of(snapshot: &StateSnapshot) -> String {
    let log = snapshot.view.values.get("log").and_then(|log| log.as_array()).cloned().unwrap_or_default();
    log.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" ")
}

fn next_of(snapshot: &StateSnapshot) -> Vec<&str> {
    snapshot.view.next.iter().map(|next| &**next).collect()
}

#[tokio::test]
async fn a_thread_remembers_its_state_from_run_to_run_and_others_do_not_see_it() {
    let graph = kept(chain());
    graph.run(json!({"x": 1})).thread("t").await.unwrap();
    let again = graph.run(json!({"word": "two"})).thread("t").await.unwrap();
    let state = again.state().unwrap();
    assert_eq!((state.x, read(&state).as_str()), (1, "a b c a b c"));
    let other = graph.run(json!({})).thread("u").await.unwrap();
    assert_eq!(read(&other.state().unwrap()), "a b c");
    assert_eq!(read(&graph.run(json!({})).await.unwrap().state().unwrap()), "a b c");
}

#[tokio::test]
async fn each_durability_keeps_as_many_checkpoints_as_it_says_and_the_same_state() {
    for (durability, wanted) in [(Durability::Sync, 5), (Durability::Async, 5), (Durability::Exit, 1)] {
        let graph = kept(chain()).with_durability(durability);
        graph.run(json!({"x": 1})).thread("t").await.unwrap();
        let past = history(&graph, "t").await;
        assert_eq!(past.len(), wanted, "{durability:?}");
        assert_eq!((log_of(&past[0]).as_str(), next_of(&past[0])), ("a b c", vec![]), "{durability:?}");
        let again = graph.run(json!({})).thread("t").await.unwrap();
        assert_eq!(again.state().unwrap().log.len(), 6, "{durability:?}");
        assert_eq!(history(&graph, "t").await.len(), 2 * wanted, "{durability:?}");
    }
}

#[tokio::test]
async fn a_run_that_fails_or_asks_can_go_on_under_every_durability() {
    for durability in [Durability::Sync, Durability::Async, Durability::Exit] {
        let count = Count::default();
        let fails_once = {
            let count = count.clone();
            move |_: Snapshot<Log>, context: Context| {
                let result = match count.one() {
                    1 => Err(NodeError::new("First", "fails")),
                    _ => context.interrupt::<String>("go on?"),
                };
                std::future::ready(result.map(|answer| Log::update().log([answer])))
            }
        };
        let graph: Graph<Log> = Graph::builder("goes on")
            .node("a", signs("a"))
            .node("b", fails_once)
            .node("c", signs("c"))
            .sequence([START, "a", "b", "c"])
            .build()
            .unwrap();
        let graph = kept(graph).with_durability(durability);
        graph.run(json!({"x": 1})).thread("t").await.unwrap_err();
        let asked = graph.go_on().thread("t").await.unwrap();
        assert_eq!(asked.interrupts().len(), 1, "{durability:?}");
        let done = graph.resume("b").thread("t").await.unwrap();
        assert_eq!(read(&done.state().unwrap()), "a b c", "{durability:?}");
        assert_eq!(count.get(), 3, "{durability:?}");
    }
}

#[tokio::test]
async fn a_history_shows_each_step_newest_first_and_takes_bounds_and_filters() {
    let graph = kept(chain());
    graph.run(json!({"x": 1})).thread("t").metadata("user", "Ada").await.unwrap();
    let past = history(&graph, "t").await;
    assert_eq!(past.iter().map(log_of).collect::<Vec<_>>(), ["a b c", "a b", "a", "", ""]);
    assert_eq!(
        past.iter().map(|past| next_of(past).join("")).collect::<Vec<_>>(),
        ["", "c", "b", "a", START]
    );
    let steps: Vec<i64> = past.iter().map(|past| past.view.head.unwrap().step).collect();
    assert_eq!(steps, [3, 2, 1, 0, -1]);
    assert!(past.iter().all(|past| past.checkpoint.as_ref().unwrap().metadata["user"] == "Ada"));

    let before = past[1].view.head.map(|head| head.id);
    let ask =
        async |query| graph.thread("t").history(query).await.unwrap().iter().map(log_of).collect::<Vec<_>>();
    assert_eq!(ask(HistoryQuery { before, ..HistoryQuery::default() }).await, ["a", "", ""]);
    assert_eq!(ask(HistoryQuery { limit: Some(2), ..HistoryQuery::default() }).await, ["a b c", "a b"]);
    let filter = json!({"source": "input"}).as_object().cloned().unwrap();
    assert_eq!(ask(HistoryQuery { filter, ..HistoryQuery::default() }).await, [""]);
}

#[tokio::test]
async fn a_run_from_an_old_checkpoint_makes_a_branch_and_keeps_what_was() {
    let graph = kept(chain());
    graph.run(json!({})).thread("t").await.unwrap();
    let past = history(&graph, "t").await;
    let after_a = past[2].view.head.unwrap();
    let fork = graph.go_on().thread("t").at(after_a.id).await.unwrap();
    assert_eq!(read(&fork.state().unwrap()), "a b c");
    let now = history(&graph, "t").await;
    assert_eq!(now.len(), past.len() + 3);
    assert_eq!(log_of(&graph.thread("t").state_at(past[0].view.head.unwrap().id).await.unwrap()), "a b c");
    let parent = now.iter().find(|other| other.view.head.unwrap().parent == Some(after_a.id));
    assert!(parent.is_some(), "the branch begins at the checkpoint");

    let unknown = graph.thread("u").state_at(after_a.id).await.unwrap_err();
    assert_eq!(unknown.code(), "checkpoint_not_found");
}

#[tokio::test]
async fn a_change_from_outside_writes_as_the_node_that_ran_last_and_its_edges_follow() {
    let graph = kept(chain());
    graph.run(json!({})).thread("t").interrupt_after(["a"]).await.unwrap();
    let thread = graph.thread("t");
    thread.update(StateChange::new(json!({"log": ["edited"]}))).await.unwrap();
    let state = thread.state().await.unwrap();
    assert_eq!((log_of(&state).as_str(), next_of(&state)), ("a edited", vec!["b"]));
    thread.update(StateChange::new(Log::update().x(7)).as_node("b")).await.unwrap();
    let done = graph.go_on().thread("t").await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), done.state().unwrap().x), ("a edited c", 7));
}

#[tokio::test]
async fn a_change_can_act_as_the_input_end_the_run_or_come_in_several_steps() {
    let graph = kept(chain());
    let thread = graph.thread("t");
    thread.update(StateChange::new(json!({"x": 3})).as_node(INPUT)).await.unwrap();
    assert_eq!(next_of(&thread.state().await.unwrap()), [START]);
    thread.update(StateChange::end()).await.unwrap();
    assert!(next_of(&thread.state().await.unwrap()).is_empty());

    let as_node = |word: &str, node: &str| StateChange::new(json!({"log": [word]})).as_node(node);
    let steps = vec![vec![as_node("1", "a")], vec![as_node("2", "b"), as_node("3", "a")]];
    thread.update_at(None, steps).await.unwrap();
    let state = thread.state().await.unwrap();
    assert_eq!((log_of(&state).as_str(), next_of(&state)), ("1 2 3", vec!["b", "c"]));
}

#[tokio::test]
async fn a_change_that_is_not_clear_or_does_not_fit_changes_nothing() {
    let graph: Graph<Log> = Graph::builder("two")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .edge(START, "a")
        .edge(START, "b")
        .build()
        .unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let before = history(&graph, "t").await.len();
    let thread = graph.thread("t");
    let refused = async |change: StateChange<Log>| thread.update(change).await.unwrap_err();
    let unclear = refused(StateChange::new(json!({"x": 1}))).await;
    assert_eq!(unclear.code(), "invalid_update");
    assert!(unclear.to_string().contains("as_node"), "{unclear}");
    assert_eq!(refused(StateChange::new(json!({"x": 1})).as_node("c")).await.code(), "invalid_update");
    assert_eq!(refused(StateChange::new(json!({"x": "one"})).as_node("a")).await.code(), "invalid_input");
    assert_eq!(thread.update_at(None, vec![]).await.unwrap_err().code(), "invalid_update");
    assert_eq!(history(&graph, "t").await.len(), before);
}

#[tokio::test]
async fn a_drained_run_ends_its_step_keeps_it_and_goes_on_later() {
    let node = async |_: Snapshot<Log>, context: Context| {
        context.drain();
        Log::update().log(["drains"])
    };
    let graph: Graph<Log> = Graph::builder("drained")
        .node("drains", node)
        .node("b", signs("b"))
        .sequence([START, "drains", "b"])
        .build()
        .unwrap();
    let graph = kept(graph);
    let stopped = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!((stopped.is_drained(), stopped.is_done()), (true, false));
    assert_eq!(read(&stopped.state().unwrap()), "drains");
    let done = graph.go_on().thread("t").await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), done.is_drained()), ("drains b", false));

    // From outside, before it began: the input is kept and nothing has run.
    let request = graph.run(json!({"x": 1})).thread("u");
    request.drain_handle().drain();
    let stopped = request.await.unwrap();
    assert_eq!((stopped.is_drained(), read(&stopped.state().unwrap()).as_str()), (true, ""));
    assert_eq!(next_of(&graph.thread("u").state().await.unwrap()).len(), 1);
}

#[tokio::test]
async fn a_run_that_is_dropped_stops_its_nodes_and_its_thread_goes_on_where_it_stood() {
    let (started, stopped) = (Count::default(), Count::default());
    let waits = {
        let (started, stopped) = (started.clone(), stopped.clone());
        move |_: Snapshot<Log>| {
            let (attempt, guard) = (started.one(), stopped.guard());
            async move {
                let _guard = guard;
                if attempt <= 2 {
                    std::future::pending::<()>().await;
                }
                Log::update().log([format!("{attempt}")])
            }
        }
    };
    let graph: Graph<Log> = Graph::builder("dropped")
        .node("a", signs("a"))
        .node("waits", waits.clone())
        .node("waits too", waits)
        .sequence([START, "a", "waits"])
        .edge("a", "waits too")
        .build()
        .unwrap();
    let graph = kept(graph);
    let mut run = graph.run(json!({})).thread("t").into_future();
    while started.get() < 2 {
        assert!(poll_once(&mut run).await.is_pending());
        tokio::task::yield_now().await;
    }
    drop(run);
    while stopped.get() < 2 {
        tokio::task::yield_now().await;
    }
    let state = graph.thread("t").state().await.unwrap();
    assert_eq!((log_of(&state).as_str(), next_of(&state)), ("a", vec!["waits", "waits too"]));
    let done = graph.go_on().thread("t").await.unwrap();
    assert_eq!(read(&done.state().unwrap()), "a 3 4");
}

#[tokio::test]
async fn a_thread_can_be_copied_and_deleted() {
    let graph = kept(chain());
    graph.run(json!({"x": 1})).thread("t").interrupt_after(["a"]).await.unwrap();
    assert!(graph.thread("t").copy_to("u").await.unwrap());
    assert!(graph.thread("t").delete().await.unwrap());
    assert!(!graph.thread("t").delete().await.unwrap());
    assert_eq!(graph.go_on().thread("t").await.unwrap_err().code(), "empty_input");
    let outcome = graph.go_on().thread("u").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "a b c");
    assert!(!graph.thread("nobody").copy_to("v").await.unwrap());
}

#[tokio::test]
async fn what_one_process_kept_another_reads_with_its_own_graph() {
    let store = Arc::new(MemoryStore::new());
    let ask = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        Ok(Log::update().log([context.interrupt::<String>("?")?]))
    };
    let build = || {
        let graph: Graph<Log> = Graph::builder("same")
            .node("a", signs("a"))
            .node("ask", ask)
            .sequence([START, "a", "ask"])
            .build()
            .unwrap();
        graph.with_store(Arc::clone(&store) as Arc<dyn Store>)
    };
    build().run(json!({})).thread("t").await.unwrap();
    let outcome = build().resume("yes").thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "a yes");
}
