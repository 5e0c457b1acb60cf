//! You learn: a thread keeps its history; a run can begin again at any checkpoint, with or without a change.
//!
//! Run: `cargo run -p genesis-mesh --example 11_time_travel`
use genesis_mesh::graph::{Graph, HistoryQuery, START, StateChange};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{MemoryStore, State};
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, Clone, Default, State)]
struct Story {
    hero: String,
    #[reduce(append)]
    lines: Vec<String>,
}

async fn begin(story: Snapshot<Story>) -> StoryUpdate {
    Story::update().lines([format!("{} sets out.", story.hero)])
}

async fn end(story: Snapshot<Story>) -> StoryUpdate {
    Story::update().lines([format!("{} comes home.", story.hero)])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Story> = Graph::builder("story")
        .node("begin", begin)
        .node("end", end)
        .sequence([START, "begin", "end"])
        .build()?
        .with_store(Arc::new(MemoryStore::new()));
    let thread = graph.thread("tale");
    graph.run(json!({"hero": "Ferris"})).thread("tale").await?;

    // Newest first: after `end`, before it, before `begin`, before the input.
    let history = thread.history(HistoryQuery::default()).await?;
    let next: Vec<String> = history.iter().map(|past| format!("{:?}", past.view.next)).collect();
    assert_eq!(next, ["[]", r#"["end"]"#, r#"["begin"]"#, r#"["__start__"]"#]);

    // Again from before `end`: what ran before it is not run again.
    let before_end = history.get(1).and_then(|past| past.view.head).ok_or("no checkpoint")?;
    let again = graph.go_on().thread("tale").at(before_end.id).await?;
    assert_eq!(again.values()?, history.first().ok_or("no state")?.view.values);

    // Another ending: the change is a branch of its own, and what was before stays.
    let change = StateChange::new(json!({"hero": "Crab"})).as_node("begin");
    let changed = thread.update_at(Some(before_end.id), vec![vec![change]]).await?;
    let other = graph.go_on().thread("tale").at(changed).await?;
    let lines = other.state().ok_or("no state")?.lines.clone();
    println!("{}", lines.join(" "));
    assert_eq!(lines.last().map(String::as_str), Some("Crab comes home."));

    let first = history.first().and_then(|past| past.view.head).ok_or("no checkpoint")?;
    let kept = thread.state_at(first.id).await?;
    assert_eq!(kept.view.values.pointer("/lines/1"), Some(&json!("Ferris comes home.")));
    Ok(())
}
