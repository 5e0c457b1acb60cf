//! Pictures: the JSON that LangGraph 1.2.22 gives for the same graphs, but for its class names, and Mermaid text.

use crate::shape::shape;
use genesis_mesh_core::graph::{END, NodeOptions, START, Style, Topology, TopologyBuilder};
use serde_json::{Value, json};
use std::sync::Arc;

fn graph(nodes: &[&str], edges: &[(&str, &str)]) -> TopologyBuilder {
    let mut graph = TopologyBuilder::new("sample");
    nodes.iter().for_each(|node| graph.node(*node, NodeOptions::default()));
    edges.iter().for_each(|(from, to)| graph.edge(*from, *to));
    graph
}

fn build(graph: TopologyBuilder) -> Topology {
    graph.build(Some(Arc::new(shape())), Style::Graph).expect("a valid graph")
}

fn paths(paths: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(paths.iter().map(|(label, target)| ((*label).to_owned(), (*target).to_owned())).collect())
}

/// The nodes of a picture: all are runnable but those named as an end.
fn nodes(names: &[&str]) -> Value {
    let node = |name: &&str| match name.strip_suffix("__end__") {
        Some(_) => json!({"id": name}),
        None => json!({"id": name, "type": "runnable", "data": {"name": name}}),
    };
    names.iter().map(node).collect()
}

/// Edges that are always taken.
fn edges(edges: &[(&str, &str)]) -> Vec<Value> {
    edges.iter().map(|(source, target)| json!({"source": source, "target": target})).collect()
}

fn picture_of(graph: TopologyBuilder) -> Value {
    serde_json::to_value(build(graph).picture()).unwrap()
}

#[test]
fn a_chain() {
    let wanted = json!({
        "nodes": nodes(&["__start__", "a", "b", "__end__"]),
        "edges": edges(&[("__start__", "a"), ("a", "b"), ("b", "__end__")]),
    });
    assert_eq!(picture_of(graph(&["a", "b"], &[(START, "a"), ("a", "b"), ("b", END)])), wanted);
}

#[test]
fn a_branch_has_labels_where_they_are_no_names() {
    let mut branch =
        graph(&["plan", "write", "check"], &[(START, "plan"), ("plan", "write"), ("write", "check")]);
    branch.branch("check", paths(&[("again", "write"), ("good", END), ("plan", "plan")]));
    let wanted = json!({
        "nodes": nodes(&["__start__", "plan", "write", "check", "__end__"]),
        "edges": [
            {"source": "__start__", "target": "plan"},
            {"source": "check", "target": "__end__", "data": "good", "conditional": true},
            {"source": "check", "target": "plan", "conditional": true},
            {"source": "check", "target": "write", "data": "again", "conditional": true},
            {"source": "plan", "target": "write"},
            {"source": "write", "target": "check"},
        ],
    });
    assert_eq!(picture_of(branch), wanted);
}

#[test]
fn a_join_has_an_edge_from_each_source_and_the_last_node_leads_to_the_end() {
    let mut join = graph(&["a", "b", "c", "d"], &[(START, "a"), (START, "b"), ("c", "d")]);
    join.join(vec!["a".to_owned(), "b".to_owned()], "c");
    let wanted = json!({
        "nodes": nodes(&["__start__", "a", "b", "c", "d", "__end__"]),
        "edges": edges(&[
            ("__start__", "a"),
            ("__start__", "b"),
            ("a", "c"),
            ("b", "c"),
            ("c", "d"),
            ("d", "__end__"),
        ]),
    });
    assert_eq!(picture_of(join), wanted);
}

#[test]
fn declared_ends_of_commands_are_edges_that_are_taken_sometimes() {
    let mut command = graph(&[], &[(START, "ask"), ("no", END)]);
    let ends = Some(vec!["yes".to_owned(), "no".to_owned()]);
    command.node("ask", NodeOptions { ends, may_goto: true, ..NodeOptions::default() });
    command.node("yes", NodeOptions::default());
    command.node("no", NodeOptions::default());
    let wanted = json!({
        "nodes": nodes(&["__start__", "ask", "yes", "no", "__end__"]),
        "edges": [
            {"source": "__start__", "target": "ask"},
            {"source": "ask", "target": "no", "conditional": true},
            {"source": "ask", "target": "yes", "conditional": true},
            {"source": "no", "target": "__end__"},
            {"source": "yes", "target": "__end__"},
        ],
    });
    assert_eq!(picture_of(command), wanted);
}

#[test]
fn a_branch_at_the_entry() {
    let mut entry = graph(&["a"], &[]);
    entry.branch(START, paths(&[("a", "a"), (END, END)]));
    let wanted = json!({
        "nodes": nodes(&["__start__", "a", "__end__"]),
        "edges": [
            {"source": "__start__", "target": "__end__", "conditional": true},
            {"source": "__start__", "target": "a", "conditional": true},
            {"source": "a", "target": "__end__"},
        ],
    });
    assert_eq!(picture_of(entry), wanted);
}

#[test]
fn a_branch_without_declared_paths_may_lead_anywhere_and_a_handler_is_an_edge() {
    let mut open = graph(&["b"], &[(START, "a"), ("b", END)]);
    open.node("a", NodeOptions { on_error: Some("b".to_owned()), ..NodeOptions::default() });
    open.branch("a", None);
    let wanted = json!([
        {"source": "__start__", "target": "a"},
        {"source": "a", "target": "__end__", "conditional": true},
        {"source": "a", "target": "a", "conditional": true},
        {"source": "a", "target": "b", "conditional": true},
        {"source": "a", "target": "b", "data": "error", "conditional": true},
        {"source": "b", "target": "__end__"},
    ]);
    assert_eq!(picture_of(open)["edges"], wanted);
}

/// The picture of before -> child -> after with `child` drawn in its place.
fn expanded(child: TopologyBuilder) -> Value {
    let outer = graph(
        &["before", "child", "after"],
        &[(START, "before"), ("before", "child"), ("child", "after"), ("after", END)],
    );
    let mut picture = build(outer).picture();
    picture.expand("child", build(child).picture());
    let mut json = serde_json::to_value(picture).unwrap();
    json["edges"]
        .as_array_mut()
        .unwrap()
        .sort_by_key(|edge| (edge["source"].to_string(), edge["target"].to_string()));
    json
}

#[test]
fn a_subgraph_of_one_line_loses_its_entry_and_its_end() {
    let child = graph(&["inner1", "inner2"], &[(START, "inner1"), ("inner1", "inner2"), ("inner2", END)]);
    let wanted = json!({
        "nodes": nodes(&["__start__", "before", "after", "__end__", "child:inner1", "child:inner2"]),
        "edges": edges(&[
            ("__start__", "before"),
            ("after", "__end__"),
            ("before", "child:inner1"),
            ("child:inner1", "child:inner2"),
            ("child:inner2", "after"),
        ]),
    });
    assert_eq!(expanded(child), wanted);
}

#[test]
fn a_subgraph_of_two_lines_keeps_its_entry_and_its_end() {
    let child = graph(&["a", "b"], &[(START, "a"), (START, "b"), ("a", END), ("b", END)]);
    let wanted = json!({
        "nodes": nodes(&[
            "__start__",
            "before",
            "after",
            "__end__",
            "child:__start__",
            "child:a",
            "child:b",
            "child:__end__",
        ]),
        "edges": edges(&[
            ("__start__", "before"),
            ("after", "__end__"),
            ("before", "child:__start__"),
            ("child:__end__", "after"),
            ("child:__start__", "child:a"),
            ("child:__start__", "child:b"),
            ("child:a", "child:__end__"),
            ("child:b", "child:__end__"),
        ]),
    });
    assert_eq!(expanded(child), wanted);
}

#[test]
fn a_subgraph_that_comes_back_to_its_first_node_keeps_its_entry() {
    let mut child = graph(&["a", "b"], &[(START, "a"), ("a", "b")]);
    child.branch("b", paths(&[("a", "a"), ("stop", END)]));
    let wanted = json!([
        {"source": "__start__", "target": "before"},
        {"source": "after", "target": "__end__"},
        {"source": "before", "target": "child:__start__"},
        {"source": "child:__end__", "target": "after"},
        {"source": "child:__start__", "target": "child:a"},
        {"source": "child:a", "target": "child:b"},
        {"source": "child:b", "target": "child:__end__", "data": "stop", "conditional": true},
        {"source": "child:b", "target": "child:a", "conditional": true},
    ]);
    assert_eq!(expanded(child)["edges"], wanted);
}

#[test]
fn a_subgraph_with_two_ways_to_its_end_keeps_it() {
    let mut child = graph(&["a", "b"], &[(START, "a"), ("b", END)]);
    child.branch("a", paths(&[("b", "b"), ("stop", END)]));
    let wanted = json!([
        {"source": "__start__", "target": "before"},
        {"source": "after", "target": "__end__"},
        {"source": "before", "target": "child:a"},
        {"source": "child:__end__", "target": "after"},
        {"source": "child:a", "target": "child:__end__", "data": "stop", "conditional": true},
        {"source": "child:a", "target": "child:b", "conditional": true},
        {"source": "child:b", "target": "child:__end__"},
    ]);
    assert_eq!(expanded(child)["edges"], wanted);
}

#[test]
fn mermaid_shows_nodes_edges_and_labels() {
    let mut branch = graph(&["plan", "write"], &[(START, "plan"), ("plan", "write")]);
    branch.branch("write", paths(&[("once \"more\"", "plan"), ("done", END)]));
    let wanted = "\
flowchart TD
    __start__([START])
    plan[\"plan\"]
    write[\"write\"]
    __end__([END])
    __start__ --> plan
    plan --> write
    write -.->|\"done\"| __end__
    write -.->|\"once #quot;more#quot;\"| plan
";
    assert_eq!(build(branch).to_mermaid(), wanted);
}

#[test]
fn mermaid_keeps_names_apart_that_it_can_not_spell() {
    let odd = graph(
        &["a b", "a-b", "计划", "end", "x<1>#"],
        &[(START, "a b"), ("a b", "a-b"), ("a-b", "计划"), ("计划", "end"), ("end", "x<1>#")],
    );
    let wanted = "\
flowchart TD
    __start__([START])
    a_20_b[\"a b\"]
    a_2d_b[\"a-b\"]
    _8ba1__5212_[\"计划\"]
    end_[\"end\"]
    x_3c_1_3e__23_[\"x#lt;1#gt;#35;\"]
    __end__([END])
    __start__ --> a_20_b
    a_20_b --> a_2d_b
    a_2d_b --> _8ba1__5212_
    end_ --> x_3c_1_3e__23_
    x_3c_1_3e__23_ --> __end__
    _8ba1__5212_ --> end_
";
    assert_eq!(build(odd).to_mermaid(), wanted);
}
