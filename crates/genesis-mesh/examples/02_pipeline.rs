//! You learn: a pipeline is a prompt template, a model and a parser, and an agent like any other.
//!
//! Run: `cargo run -p genesis-mesh --example 02_pipeline`
use genesis_mesh::{GenesisMesh, Parser, Pipeline, ScriptedModel, Update};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
when = { contains = "three names for a rust cat" }
text = """
1. Ferris
2. Cargo
3. Crabby"""
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = Pipeline::new("model")
        .system("You name animals. Answer with a numbered list.")
        .prompt("Find three names for a {{ colour }} {{ animal }}.")
        .parse(Parser::lines());
    let mesh = GenesisMesh::new()
        .model("model", ScriptedModel::from_toml(SCRIPT)?)
        .agent("names", names)
        .setup()
        .await?;

    // The input's schema comes from the template's variables, so mistakes are named.
    if let Err(mistake) = mesh.start("names", json!({"colour": "rust", "beast": "cat"})).await {
        println!("mistake: {mistake}");
    }

    let mut run = mesh.start("names", json!({"colour": "rust", "animal": "cat"})).await?;
    while let Some(update) = run.next().await {
        match update? {
            Update::Output { value } => println!("names: {value}"),
            Update::Done { usage, .. } => println!("tokens: {}", usage.total_tokens),
            _ => {}
        }
    }
    Ok(())
}
