//! Pictures of graphs: Mermaid text, and nodes and edges as JSON.
//!
//! Owns: both forms, from one list of nodes and edges.
//! Never: draws what is not in the topology; a branch without declared paths may go anywhere.

use super::topology::{END, Exit, Node, START, Topology};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

/// A graph as lists of nodes and edges; its JSON is that of the route `/assistants/{id}/graph`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// The nodes in the order of their declaration, entry first and end last.
    pub nodes: Vec<PictureNode>,
    /// The edges: sorted by source, then target; those of a subgraph after those around it.
    pub edges: Vec<PictureEdge>,
}

/// One node of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PictureNode {
    /// The node's name; nodes within a subgraph are `subgraph:name`.
    pub id: String,
    /// `runnable`; the end has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    /// An object with the node's name; the end has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// One edge of a picture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PictureEdge {
    /// Where it begins.
    pub source: String,
    /// Where it ends.
    pub target: String,
    /// The branch's label, if it is not the name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Whether it is taken only sometimes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
}

impl Topology {
    /// The graph's nodes and edges.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let named = self.declared.iter().filter_map(|id| self.node(*id));
        let mut nodes: Vec<PictureNode> = named.clone().map(|node| picture_node(&node.name, false)).collect();
        nodes.push(picture_node(END, true));
        let mut edges = Edges::default();
        for node in named {
            self.draw(node, &mut edges);
        }
        Picture { nodes, edges: edges.0.into_iter().collect() }
    }

    fn draw(&self, node: &Node, edges: &mut Edges) {
        let name = &node.name;
        for exit in &node.exits {
            match exit {
                Exit::Edge(to) => edges.add(name, self.node_name(*to), None, false),
                Exit::End => edges.add(name, END, None, false),
                Exit::Join(join) => {
                    let target =
                        self.joins.get(*join as usize).map_or(END, |join| self.node_name(join.target));
                    edges.add(name, target, None, false);
                }
                Exit::Router { paths: Some(paths), .. } => {
                    for (label, target) in paths {
                        edges.add(name, target, (label != target).then(|| label.to_string()), true);
                    }
                }
                Exit::Router { paths: None, .. } => {
                    let others =
                        self.declared.iter().map(|id| self.node_name(*id)).filter(|other| *other != START);
                    others.chain([END]).for_each(|other| edges.add(name, other, None, true));
                }
            }
        }
        node.ends.iter().flatten().for_each(|end| edges.add(name, end, None, true));
        node.on_error
            .iter()
            .for_each(|handler| edges.add(name, self.node_name(*handler), Some("error".to_owned()), true));
        if node.exits.is_empty() && node.ends.is_none() {
            edges.add(name, END, None, false);
        }
    }

    /// The graph as Mermaid text, for documents and terminals.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        self.picture().to_mermaid()
    }
}

impl Picture {
    /// The picture as Mermaid text.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for node in &self.nodes {
            let shape = match node.id.as_str() {
                START => "([START])",
                END => "([END])",
                _ => "",
            };
            let label =
                if shape.is_empty() { format!("[\"{}\"]", escape(&node.id)) } else { shape.to_owned() };
            let _ = writeln!(text, "    {}{label}", word(&node.id));
        }
        for edge in &self.edges {
            let arrow = if edge.conditional { "-.->" } else { "-->" };
            let label =
                edge.data.as_ref().map(|label| format!("|\"{}\"|", escape(label))).unwrap_or_default();
            let _ = writeln!(text, "    {} {arrow}{label} {}", word(&edge.source), word(&edge.target));
        }
        text
    }

    /// Puts a subgraph's picture in the place of the node `name`; its parts become `name:part`, at the end of the lists.
    /// Its entry and its end go if one node begins it and one ends it.
    pub fn expand(&mut self, name: &str, mut inner: Self) {
        if !self.nodes.iter().any(|node| node.id == name) {
            return;
        }
        let outer = |id: &str| format!("{name}:{id}");
        let (first, last) = (outer(&inner.take_first()), outer(&inner.take_last()));
        self.nodes.retain(|node| node.id != name);
        self.nodes.extend(inner.nodes.into_iter().map(|node| picture_node(&outer(&node.id), node.id == END)));
        for edge in &mut self.edges {
            if edge.source == name {
                edge.source.clone_from(&last);
            }
            if edge.target == name {
                edge.target.clone_from(&first);
            }
        }
        self.edges.extend(inner.edges.into_iter().map(|edge| PictureEdge {
            source: outer(&edge.source),
            target: outer(&edge.target),
            ..edge
        }));
    }

    /// Where the graph begins: the one node after the entry, which is then taken out, or the entry.
    fn take_first(&mut self) -> String {
        self.take(START, |edge| (edge.source.as_str(), edge.target.as_str()))
    }

    /// Where the graph ends: the one node before the end, which is then taken out, or the end.
    fn take_last(&mut self) -> String {
        self.take(END, |edge| (edge.target.as_str(), edge.source.as_str()))
    }

    /// Takes out the node `bound` if one edge leads from it, and to the one node that no other edge leads to; `ways`
    /// gives an edge as it is seen from the bound.
    fn take(&mut self, bound: &str, ways: impl Fn(&PictureEdge) -> (&str, &str)) -> String {
        let has_one_way = self.edges.iter().filter(|edge| ways(edge).0 == bound).count() == 1;
        let inner = self.edges.iter().map(&ways).filter(|(near, _)| *near != bound);
        let reached: HashSet<&str> = inner.map(|(_, far)| far).collect();
        let mut open =
            self.nodes.iter().filter(|node| node.id != bound && !reached.contains(node.id.as_str()));
        match (open.next(), open.next()) {
            (Some(next), None) if has_one_way => {
                let next = next.id.clone();
                self.nodes.retain(|node| node.id != bound);
                self.edges.retain(|edge| ways(edge).0 != bound);
                next
            }
            _ => bound.to_owned(),
        }
    }
}

/// Edges, each once.
#[derive(Default)]
struct Edges(BTreeSet<PictureEdge>);

impl Edges {
    fn add(&mut self, source: &str, target: &str, data: Option<String>, conditional: bool) {
        let (source, target) = (source.to_owned(), target.to_owned());
        self.0.insert(PictureEdge { source, target, data, conditional });
    }
}

fn picture_node(name: &str, is_end: bool) -> PictureNode {
    let data = (!is_end).then(|| serde_json::json!({"name": name}));
    PictureNode { id: name.to_owned(), r#type: (!is_end).then_some("runnable"), data }
}

/// A name as Mermaid takes it: letters, digits and underscores, others by their numbers, and none of its own words.
fn word(name: &str) -> String {
    let mut word = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            let _ = write!(word, "_{:x}_", u32::from(c));
        }
    }
    if ["end", "graph", "subgraph", "style", "class", "click", "default"].contains(&name) {
        word.push('_');
    }
    word
}

/// A text as Mermaid shows it between quotes.
fn escape(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '#' => shown.push_str("#35;"),
            '"' => shown.push_str("#quot;"),
            '<' => shown.push_str("#lt;"),
            '>' => shown.push_str("#gt;"),
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}
