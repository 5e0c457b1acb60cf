//! You learn: a graph is nodes over a typed state; a node reads it and returns what it writes.
//!
//! Run: `cargo run -p genesis-mesh --example 05_graph`
use genesis_mesh::State;
use genesis_mesh::graph::{Graph, START, StreamMode};
use genesis_mesh::state::Snapshot;
use serde_json::json;

#[derive(Debug, Clone, Default, State)]
struct Greeting {
    name: String,
    text: String,
    #[reduce(append)]
    log: Vec<String>,
}

async fn greet(state: Snapshot<Greeting>) -> GreetingUpdate {
    Greeting::update().text(format!("Hello, {}!", state.name)).log(["greet"])
}

async fn shout(state: Snapshot<Greeting>) -> GreetingUpdate {
    Greeting::update().text(state.text.to_uppercase()).log(["shout"])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Greeting> = Graph::builder("hello")
        .node("greet", greet)
        .node("shout", shout)
        .sequence([START, "greet", "shout"])
        .build()?;
    println!("{}", graph.to_mermaid());

    let outcome = graph.run(json!({"name": "Ferris"})).await?;
    println!("{}", outcome.state().ok_or("no state")?.text);

    let mut stream = graph.run(json!({"name": "Crab"})).stream([StreamMode::Updates, StreamMode::Values]);
    while let Some(part) = stream.next().await {
        let part = part?;
        println!("{}: {}", part.mode, part.data);
    }
    Ok(())
}
