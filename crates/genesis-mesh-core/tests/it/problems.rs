//! Graphs that can't be: every mistake is told, and all of them at once.

use crate::shape::shape;
use genesis_mesh_core::graph::{END, GraphProblem, NodeOptions, START, Style, Topology, TopologyBuilder};
use std::sync::Arc;

fn graph(nodes: &[&str], edges: &[(&str, &str)]) -> TopologyBuilder {
    let mut graph = TopologyBuilder::new("sample");
    nodes.iter().for_each(|node| graph.node(*node, NodeOptions::default()));
    edges.iter().for_each(|(from, to)| graph.edge(*from, *to));
    graph
}

fn build(graph: TopologyBuilder) -> Result<Topology, Vec<GraphProblem>> {
    graph.build(Some(Arc::new(shape())), Style::Graph).map_err(|error| error.problems)
}

fn problems(graph: TopologyBuilder) -> Vec<GraphProblem> {
    build(graph).expect_err("a graph with mistakes")
}

fn unknown(place: &str, node: &str, close: Option<&str>) -> GraphProblem {
    GraphProblem::UnknownNode {
        place: place.to_owned(),
        node: node.to_owned(),
        close: close.map(str::to_owned),
    }
}

#[test]
fn a_right_graph_has_no_problems() {
    let mut graph = graph(&["a", "b"], &[(START, "a"), ("a", "b"), ("b", END)]);
    graph.input(vec!["x".to_owned()]);
    graph.output(vec!["log".to_owned()]);
    let topology = build(graph).expect("a valid graph");
    assert!(topology.takes_input(topology.shape().id("x").unwrap()));
    assert!(!topology.takes_input(topology.shape().id("n").unwrap()));
    assert!(topology.tells(topology.shape().id("log").unwrap()));
    assert!(!topology.tells(topology.shape().id("x").unwrap()));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let handled = |handler: &str, ends: &[&str]| NodeOptions {
        on_error: Some(handler.to_owned()),
        ends: Some(ends.iter().map(|end| (*end).to_owned()).collect()),
        ..NodeOptions::default()
    };
    let mut graph = graph(&["plan", "plan", "", "__inner__", "a:b", "a|b"], &[]);
    graph.node("write", handled("repair", &["plan", "nobody"]));
    graph.edge("pln", "write");
    graph.edge("write", "somewhere else");
    graph.edge("plan", START);
    graph.edge(END, "plan");
    graph.join(Vec::new(), "write");
    graph.join(vec!["plan".to_owned(), "ghost".to_owned()], "write");
    graph.branch("plan", Some(vec![("yes".to_owned(), "wirte".to_owned())]));
    graph.input(vec!["log".to_owned(), "lgo".to_owned()]);
    graph.output(vec!["none".to_owned()]);
    let invalid = |node: &str, reason| GraphProblem::InvalidName { node: node.to_owned(), reason };
    let reserved = "names between double underscores are reserved";
    let separators = "`:` and `|` separate the parts of a namespace";
    let channel = |place: &str, channel: &str| GraphProblem::UnknownChannel {
        place: place.to_owned(),
        channel: channel.to_owned(),
    };
    let edge = |place: &str, reason| GraphProblem::InvalidEdge { place: place.to_owned(), reason };
    let wanted = [
        GraphProblem::DuplicateNode { node: "plan".to_owned() },
        invalid("", "it is empty"),
        invalid("__inner__", reserved),
        invalid("a:b", separators),
        invalid("a|b", separators),
        unknown("the edge `pln` -> `write`", "pln", Some("plan")),
        unknown("the edge `write` -> `somewhere else`", "somewhere else", None),
        edge("the edge `plan` -> `__start__`", "can't lead to START, where only runs begin"),
        edge("the edge `__end__` -> `plan`", "can't begin at END, where runs are over"),
        unknown("the join of `plan`, `ghost` to `write`", "ghost", None),
        unknown("the branch after `plan`", "wirte", Some("write")),
        unknown("the error handler of `write`", "repair", None),
        unknown("the declared ends of `write`", "nobody", None),
        GraphProblem::EmptyJoin { target: "write".to_owned() },
        GraphProblem::NoEntry,
        channel("the input", "lgo"),
        channel("the output", "none"),
    ];
    assert_eq!(problems(graph), wanted);
}

#[test]
fn a_node_that_no_way_leads_to_is_found() {
    let lost = graph(&["a", "b", "c"], &[(START, "a"), ("a", END), ("b", "c"), ("c", END)]);
    let unreachable = |node: &str| GraphProblem::Unreachable { node: node.to_owned() };
    assert_eq!(problems(lost), [unreachable("b"), unreachable("c")]);
}

#[test]
fn a_node_from_which_no_way_leads_to_the_end_is_found() {
    let circle = graph(&["a", "b", "c"], &[(START, "a"), ("a", "b"), ("b", "c"), ("c", "b")]);
    let trapped = |node: &str| GraphProblem::NoWayToEnd { node: node.to_owned() };
    assert_eq!(problems(circle), [trapped("a"), trapped("b"), trapped("c")]);
}

#[test]
fn a_node_without_ways_out_is_an_end_and_an_open_branch_may_lead_anywhere() {
    build(graph(&["a", "b"], &[(START, "a"), ("a", "b")])).expect("b is an end");
    let mut open = graph(&["a", "b"], &[(START, "a"), ("b", "a")]);
    open.branch("a", None);
    build(open).expect("the branch may lead to b");
    let mut commands = graph(&["b"], &[("b", "a"), (START, "a")]);
    commands.node("a", NodeOptions { may_goto: true, ..NodeOptions::default() });
    build(commands).expect("a's commands may lead to b");
    let mut handled = graph(&["b"], &[(START, "a"), ("b", END)]);
    handled.node("a", NodeOptions { on_error: Some("b".to_owned()), ..NodeOptions::default() });
    build(handled).expect("b is reached when a fails");
}

#[test]
fn a_graph_without_a_state_is_refused() {
    let error = graph(&["a"], &[(START, "a")]).build(None, Style::Graph).expect_err("no shape");
    assert_eq!(error.problems, [GraphProblem::NoShape]);
    assert_eq!(error.code(), "invalid_graph");
}

#[test]
fn mistakes_that_a_higher_floor_found_come_first() {
    let mut wrong = graph(&["a", "a"], &[(START, "a")]);
    let setting =
        GraphProblem::InvalidSetting { place: "retry of `a`".to_owned(), reason: "1 or more".to_owned() };
    wrong.problem(setting.clone());
    assert_eq!(problems(wrong), [setting, GraphProblem::DuplicateNode { node: "a".to_owned() }]);
}

#[test]
fn the_message_names_each_mistake_and_the_nearest_name() {
    let wrong = graph(&["plan"], &[(START, "plan"), ("plan", "plam")]);
    let error = wrong.build(Some(Arc::new(shape())), Style::Graph).expect_err("an unknown node");
    let wanted = "the graph `sample` is not valid:\n- the edge `plan` -> `plam` names the node `plam`, which does not \
                  exist; did you mean `plan`?";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_join_that_names_a_source_twice_waits_for_it_once() {
    let mut twice = graph(&["a", "b", "c"], &[(START, "a"), (START, "b")]);
    twice.join(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()], "c");
    twice.join(vec!["a".to_owned(), "b".to_owned()], "c");
    let topology = build(twice).expect("a valid graph");
    let joins: Vec<_> = topology.joins().iter().map(|join| (&*join.name, join.sources.len())).collect();
    assert_eq!(joins, [("join:a+b:c", 2)]);
}
