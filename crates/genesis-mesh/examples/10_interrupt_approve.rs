//! You learn: a node asks a person; the run stops, is kept, and goes on when the answer comes, in any process.
//!
//! Run: `cargo run -p genesis-mesh --example 10_interrupt_approve`
use genesis_mesh::graph::{Command, Context, END, Graph, NodeError, NodeSettings, START};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{MemoryStore, State};
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, Clone, Default, State)]
struct Payment {
    amount: u32,
    receipt: Option<String>,
}

/// The form of an answer; its JSON schema goes out with the question.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Verdict {
    approved: bool,
    by: String,
}

async fn approve(payment: Snapshot<Payment>, context: Context) -> Result<Command<Payment>, NodeError> {
    // The first time the node stops here. Once the answer is there it runs again from its first line.
    let verdict: Verdict = context.interrupt_typed(json!({"question": "pay?", "amount": payment.amount}))?;
    let receipt = format!("approved by {}", verdict.by);
    Ok(match verdict.approved {
        true => Command::update(Payment::update().receipt(Some(receipt))).and_goto("pay"),
        false => Command::goto(END),
    })
}

async fn pay(payment: Snapshot<Payment>) -> PaymentUpdate {
    let receipt = payment.receipt.as_deref().unwrap_or_default();
    Payment::update().receipt(Some(format!("paid {}, {receipt}", payment.amount)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Payment> = Graph::builder("payment")
        .node_with("approve", approve, NodeSettings::new().ends(["pay", END]))
        .node("pay", pay)
        .edge(START, "approve")
        .build()?
        .with_store(Arc::new(MemoryStore::new()));

    let asked = graph.run(json!({"amount": 100})).thread("invoice-7").await?;
    let question = asked.interrupts().first().ok_or("no question")?;
    println!("{} {}", question.id, question.value);
    assert!(!asked.is_done());
    let schema = question.response_schema.as_ref().ok_or("no schema")?;
    assert_eq!(schema.pointer("/properties/approved/type"), Some(&json!("boolean")));

    // An answer that does not fit is refused, and the question stays open.
    let refused = graph.resume(json!({"approved": "yes"})).thread("invoice-7").await;
    println!("{}", refused.err().ok_or("it was taken")?);
    let open = graph.thread("invoice-7").state().await?;
    assert_eq!(open.interrupts().len(), 1);

    let paid = graph.resume(json!({"approved": true, "by": "Ada"})).thread("invoice-7").await?;
    let payment = paid.state().ok_or("no state")?;
    assert_eq!(payment.receipt.as_deref(), Some("paid 100, approved by Ada"));
    assert!(paid.is_done());
    Ok(())
}
