//! You learn: serving a model and a pipeline over WebSocket until Ctrl-C.
//!
//! Run: `cargo run --release -p genesis-mesh-server --example 03_serve`, then send
//! `{"topic": "the sea"}` to `ws://127.0.0.1:8080/ws/haiku`.
use genesis_mesh::{Parser, Pipeline};
use genesis_mesh_server::Serve;
use genesis_mesh_server::config::{Config, Sources};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let haiku = Pipeline::new("smollm2")
        .system("You are a poet. Answer with three short lines.")
        .prompt("Write a haiku about {{ topic }}.")
        .parse(Parser::lines())
        .max_tokens(60);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    // mesh.toml if it is there, the environment, and the default model if they name none.
    let config = Config::load(&Sources::from_env())?;
    let listener = TcpListener::bind((config.host(), config.port())).await?;
    config.may_listen_on(listener.local_addr()?.ip())?;
    config.mesh().agent("haiku", haiku).serve_on(listener, config.serve_options(), stop).await?;
    Ok(())
}
