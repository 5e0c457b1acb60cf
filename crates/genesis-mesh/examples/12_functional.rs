//! You learn: a plain async function is a graph, too; what its tasks returned is kept, so that none of them runs twice.
//!
//! Run: `cargo run -p genesis-mesh --example 12_functional`
use genesis_mesh::graph::{Context, Final, NodeError};
use genesis_mesh::{MemoryStore, entrypoint, task};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[task(retry = 3)]
async fn research(topic: String) -> Result<String, NodeError> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    Ok(format!("all about {topic}"))
}

#[task]
async fn title(context: &Context, text: String) -> Result<String, NodeError> {
    context.interrupt(json!({"a title for": text}))
}

/// Takes its input and gives its result; `save` is what the next run on the thread finds as `previous`.
#[entrypoint]
async fn blog(topics: Vec<String>, context: Context) -> Result<Final<String, u32>, NodeError> {
    let posts = context.previous::<u32>().unwrap_or_default() + 1;
    // Both at once; their order is that of the calls.
    let [first, second] =
        topics.try_into().map_err(|_| NodeError::new("TopicCount", "two topics are needed"))?;
    let (first, second) = tokio::try_join!(research(&context, first), research(&context, second))?;
    let title = title(&context, format!("{first}, {second}")).await?;
    Ok(Final { value: format!("{posts}. {title}: {first}, {second}"), save: posts })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blog = blog()?.with_store(Arc::new(MemoryStore::new()));
    let asked = blog.run(json!(["crabs", "gears"])).thread("blog").await?;
    assert_eq!((asked.interrupts().len(), RUNS.load(Ordering::Relaxed)), (1, 2));

    // The function runs again from its first line, its tasks do not.
    let first = blog.resume("Claws").thread("blog").await?.returned::<String>()?;
    println!("{first}");
    assert_eq!(first, "1. Claws: all about crabs, all about gears");
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);

    blog.run(json!(["seas", "ships"])).thread("blog").await?;
    let second = blog.resume("Waves").thread("blog").await?.returned::<String>()?;
    assert_eq!(second, "2. Waves: all about seas, all about ships");
    assert_eq!(RUNS.load(Ordering::Relaxed), 4);
    Ok(())
}
