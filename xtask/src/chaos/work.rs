//! What clients ask of the server under test, and what must come of it.
//!
//! Owns: the inputs of the agents `story` and `steps`, the text of the one and the steps of the other.
//! Never: sends anything.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The script that the server plays, too.
const STORY: &str = include_str!("../../../examples/chaos/story.toml");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A long text from a model.
    Story,
    /// A graph: in each of `rounds` rounds `plan`, then `width` times `work` side by side, then `join`.
    Steps { rounds: u64, width: u64 },
}

#[derive(Deserialize)]
struct Script {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    text: String,
    repeat: usize,
}

impl Work {
    /// The agent that does it.
    pub(crate) fn agent(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Steps { .. } => "steps",
        }
    }

    /// What the agent is sent.
    pub(crate) fn input(self) -> Value {
        match self {
            Self::Story => json!({"prompt": "Tell the story."}),
            Self::Steps { rounds, width } => json!({"round": 0, "rounds": rounds, "width": width}),
        }
    }

    /// The names of all steps; each must be done exactly once.
    pub(crate) fn steps(self) -> BTreeSet<String> {
        let Self::Steps { rounds, width } = self else { return BTreeSet::new() };
        let round = |round| {
            let work = (0..width).map(move |index| format!("work.{round}.{index}"));
            [format!("plan.{round}"), format!("join.{round}")].into_iter().chain(work)
        };
        (0..rounds).flat_map(round).collect()
    }

    /// What a step says while it works.
    pub(crate) fn words(step: &str) -> String {
        format!("Step {step} is done.")
    }
}

/// The text of the story.
///
/// # Errors
/// The script is not of this form.
pub(crate) fn story() -> anyhow::Result<String> {
    let script: Script = toml::from_str(STORY)?;
    Ok(script.rule.first().map(|rule| rule.text.repeat(rule.repeat)).unwrap_or_default())
}
