//! Building: every mistake at once, and pictures of what was built.

use super::ground::{Log, signs};
use genesis_mesh::graph::{
    Command, END, Graph, GraphProblem, NodeSettings, RECURSION_LIMIT, RetryPolicy, START,
};
use genesis_mesh::state::{DynState, Snapshot};
use serde_json::json;

#[test]
fn build_tells_every_mistake_at_once() {
    let error = Graph::<Log>::builder("wrong")
        .node("plan", signs("plan"))
        .node("plan", signs("plan"))
        .node("a:b", signs("a:b"))
        .node("lost", signs("lost"))
        .node_with("tries", signs("tries"), NodeSettings::new().retry(RetryPolicy::attempts(0)))
        .error_handler("nobody", signs("handler"))
        .edge(START, "plan")
        .edge("plan", "plann")
        .edge("a:b", START)
        .edge("lost", "lost")
        .join(Vec::<String>::new(), "tries")
        .branch_to("plan", |_: &Log| END, ["tries", "a:b"])
        .output(["logs"])
        .build()
        .unwrap_err();
    let told = error.to_string();
    for wanted in [
        "two nodes are named `plan`",
        "`a:b` can't be the name of a node",
        "an error handler names the node `nobody`",
        "the edge `plan` -> `plann` names the node `plann`, which does not exist; did you mean `plan`?",
        "can't lead to START",
        "the join to `tries` has no sources",
        "the output names the channel `logs`",
        "the retry policy of `tries`: max_attempts is 1 or more",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
    assert_eq!((error.code(), error.graph.as_str()), ("invalid_graph", "wrong"));
}

#[test]
fn nodes_that_no_way_leads_to_or_from_are_told() {
    let error = Graph::<Log>::builder("ways")
        .node("a", signs("a"))
        .node("round", signs("round"))
        .node("lost", signs("lost"))
        .edge(START, "a")
        .edge("a", "round")
        .edge("round", "a")
        .build()
        .unwrap_err();
    let lost = |node: &str| GraphProblem::NoWayToEnd { node: node.to_owned() };
    assert!(error.problems.contains(&GraphProblem::Unreachable { node: "lost".to_owned() }), "{error}");
    assert!(error.problems.contains(&lost("a")) && error.problems.contains(&lost("round")), "{error}");
}

#[test]
fn a_graph_without_an_entry_and_a_state_without_channels_are_no_graphs() {
    let empty = Graph::<Log>::builder("empty").node("a", signs("a")).build().unwrap_err();
    assert!(empty.problems.contains(&GraphProblem::NoEntry), "{empty}");
    let shapeless = Graph::<DynState>::builder("shapeless").build().unwrap_err();
    assert_eq!(shapeless.problems, [GraphProblem::NoShape]);
    let nowhere = Graph::<Log>::builder("stops")
        .node("a", signs("a"))
        .entry("a")
        .interrupt_before(["b"])
        .build()
        .unwrap_err();
    assert!(nowhere.to_string().contains("`b`"), "{nowhere}");
}

#[test]
fn pictures_show_nodes_edges_branches_and_commands() {
    let goes = async |_: Snapshot<Log>| Command::<Log>::goto("b");
    let graph: Graph<Log> = Graph::builder("drawn")
        .node_with("a", goes, NodeSettings::new().ends(["b"]))
        .node("b", signs("b"))
        .node("c", signs("c"))
        .edge(START, "a")
        .branch_labels("b", |_: &Log| "again", [("again", "a"), ("go on", "c")])
        .build()
        .unwrap();
    let picture = serde_json::to_value(graph.picture(0)).unwrap();
    let ids: Vec<&str> =
        picture["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [START, "a", "b", "c", END]);
    let edges = picture["edges"].as_array().unwrap();
    for wanted in [
        json!({"source": START, "target": "a"}),
        json!({"source": "a", "target": "b", "conditional": true}),
        json!({"source": "b", "target": "a", "data": "again", "conditional": true}),
        json!({"source": "b", "target": "c", "data": "go on", "conditional": true}),
        json!({"source": "c", "target": END}),
    ] {
        assert!(edges.contains(&wanted), "{wanted} is not in {edges:?}");
    }
    let mermaid = graph.to_mermaid();
    assert!(mermaid.contains("a -.-> b") && mermaid.contains(r#"b -.->|"go on"| c"#), "{mermaid}");
}

#[test]
fn subgraphs_are_drawn_out_as_deep_as_is_asked() {
    let deep: Graph<Log> = Graph::builder("deep").node("leaf", signs("leaf")).entry("leaf").build().unwrap();
    let middle: Graph<Log> = Graph::builder("middle").subgraph("deep", &deep).entry("deep").build().unwrap();
    let graph: Graph<Log> =
        Graph::builder("top").subgraph("middle", &middle).entry("middle").build().unwrap();
    let names = |depth| graph.picture(depth).nodes.into_iter().map(|node| node.id).collect::<Vec<_>>();
    assert_eq!(names(0), [START, "middle", END]);
    assert_eq!(names(1), [START, END, "middle:deep"]);
    assert_eq!(names(2), [START, END, "middle:deep:leaf"]);
    let edges = graph.picture(2).edges;
    assert_eq!(edges.iter().map(|edge| edge.target.as_str()).collect::<Vec<_>>(), ["middle:deep:leaf", END]);
}

#[tokio::test]
async fn a_graph_may_take_as_many_steps_as_it_says_unless_its_run_says_otherwise() {
    let graph: Graph<Log> = Graph::builder("long")
        .node("a", async |log: Snapshot<Log>| Log::update().x(log.x + 1))
        .edge(START, "a")
        .branch_to("a", |log| if log.x < 30 { "a" } else { END }, ["a", END])
        .build()
        .unwrap();
    assert_eq!(RECURSION_LIMIT, 25);
    assert_eq!(graph.run(json!({})).await.unwrap_err().code(), "recursion_limit");
    // As in LangGraph, a run of so many steps that is at its end after the last one has used up its limit.
    let graph = graph.with_recursion_limit(31);
    assert_eq!(graph.run(json!({})).await.unwrap().state().unwrap().x, 30);
    assert_eq!(graph.run(json!({})).recursion_limit(30).await.unwrap_err().code(), "recursion_limit");
}
