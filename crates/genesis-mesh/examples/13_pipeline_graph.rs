//! You learn: a pipeline is a graph without branches: prompt, model, parser. Its streams are views of one run.
//!
//! Run: `cargo run -p genesis-mesh --example 13_pipeline_graph`
use genesis_mesh::graph::{Context, Graph, NodeError, START, StreamMode};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenerateRequest, Prompt, ScriptedModel, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SCRIPT: &str = r#"
[[rule]]
when = { contains = "three names for a rust cat" }
text = """
1. Ferris
2. Cargo
3. Crabby"""
"#;

#[derive(Debug, Clone, Default, State)]
struct Names {
    colour: String,
    animal: String,
    #[channel(ephemeral)]
    prompt: String,
    #[channel(ephemeral)]
    answer: String,
    names: Vec<String>,
}

async fn prompt(state: Snapshot<Names>) -> NamesUpdate {
    Names::update().prompt(format!("Find three names for a {} {}.", state.colour, state.animal))
}

async fn model(state: Snapshot<Names>, context: Context) -> Result<NamesUpdate, NodeError> {
    let no_model = || NodeError::new("NoModel", "the run has no model");
    let model = context.context::<ScriptedModel>().ok_or_else(no_model)?;
    let prompt = Prompt::Text(state.prompt.clone());
    let answer = context.generate(&*model, GenerateRequest { prompt, ..GenerateRequest::default() }).await?;
    context.write(json!({"tokens": answer.usage.output_tokens})).await?;
    Ok(Names::update().answer(answer.message.content))
}

async fn parse(state: Snapshot<Names>) -> NamesUpdate {
    let names =
        state.answer.lines().filter_map(|line| line.split_once(". ")).map(|(_, name)| name.to_owned());
    Names::update().names(names.collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph<Names> = Graph::builder("names")
        .node("prompt", prompt)
        .node("model", model)
        .node("parse", parse)
        .sequence([START, "prompt", "model", "parse"])
        .input(["colour", "animal"])
        .output(["names"])
        .build()?;

    let modes = [StreamMode::Updates, StreamMode::Messages, StreamMode::Custom, StreamMode::Values];
    let cat = json!({"colour": "rust", "animal": "cat"});
    // The caller's context is for nodes, and no part of the state: a model, a database, who asks.
    let mut stream = graph.run(cat).context(ScriptedModel::from_toml(SCRIPT)?).stream(modes);
    let mut told: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    while let Some(part) = stream.next().await {
        let part = part?;
        told.entry(part.mode.as_str()).or_default().push(part.data);
    }
    told.iter().for_each(|(mode, parts)| println!("{mode}: {}", parts.len()));
    assert_eq!(told.get("custom"), Some(&vec![json!({"tokens": 6})]));
    let names = json!({"names": ["Ferris", "Cargo", "Crabby"]});
    // The stream shows the whole state, the outcome what the graph declares as its output.
    let last = told.get("values").and_then(|states| states.last());
    assert_eq!(last.and_then(|state| state.get("animal")), Some(&json!("cat")));
    assert_eq!(stream.outcome().ok_or("no outcome")?.values()?, names);
    Ok(())
}
