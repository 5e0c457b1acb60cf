//! You learn: three ways to choose what runs next: a branch with labels, a loop with a bound, a node's own command.
//!
//! Run: `cargo run -p genesis-mesh --example 07_branch`
use genesis_mesh::State;
use genesis_mesh::graph::{Command, END, Graph, NodeSettings, START};
use genesis_mesh::state::Snapshot;
use serde_json::json;

#[derive(Debug, Clone, Default, State)]
struct Ticket {
    text: String,
    team: Option<String>,
    #[reduce(add)]
    drafts: u32,
    reply: Option<String>,
}

/// Writes and says what is next, at once.
async fn triage(ticket: Snapshot<Ticket>) -> Command<Ticket> {
    if ticket.text.is_empty() {
        return Command::goto(END);
    }
    let team = if ticket.text.contains("invoice") { "billing" } else { "support" };
    Command::update(Ticket::update().team(Some(team.into()))).and_goto("draft")
}

async fn draft(ticket: Snapshot<Ticket>) -> TicketUpdate {
    let reply = format!("{}, attempt {}", ticket.team.as_deref().unwrap_or_default(), ticket.drafts + 1);
    Ticket::update().drafts(1).reply(Some(reply))
}

async fn publish(ticket: Snapshot<Ticket>) -> TicketUpdate {
    Ticket::update().reply(ticket.reply.as_ref().map(|reply| format!("sent: {reply}")))
}

fn verdict(ticket: &Ticket) -> &'static str {
    if ticket.drafts < 3 { "not good enough" } else { "good" }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Ticket> = Graph::builder("tickets")
        // `ends` tells checks and pictures where the commands go.
        .node_with("triage", triage, NodeSettings::new().ends(["draft", END]))
        .node("draft", draft)
        .node("publish", publish)
        .edge(START, "triage")
        .branch_labels("draft", verdict, [("not good enough", "draft"), ("good", "publish")])
        .build()?;
    println!("{}", graph.to_mermaid());

    let outcome = graph.run(json!({"text": "my invoice is wrong"})).await?;
    let ticket = outcome.state().ok_or("no state")?;
    println!("{:?} after {} drafts", ticket.reply, ticket.drafts);
    assert_eq!(ticket.reply.as_deref(), Some("sent: billing, attempt 3"));

    let nothing = graph.run(json!({"text": ""})).await?;
    assert_eq!(nothing.state().map(|ticket| ticket.drafts), Some(0));

    // A loop that does not end costs no more than its bound.
    let error = graph.run(json!({"text": "hello"})).recursion_limit(3).await.err().ok_or("it ended")?;
    assert_eq!(error.code(), "recursion_limit");
    Ok(())
}
