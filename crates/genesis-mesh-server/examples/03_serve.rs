//! You learn: serving a model and a pipeline over WebSocket until Ctrl-C.
//!
//! Run: `cargo run --release -p genesis-mesh-server --example 03_serve`, then send
//! `{"topic": "the sea"}` to `ws://127.0.0.1:8080/ws/haiku`.
use genesis_mesh::{GenesisMesh, ModelSource, Parser, Pipeline};
use genesis_mesh_server::Serve;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let haiku = Pipeline::new("smollm2")
        .system("You are a poet. Answer with three short lines.")
        .prompt("Write a haiku about {{ topic }}.")
        .parse(Parser::lines())
        .max_tokens(60);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    GenesisMesh::new()
        .model("smollm2", ModelSource::from_env())
        .agent("haiku", haiku)
        .serve("127.0.0.1:8080", stop)
        .await?;
    Ok(())
}
