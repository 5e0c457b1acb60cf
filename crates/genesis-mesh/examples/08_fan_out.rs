//! You learn: map and reduce: a branch sends tasks with inputs of their own, a reducer collects what they write.
//!
//! Run: `cargo run -p genesis-mesh --example 08_fan_out`
use genesis_mesh::State;
use genesis_mesh::graph::{Graph, START, Send, Sent};
use genesis_mesh::state::{Part, Snapshot};
use serde_json::json;

#[derive(Debug, Clone, Default, State)]
struct Report {
    pages: Vec<String>,
    #[reduce(append)]
    counts: Vec<usize>,
    words: usize,
    longest: usize,
}

/// What two nodes need of the state: they clone nothing else.
#[derive(genesis_mesh::Part)]
#[part(of = Report)]
struct Counts {
    counts: Vec<usize>,
}

/// One task for each page, in the next step, all at once.
fn each_page(report: &Report) -> Vec<Send> {
    report.pages.iter().map(|page| Send::to("count", page.clone())).collect()
}

async fn count(page: Sent<String>) -> ReportUpdate {
    Report::update().counts([page.split_whitespace().count()])
}

async fn total(report: Snapshot<Report>) -> ReportUpdate {
    let Counts { counts } = Counts::part(&report);
    Report::update().words(counts.iter().sum())
}

async fn longest(Counts { counts }: Counts) -> ReportUpdate {
    Report::update().longest(counts.into_iter().max().unwrap_or_default())
}

async fn done(report: Snapshot<Report>) {
    println!("{} words on {} pages", report.words, report.counts.len());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Report> = Graph::builder("words")
        .node("count", count)
        .node("total", total)
        .node("longest", longest)
        .node("done", done)
        .branch_to(START, each_page, ["count"])
        .edge("count", "total")
        .edge("count", "longest")
        // Runs once, when both have run.
        .join(["total", "longest"], "done")
        .build()?;

    let pages = ["a b c", "d", "e f"];
    let outcome = graph.run(json!({"pages": pages})).await?;
    let report = outcome.state().ok_or("no state")?;
    // In the order in which they were sent, whichever ended first.
    assert_eq!(report.counts, [3, 1, 2]);
    assert_eq!((report.words, report.longest), (6, 3));
    Ok(())
}
