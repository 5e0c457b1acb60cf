//! You learn: a mesh of one model, and reading its answer as it is made.
//!
//! Run: `cargo run --release -p genesis-mesh --example 01_hello`
use genesis_mesh::{GenesisMesh, ModelSource, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The default model; `GENESIS_MESH_MODEL` names another, `GENESIS_MESH_SCRIPT` a script in its place.
    let mesh = GenesisMesh::new().model("smollm2", ModelSource::from_env()).setup().await?;
    let input = serde_json::json!({"prompt": "What is the capital of France? Answer in one word."});
    let mut run = mesh.start("smollm2", input).await?;
    while let Some(update) = run.next().await {
        match update? {
            Update::Delta { text, .. } => eprint!("{text}"),
            Update::Done { usage, .. } => eprintln!(" ({} tokens)", usage.output_tokens),
            _ => {}
        }
    }
    Ok(())
}
