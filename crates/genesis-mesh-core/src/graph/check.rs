//! The judge of declared graphs: names, edges, and the ways from start to end.
//!
//! Owns: every rule that a graph must keep.
//! Never: stops at the first mistake.

use super::declare::TopologyBuilder;
use super::problem::GraphProblem;
use super::topology::{DEFAULT_HANDLER, END, START};
use std::collections::{HashMap, HashSet};

/// Names that are taken twice, reserved, or would break the form of namespaces.
pub(super) fn names(graph: &TopologyBuilder) -> Vec<GraphProblem> {
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for node in &graph.nodes {
        let name = node.name.as_str();
        if !seen.insert(name) {
            problems.push(GraphProblem::DuplicateNode { node: name.to_owned() });
        }
        let reason = if name.is_empty() {
            "it is empty"
        } else if name == DEFAULT_HANDLER {
            continue;
        } else if name == START || name == END || (name.starts_with("__") && name.ends_with("__")) {
            "names between double underscores are reserved"
        } else if name.contains([':', '|']) {
            "`:` and `|` separate the parts of a namespace"
        } else {
            continue;
        };
        problems.push(GraphProblem::InvalidName { node: name.to_owned(), reason });
    }
    problems
}

/// Edges, joins, branches and handlers that name what is not there.
pub(super) fn edges(graph: &TopologyBuilder) -> Vec<GraphProblem> {
    let names: HashSet<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    let mut problems = Vec::new();
    let mut known = |place: &dyn Fn() -> String, name: &str, is_source: bool| {
        let is_right = names.contains(name) || name == if is_source { START } else { END };
        if is_right {
            return;
        }
        let reason = match name {
            START => "can't lead to START, where only runs begin",
            END => "can't begin at END, where runs are over",
            _ => {
                let close = closest(&names, name);
                problems.push(GraphProblem::UnknownNode { place: place(), node: name.to_owned(), close });
                return;
            }
        };
        problems.push(GraphProblem::InvalidEdge { place: place(), reason });
    };
    for (from, to) in &graph.edges {
        let place = || format!("the edge `{from}` -> `{to}`");
        known(&place, from, true);
        known(&place, to, false);
    }
    for (sources, target) in &graph.joins {
        let place = || format!("the join of `{}` to `{target}`", sources.join("`, `"));
        sources.iter().for_each(|source| known(&place, source, true));
        known(&place, target, false);
    }
    for branch in &graph.branches {
        let place = || format!("the branch after `{}`", branch.from);
        known(&place, &branch.from, true);
        branch.paths.iter().flatten().for_each(|(_, target)| known(&place, target, false));
    }
    for node in &graph.nodes {
        let place = || format!("the error handler of `{}`", node.name);
        node.options.on_error.iter().for_each(|handler| known(&place, handler, false));
        let place = || format!("the declared ends of `{}`", node.name);
        node.options.ends.iter().flatten().for_each(|end| known(&place, end, false));
    }
    let empty = graph.joins.iter().filter(|(sources, _)| sources.is_empty());
    problems.extend(empty.map(|(_, target)| GraphProblem::EmptyJoin { target: target.clone() }));
    let begins =
        graph.edges.iter().map(|(from, _)| from).chain(graph.branches.iter().map(|branch| &branch.from));
    if !begins.chain(graph.joins.iter().flat_map(|(sources, _)| sources)).any(|from| from == START) {
        problems.push(GraphProblem::NoEntry);
    }
    problems
}

/// Nodes that no way leads to, and nodes from which no way leads to the end.
pub(super) fn ways(graph: &TopologyBuilder) -> Vec<GraphProblem> {
    let ways = Ways::of(graph);
    let forward = ways.closure(START, &ways.next);
    let is_open = forward.iter().any(|name| ways.open.contains(name));
    let unreachable = graph.nodes.iter().filter(|node| !is_open && !forward.contains(node.name.as_str()));
    let mut problems: Vec<_> =
        unreachable.map(|node| GraphProblem::Unreachable { node: node.name.clone() }).collect();
    let mut backward: HashSet<&str> = ways.closure(END, &ways.previous);
    for open in &ways.open {
        backward.extend(ways.closure(open, &ways.previous));
    }
    let lost = graph.nodes.iter().filter(|node| !backward.contains(node.name.as_str()));
    problems.extend(lost.map(|node| GraphProblem::NoWayToEnd { node: node.name.clone() }));
    problems
}

/// Who may follow whom, and whose followers are not declared.
struct Ways<'a> {
    next: HashMap<&'a str, Vec<&'a str>>,
    previous: HashMap<&'a str, Vec<&'a str>>,
    open: HashSet<&'a str>,
}

impl<'a> Ways<'a> {
    fn of(graph: &'a TopologyBuilder) -> Self {
        let mut ways = Self { next: HashMap::new(), previous: HashMap::new(), open: HashSet::new() };
        for (from, to) in &graph.edges {
            ways.add(from, to);
        }
        for (sources, target) in &graph.joins {
            sources.iter().for_each(|source| ways.add(source, target));
        }
        for branch in &graph.branches {
            match &branch.paths {
                Some(paths) => paths.iter().for_each(|(_, target)| ways.add(&branch.from, target)),
                None => drop(ways.open.insert(&branch.from)),
            }
        }
        for node in &graph.nodes {
            let options = &node.options;
            options
                .on_error
                .iter()
                .chain(options.ends.iter().flatten())
                .for_each(|to| ways.add(&node.name, to));
            if options.may_goto && options.ends.is_none() {
                ways.open.insert(&node.name);
            }
        }
        // A node without any way out is an end by itself.
        for node in &graph.nodes {
            if !ways.next.contains_key(node.name.as_str()) && !ways.open.contains(node.name.as_str()) {
                ways.add(&node.name, END);
            }
        }
        ways
    }

    fn add(&mut self, from: &'a str, to: &'a str) {
        self.next.entry(from).or_default().push(to);
        self.previous.entry(to).or_default().push(from);
    }

    /// All names that `edges` lead to from `from`, itself among them.
    fn closure(&self, from: &'a str, edges: &HashMap<&'a str, Vec<&'a str>>) -> HashSet<&'a str> {
        let mut found = HashSet::from([from]);
        let mut rest = vec![from];
        while let Some(name) = rest.pop() {
            let news = edges.get(name).into_iter().flatten().copied().filter(|next| found.insert(next));
            rest.extend(news.collect::<Vec<_>>());
        }
        found
    }
}

/// The name that is one small slip away from `name`.
fn closest(names: &HashSet<&str>, name: &str) -> Option<String> {
    let distance = |other: &&&str| strsim::damerau_levenshtein(other, name);
    let best = names.iter().min_by_key(distance)?;
    (distance(&best) <= 2.max(name.len() / 4)).then(|| (*best).to_owned())
}
