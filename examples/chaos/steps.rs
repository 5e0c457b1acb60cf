//! The agent `steps`: rounds of `plan`, several `work` side by side, `join`; its state lists every step that was done.
//!
//! Owns: the state, the nodes and the edges.
//! Never: does a step without its effect, its words and its entry in the list.

use super::recorder::Recorder;
use genesis_mesh::graph::{Context, END, Graph, GraphError, NodeError, START, Send as SendTo, Sent};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{FinishReason, State, Usage};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a step waits between its words: so that kills find it in their middle.
const PAUSE: Duration = Duration::from_millis(4);

/// Where a run stands, and what all runs of its thread have done.
#[derive(Debug, Clone, Default, State)]
pub(crate) struct Steps {
    round: u64,
    rounds: u64,
    width: u64,
    /// `RUN/STEP` for each step.
    #[reduce(append)]
    done: Vec<String>,
}

/// The graph.
pub(crate) fn graph(recorder: &Recorder) -> Result<Graph<Steps>, GraphError> {
    let (for_plan, for_work, for_join) = (recorder.clone(), recorder.clone(), recorder.clone());
    let plan = move |state: Snapshot<Steps>, context: Context| {
        let recorder = for_plan.clone();
        async move {
            let entry = step(&recorder, &context, &format!("plan.{}", state.round)).await?;
            Ok::<_, NodeError>(Steps::update().done([entry]))
        }
    };
    let work = move |item: Sent<Value>, context: Context| {
        let recorder = for_work.clone();
        async move {
            let number = |name: &str| item.get(name).and_then(Value::as_u64).unwrap_or_default();
            let name = format!("work.{}.{}", number("round"), number("index"));
            Ok::<_, NodeError>(Steps::update().done([step(&recorder, &context, &name).await?]))
        }
    };
    let join = move |state: Snapshot<Steps>, context: Context| {
        let recorder = for_join.clone();
        async move {
            let entry = step(&recorder, &context, &format!("join.{}", state.round)).await?;
            Ok::<_, NodeError>(Steps::update().round(state.round + 1).done([entry]))
        }
    };
    let fan_out = |state: &Steps| {
        let item = |index| SendTo::to("work", json!({"round": state.round, "index": index}));
        (0..state.width).map(item).collect::<Vec<_>>()
    };
    let next = |state: &Steps| if state.round < state.rounds { "plan" } else { END };
    Graph::builder("steps")
        .node("plan", plan)
        .node("work", work)
        .node("join", join)
        .edge(START, "plan")
        .branch_to("plan", fan_out, ["work"])
        .edge("work", "join")
        .branch_to("join", next, ["plan", END])
        .build()
}

/// One step: words, an effect, more words. Gives its entry of the list.
async fn step(recorder: &Recorder, context: &Context, name: &str) -> Result<String, NodeError> {
    let mut message = context.message();
    for words in ["Step ", name] {
        message.text(words).await;
        tokio::time::sleep(PAUSE).await;
    }
    recorder.tell(context, name).await?;
    for words in [" is", " done."] {
        message.text(words).await;
        tokio::time::sleep(PAUSE).await;
    }
    message.done(Usage::default(), FinishReason::Stop).await;
    Ok(format!("{}/{name}", context.run_id()))
}
