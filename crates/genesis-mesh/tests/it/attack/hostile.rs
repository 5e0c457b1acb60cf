//! Names, numbers and JSON that nobody would choose.

use crate::graph::ground::{Log, kept, parts, read, signs};
use genesis_mesh::State;
use genesis_mesh::graph::{
    CheckpointId, Context, Graph, HistoryQuery, Namespace, START, StateChange, StreamMode,
};
use genesis_mesh::state::{DynShape, DynState, Snapshot};
use genesis_mesh_core::run::{FactRecord, TaskPath, WriteRecord};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn nodes_may_have_any_name_that_is_not_refused() {
    let names = ["ü", "日本語", "node_error_handler", "a b", "\n", "\"", "🙂", "$writes", "*"];
    for name in names {
        for path in [TaskPath::Pull(Arc::from(name)), TaskPath::PullHandler(Arc::from(name))] {
            let json = serde_json::to_value(&path).unwrap();
            assert_eq!(serde_json::from_value::<TaskPath>(json).unwrap(), path);
        }
        let built = Graph::<Log>::builder(name)
            .node(name, signs("n"))
            .node("end", signs("end"))
            .edge(START, name)
            .edge(name, "end")
            .build();
        let Ok(graph) = built else { continue };
        let graph = kept(graph);
        let _ = graph.to_mermaid();
        let done = graph.run(json!({})).thread(name).await.unwrap();
        assert_eq!(read(&done.state().unwrap()), "n end", "{name}");
        let past = graph.thread(name).history(HistoryQuery::default()).await.unwrap();
        assert_eq!(past.len(), 4, "{name}");
    }
}

#[test]
fn paths_namespaces_ids_and_records_of_any_json_are_refused_or_read_without_a_panic() {
    let mut nested = json!(["__pregel_push", 0]);
    for n in 0..100 {
        nested = json!(["__pregel_push", nested, n, true]);
    }
    let odd = [
        json!(null),
        json!([]),
        json!([[]]),
        json!([1]),
        json!(["__pregel_push"]),
        json!(["__pregel_push", -1]),
        json!(["__pregel_push", 1e300]),
        json!(["__pregel_push", u64::MAX]),
        json!(["__pregel_pull", 3]),
        json!(["__pregel_pull"]),
        json!({"a": 1}),
        json!("x"),
        nested,
    ];
    for value in &odd {
        let _ = serde_json::from_value::<TaskPath>(value.clone());
        let _ = serde_json::from_value::<FactRecord>(value.clone());
        let _ =
            serde_json::from_value::<FactRecord>(json!({"fact": "task_ended", "task": value, "path": value}));
        let _ = serde_json::from_value::<WriteRecord>(
            json!({"send": {"node": "a", "input": value, "run_timeout_ms": u64::MAX}}),
        );
        let _ = serde_json::from_value::<Namespace>(value.clone());
        let _ = serde_json::from_value::<CheckpointId>(value.clone());
    }
    for text in
        ["", "|", ":", "||", "a:b:c|", "-", "--", "ffffffffffffffffffffffffffffffffff", "-1", "+1", "é"]
    {
        let ns = Namespace::from(text);
        assert_eq!(ns.as_str(), text);
        let _ = ns.parts().count();
        let _ = text.parse::<CheckpointId>();
    }
}

#[tokio::test]
async fn a_state_of_hostile_json_comes_back_from_its_thread_as_it_was() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let values = [
        json!({"__overwrite__": 1, "x": 2}),
        json!({"$writes": [1]}),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(-0.0),
        json!(5e-324),
        json!(""),
        json!("\u{0}\u{ffff}"),
        json!({"": {"": []}}),
        deep,
        json!(0.1),
        json!(1.0),
    ];
    for value in values {
        let shape = DynShape::new().last("v").append("list").build().unwrap();
        let node = {
            let value = value.clone();
            move |_: Value, _: Context| {
                std::future::ready(json!({"v": value.clone(), "list": [value.clone()]}))
            }
        };
        let graph: Graph<DynState> =
            Graph::builder("dyn").shape(shape).node("a", node).entry("a").build().unwrap();
        let graph = kept(graph);
        let told = parts(graph.run(json!({"list": [value.clone()]})).thread("t").stream([
            StreamMode::Values,
            StreamMode::Tasks,
            StreamMode::Updates,
        ]))
        .await;
        assert!(!told.is_empty());
        let state = graph.thread("t").state().await.unwrap();
        assert_eq!(state.view.values, json!({"v": value.clone(), "list": [value.clone(), value.clone()]}));
    }
}

#[derive(Debug, Clone, Default, State)]
struct Measured {
    value: f64,
    #[reduce(append)]
    log: Vec<String>,
}

#[tokio::test]
async fn a_number_that_json_does_not_have_makes_no_thread_unreadable() {
    for value in [f64::NAN, f64::INFINITY] {
        let node = move |_: Snapshot<Measured>| std::future::ready(Measured::update().value(value));
        let graph: Graph<Measured> = Graph::builder("nan").node("a", node).entry("a").build().unwrap();
        let graph = kept(graph);
        let ended = graph.run(json!({})).thread("t").await;
        let state = graph.thread("t").state().await;
        assert_eq!(ended.unwrap_err().code(), "value_not_json");
        assert_eq!(state.unwrap().view.next.len(), 1);
        let change = StateChange::new(Measured::update().value(value)).as_node("a");
        assert!(graph.thread("t").update(change).await.is_err());
        assert!(graph.thread("t").state().await.is_ok());
    }
}
