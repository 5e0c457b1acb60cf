//! You learn: a graph is a node of another graph, with channels shared by name or with a state mapped by functions.
//!
//! Run: `cargo run -p genesis-mesh --example 09_subgraph`
use genesis_mesh::State;
use genesis_mesh::graph::{Graph, GraphError, START, StreamMode};
use genesis_mesh::state::Snapshot;
use serde_json::json;

#[derive(Debug, Clone, Default, State)]
struct Article {
    topic: String,
    facts: Vec<String>,
    text: String,
    score: u32,
}

/// Shares `topic` and `facts` with `Article`; `query` is its own.
#[derive(Debug, Clone, Default, State)]
struct Research {
    topic: String,
    query: String,
    facts: Vec<String>,
}

/// Has no name in common with `Article`.
#[derive(Debug, Clone, Default, State)]
struct Review {
    draft: String,
    stars: u32,
}

fn research() -> Result<Graph<Research>, GraphError> {
    let ask = async |state: Snapshot<Research>| Research::update().query(format!("{}?", state.topic));
    let find =
        async |state: Snapshot<Research>| Research::update().facts(vec![format!("{} yes", state.query)]);
    Graph::builder("research").node("ask", ask).node("find", find).sequence([START, "ask", "find"]).build()
}

fn review() -> Result<Graph<Review>, GraphError> {
    let judge =
        async |state: Snapshot<Review>| Review::update().stars(if state.draft.len() > 3 { 5 } else { 1 });
    Graph::builder("review").node("judge", judge).entry("judge").build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let write = async |state: Snapshot<Article>| Article::update().text(state.facts.join(" "));
    let enter = |article: &Article| Review::update().draft(article.text.clone());
    let leave = |review: Snapshot<Review>| Article::update().score(review.stars);
    let graph: Graph<Article> = Graph::builder("article")
        .subgraph("research", &research()?)
        .node("write", write)
        .subgraph_mapped("review", &review()?, enter, leave)
        .sequence([START, "research", "write", "review"])
        .build()?;

    let mut stream = graph.run(json!({"topic": "Rust"})).stream_with_subgraphs([StreamMode::Updates]);
    let mut told = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part?;
        let node = part.data.as_object().and_then(|nodes| nodes.keys().next().cloned()).unwrap_or_default();
        // The namespace is `node:task` for each graph on the way.
        let parents = part.ns.parts().filter_map(|part| part.split(':').next()).collect::<Vec<_>>().join("/");
        told.push(format!("{parents}>{node}"));
    }
    println!("{}", told.join(" "));
    assert_eq!(told.join(" "), "research>ask research>find >research >write review>judge >review");

    let article = stream.outcome().and_then(|outcome| outcome.state()).ok_or("no state")?;
    assert_eq!((article.text.as_str(), article.score), ("Rust? yes", 5));
    // Drawn out to depth 1, nodes within are `graph:node`.
    let picture = graph.picture(1);
    assert!(picture.nodes.iter().any(|node| node.id == "research:find"));
    Ok(())
}
