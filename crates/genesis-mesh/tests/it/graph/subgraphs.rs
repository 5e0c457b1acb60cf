//! Subgraphs: shared and mapped state, where their history is kept, commands to the graph around them.

use super::ground::{Count, Log, LogUpdate, kept, read, signs};
use genesis_mesh::State;
use genesis_mesh::graph::{Command, Context, Graph, Keep, NodeError, NodeSettings, START, Send};
use genesis_mesh::state::Snapshot;
use serde_json::json;

#[derive(Debug, Clone, Default, State)]
struct Other {
    text: String,
    #[reduce(add)]
    total: u32,
}

fn inner() -> Graph<Log> {
    let counts = async |log: Snapshot<Log>| Log::update().x(log.x + 1).log([format!("inner x={}", log.x)]);
    Graph::builder("inner").node("counts", counts).entry("counts").build().unwrap()
}

#[tokio::test]
async fn a_subgraph_shares_channels_by_name_and_its_values_come_back_through_the_reducers() {
    let graph: Graph<Log> = Graph::builder("outer")
        .node("before", signs("before"))
        .subgraph("inner", &inner())
        .node("after", signs("after"))
        .sequence([START, "before", "inner", "after"])
        .build()
        .unwrap();
    let outcome = graph.run(json!({"x": 4})).await.unwrap();
    let log = outcome.state().unwrap();
    // The whole list of the child is appended, as it is in LangGraph.
    assert_eq!((log.x, read(&log).as_str()), (5, "before before inner x=4 after"));
}

#[tokio::test]
async fn a_subgraph_with_a_state_of_its_own_is_entered_and_left_by_functions() {
    let double = async |other: Snapshot<Other>| Other::update().text(other.text.repeat(2)).total(7);
    let child: Graph<Other> = Graph::builder("child").node("double", double).entry("double").build().unwrap();
    let graph: Graph<Log> = Graph::builder("outer")
        .subgraph_mapped(
            "child",
            &child,
            |log: &Log| Other::update().text(log.word.clone()).total(1),
            |other: Snapshot<Other>| Log::update().word(other.text.clone()).x(i64::from(other.total)),
        )
        .entry("child")
        .build()
        .unwrap();
    let outcome = graph.run(json!({"word": "ab"})).await.unwrap();
    let log = outcome.state().unwrap();
    assert_eq!((log.word.as_str(), log.x, read(&log).as_str()), ("abab", 8, ""));
}

#[tokio::test]
async fn a_question_within_a_subgraph_goes_on_there_and_runs_no_ended_node_again() {
    let (outer, first) = (Count::default(), Count::default());
    let counted = |count: &Count, name: &'static str| {
        let count = count.clone();
        move |_: Snapshot<Log>| {
            count.one();
            std::future::ready(Log::update().log([name]))
        }
    };
    let ask = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        Ok(Log::update().word(context.interrupt::<String>("word?")?))
    };
    let child: Graph<Log> = Graph::builder("child")
        .node("first", counted(&first, "first"))
        .node("ask", ask)
        .sequence([START, "first", "ask"])
        .build()
        .unwrap();
    let graph: Graph<Log> = Graph::builder("outer")
        .node("outer", counted(&outer, "outer"))
        .subgraph("child", &child)
        .sequence([START, "outer", "child"])
        .build()
        .unwrap();
    let graph = kept(graph);
    let asked = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!(asked.interrupts()[0].value, json!("word?"));
    let state = graph.thread("t").state_with_subgraphs().await.unwrap();
    let within = state.subgraphs.values().next().unwrap();
    assert_eq!(within.view.values["log"], json!(["outer", "first"]));
    assert_eq!(within.view.next.iter().map(|next| &**next).collect::<Vec<_>>(), ["ask"]);

    let done = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!(done.state().unwrap().word, "yes");
    assert_eq!((outer.get(), first.get()), (1, 1));
}

/// `seen` is the child's own: the graph around it has no such channel.
#[derive(Debug, Clone, Default, State)]
struct Diary {
    text: String,
    #[reduce(add)]
    seen: u32,
}

/// A child that counts in its own state how often it ran, and asks if it is told to.
fn diary(counted: &Count) -> Graph<Diary> {
    let counted = counted.clone();
    let count = move |_: Snapshot<Diary>| {
        counted.one();
        std::future::ready(Diary::update().seen(1))
    };
    let tell = async |diary: Snapshot<Diary>, context: Context| -> Result<DiaryUpdate, NodeError> {
        if diary.text == "ask" {
            context.interrupt::<()>("?")?;
        }
        Ok(Diary::update().text(diary.seen.to_string()))
    };
    Graph::builder("diary")
        .node("count", count)
        .node("tell", tell)
        .sequence([START, "count", "tell"])
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_subgraph_keeps_its_state_with_its_task_for_the_thread_or_not_at_all() {
    // What the child saw in three runs, and how often it counted when it was stopped by a question and resumed.
    let all = [
        (Keep::Inherit, ["1", "1", "1"], 1),
        (Keep::Own, ["1", "2", "3"], 1),
        (Keep::Nothing, ["1", "1", "1"], 2),
    ];
    for (keep, wanted, runs) in all {
        let counted = Count::default();
        let graph: Graph<Other> = Graph::builder("outer")
            .subgraph_with("diary", &diary(&counted), keep, NodeSettings::new())
            .edge(START, "diary")
            .build()
            .unwrap();
        let graph = kept(graph);
        for wanted in wanted {
            let outcome = graph.run(json!({"text": ""})).thread("t").await.unwrap();
            assert_eq!(outcome.state().unwrap().text, wanted, "{keep:?}");
        }
        let before = counted.get();
        graph.run(json!({"text": "ask"})).thread("u").await.unwrap();
        graph.resume(()).thread("u").await.unwrap();
        assert_eq!(counted.get() - before, runs, "{keep:?}");
    }
}

#[tokio::test]
async fn a_command_to_the_parent_ends_the_subgraph_and_writes_and_goes_there() {
    let leave = async |_: Snapshot<Other>| {
        Command::<Other>::to_parent(Command::update(Log::update().word("from within")).and_goto("there"))
    };
    let never = Count::default();
    let counted = {
        let never = never.clone();
        move |_: Snapshot<Other>| {
            never.one();
            std::future::ready(())
        }
    };
    let child: Graph<Other> = Graph::builder("child")
        .node("leave", leave)
        .node("never", counted)
        .sequence([START, "leave", "never"])
        .build()
        .unwrap();
    let graph: Graph<Log> = Graph::builder("outer")
        .subgraph_with("child", &child, Keep::Inherit, NodeSettings::new().ends(["there"]))
        .node("there", signs("there"))
        .edge(START, "child")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    let log = outcome.state().unwrap();
    assert_eq!((log.word.as_str(), read(&log).as_str(), never.get()), ("from within", "there", 0));
    let alone = child.run(json!({})).await.unwrap_err();
    assert!(alone.to_string().contains("no graph around"), "{alone}");
}

#[tokio::test]
async fn a_send_to_a_subgraph_gives_it_an_input_of_its_own() {
    let sends = |_: &Log| vec![Send::to("inner", json!({"x": 10})), Send::to("inner", json!({"x": 20}))];
    let child = async |log: Snapshot<Log>| Log::update().log([format!("{}", log.x)]);
    let child: Graph<Log> =
        Graph::builder("inner").node("node", child).entry("node").output(["log"]).build().unwrap();
    let graph: Graph<Log> =
        Graph::builder("outer").subgraph("inner", &child).branch_to(START, sends, ["inner"]).build().unwrap();
    let outcome = graph.run(json!({"x": 1})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "10 20");
}

#[tokio::test]
async fn a_failure_within_names_the_node_that_failed() {
    let fails = async |_: Snapshot<Log>| Err::<(), _>(NodeError::new("Deep", "down there"));
    let child: Graph<Log> = Graph::builder("child").node("deep", fails).entry("deep").build().unwrap();
    let graph: Graph<Log> = Graph::builder("outer").subgraph("child", &child).entry("child").build().unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    assert!(error.to_string().contains("child") && error.to_string().contains("down there"), "{error}");
}
