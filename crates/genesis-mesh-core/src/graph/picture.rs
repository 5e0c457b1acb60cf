//! Pictures of graphs: Mermaid text, and nodes and edges as JSON.
//!
//! Owns: both forms, from one list of nodes and edges.
//! Never: draws what is not in the topology; a branch without declared paths may go anywhere.

use super::topology::{END, Exit, Node, START, Topology};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt::Write;

/// A graph as lists of nodes and edges; its JSON is that of the route `/assistants/{id}/graph`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// The nodes in the order of their declaration, entry first and end last.
    pub nodes: Vec<PictureNode>,
    /// The edges.
    pub edges: Vec<PictureEdge>,
}

/// One node of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PictureNode {
    /// The node's name; nodes within a subgraph are `subgraph:name`.
    pub id: String,
    /// `schema` for entry and end, `runnable` for nodes.
    pub r#type: &'static str,
    /// What the node is.
    pub data: serde_json::Value,
}

/// One edge of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
        let mut nodes: Vec<PictureNode> = named.clone().map(|node| picture_node(&node.name)).collect();
        nodes.push(picture_node(END));
        let mut edges = Edges::default();
        for node in named {
            self.draw(node, &mut edges);
        }
        Picture { nodes, edges: edges.list }
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

    /// Puts a subgraph's picture in the place of the node `name`, whose parts become `name:part`.
    pub fn expand(&mut self, name: &str, inner: Self) {
        let Some(place) = self.nodes.iter().position(|node| node.id == name) else { return };
        let outer = |id: &str| format!("{name}:{id}");
        let first = inner.edges.iter().find(|edge| edge.source == START).map(|edge| outer(&edge.target));
        let lasts: Vec<String> =
            inner.edges.iter().filter(|edge| edge.target == END).map(|edge| outer(&edge.source)).collect();
        let parts = inner.nodes.into_iter().filter(|node| node.id != START && node.id != END);
        let parts: Vec<_> = parts.map(|node| PictureNode { id: outer(&node.id), ..node }).collect();
        self.nodes.splice(place..=place, parts);
        let mut edges = Vec::new();
        for edge in std::mem::take(&mut self.edges) {
            let sources = if edge.source == name { lasts.clone() } else { vec![edge.source.clone()] };
            for source in sources {
                let target = if edge.target == name { first.clone() } else { Some(edge.target.clone()) };
                edges.extend(target.map(|target| PictureEdge { source, target, ..edge.clone() }));
            }
        }
        let within = inner.edges.into_iter().filter(|edge| edge.source != START && edge.target != END);
        edges.extend(within.map(|edge| PictureEdge {
            source: outer(&edge.source),
            target: outer(&edge.target),
            ..edge
        }));
        self.edges = edges;
    }
}

/// Edges in the order in which they were found, each once.
#[derive(Default)]
struct Edges {
    list: Vec<PictureEdge>,
    seen: HashSet<PictureEdge>,
}

impl Edges {
    fn add(&mut self, source: &str, target: &str, data: Option<String>, conditional: bool) {
        let edge = PictureEdge { source: source.to_owned(), target: target.to_owned(), data, conditional };
        if self.seen.insert(edge.clone()) {
            self.list.push(edge);
        }
    }
}

fn picture_node(name: &str) -> PictureNode {
    let is_end = name == START || name == END;
    let data = if is_end { name.into() } else { serde_json::json!({"id": [name], "name": name}) };
    PictureNode { id: name.to_owned(), r#type: if is_end { "schema" } else { "runnable" }, data }
}

/// A name as Mermaid takes it: words of letters, digits and underscores.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn escape(text: &str) -> String {
    text.replace('"', "#quot;")
}
