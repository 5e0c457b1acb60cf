//! What the meshes of a world run: stories, and a graph whose steps have effects that the world counts.

use genesis_mesh::graph::{CallOptions, Context, Durability, Effect, Graph, NodeError, START, Send, Sent};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{FinishReason, GenesisMesh, Parser, Pipeline, ScriptedModel, State, Usage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const STORY: &str = "Once upon a time there was a mesh that lost nothing";
const TALE: &str = "[[rule]]\ntext = \"Once upon a time there was a mesh that lost nothing\"\ndelay_ms = 120";

/// The keys with which each step of each run has had its effect: by run and step.
pub(crate) type Effects = Arc<Mutex<BTreeMap<(String, String), BTreeSet<String>>>>;

#[derive(Debug, Clone, Default, serde::Serialize, State)]
pub(crate) struct Plan {
    #[reduce(append)]
    log: Vec<String>,
}

/// The agents that run the graph: one waits for each step to be kept, the other does not.
pub(crate) const PLANS: [&str; 2] = ["plan", "hurry"];

/// The steps of a run of the graph, in the order in which they are folded.
pub(crate) const STEPS: [&str; 5] = ["plan", "work 1", "work 2", "work 3", "end"];

pub(crate) fn agents(effects: &Effects) -> GenesisMesh {
    let model = |head: &str| ScriptedModel::from_toml(&format!("{head}{TALE}")).expect("a script");
    GenesisMesh::new()
        .model("tale", model(""))
        .model("forgets", model("goes_on = false\n"))
        .agent("parsed", Pipeline::new("tale").prompt("go").parse(Parser::regex("mesh")))
        .agent("plan", plan(effects))
        .agent("hurry", plan(effects).with_durability(Durability::Async))
}

async fn step(effects: Effects, context: Context, name: String, ms: u64) -> Result<PlanUpdate, NodeError> {
    let run = context.run_id();
    let place = (run.clone(), name.clone());
    let act = move |context: Context| {
        effects.lock().unwrap().entry(place.clone()).or_default().insert(context.idempotency_key());
        std::future::ready(Ok::<_, NodeError>(format!("{} is done", place.1)))
    };
    let _: String = context.call_with("act", CallOptions::default().effect(Effect::Idempotent), act).await?;
    if ms > 0 {
        let mut message = context.message();
        for piece in [name.as_str(), " is", " done"] {
            message.text(piece).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        message.done(Usage::new(1, 3), FinishReason::Stop).await;
    }
    Ok(Plan::update().log([format!("{run} {name}")]))
}

fn plan(effects: &Effects) -> Graph<Plan> {
    let named = |name: &'static str| {
        let effects = Arc::clone(effects);
        move |_: Snapshot<Plan>, context: Context| step(Arc::clone(&effects), context, name.to_owned(), 0)
    };
    let works = Arc::clone(effects);
    let work = move |sent: Sent<u32>, context: Context| {
        step(Arc::clone(&works), context, format!("work {}", *sent), u64::from(*sent) * 70)
    };
    Graph::builder("plan")
        .node("plan", named("plan"))
        .node("work", work)
        .node("end", named("end"))
        .edge(START, "plan")
        .branch_to("plan", |_: &Plan| [1_u32, 2, 3].map(|n| Send::to("work", n)).to_vec(), ["work"])
        .edge("work", "end")
        .build()
        .unwrap()
}
