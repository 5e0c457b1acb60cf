//! You learn: with a store on SQLite a thread outlives the program; a question is answered after a restart.
//!
//! Run: `cargo run -p genesis-mesh --example 15_sqlite`
use genesis_mesh::graph::{Context, END, Graph, NodeError, START};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{SqliteStore, State};
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, Default, State)]
struct Order {
    item: String,
    price: u32,
    status: Option<String>,
}

async fn price(order: Snapshot<Order>) -> OrderUpdate {
    println!("asks for the price of {}", order.item);
    Order::update().price(42)
}

async fn confirm(order: Snapshot<Order>, context: Context) -> Result<OrderUpdate, NodeError> {
    let answer: String = context.interrupt(json!({"question": "buy?", "price": order.price}))?;
    Ok(Order::update().status(Some(format!("bought, said {answer}"))))
}

/// What each start of the program does. The store makes the file and its folder; no other process may have it open.
fn open(file: &Path) -> Result<Graph<Order>, Box<dyn Error>> {
    let graph = Graph::builder("order").node("price", price).node("confirm", confirm);
    let graph = graph.edge(START, "price").edge("price", "confirm").edge("confirm", END).build()?;
    Ok(graph.with_store(Arc::new(SqliteStore::open(file)?)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("genesis-mesh-sqlite-{}", std::process::id()));
    let file = folder.join("threads.db");

    let graph = open(&file)?;
    let asked = graph.run(json!({"item": "a lamp"})).thread("order-7").await?;
    assert_eq!(asked.interrupts().len(), 1);
    // A second store on the file is refused while this one has it.
    let refused = SqliteStore::open(&file).err().ok_or("two stores have one file")?;
    println!("{refused}");
    // The program ends here, or is killed: what a step did is on disk before the next one begins.
    drop((asked, graph));

    // It starts again, tomorrow. The price is not asked for again: that task had ended.
    let graph = open(&file)?;
    let open_question = graph.thread("order-7").state().await?;
    assert_eq!(open_question.interrupts().len(), 1);
    let bought = graph.resume(json!("Ada")).thread("order-7").await?;
    let order = bought.state().ok_or("no state")?;
    assert_eq!((order.price, order.status.as_deref()), (42, Some("bought, said Ada")));

    drop((open_question, bought, graph));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
