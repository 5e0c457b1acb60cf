//! You learn: a mesh of one model, and reading its answer as it is made.
//!
//! Run: `cargo run --release -p genesis-mesh --example 01_hello`
use genesis_mesh::local::LocalOptions;
use genesis_mesh::{GenesisMesh, ModelSource, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The default model; `ModelSource::gguf` takes a file of your own.
    let model = ModelSource::smollm2(LocalOptions::default());
    let mesh = GenesisMesh::new().model("smollm2", model).setup().await?;
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
