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
    let state = outcome.state().ok_or("no state")?;
    assert_eq!((state.text.as_str(), state.log.len()), ("HELLO, FERRIS!", 2));

    // The same, told on the way: what each node wrote.
    let mut stream = graph.run(Greeting::update().name("Crab")).stream([StreamMode::Updates]);
    let mut nodes = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part?;
        println!("{}: {}", part.mode, part.data);
        nodes.extend(part.data.as_object().into_iter().flat_map(|nodes| nodes.keys().cloned()));
    }
    assert_eq!(nodes, ["greet", "shout"]);
    Ok(())
}
