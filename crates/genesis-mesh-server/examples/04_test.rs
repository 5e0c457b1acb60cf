//! You learn: testing your agents, without a server and over a real socket, without weights and without delays.
//!
//! Run: `cargo run -p genesis-mesh-server --example 04_test`. In your program this stands under `#[tokio::test]`.
use futures_util::{SinkExt, StreamExt};
use genesis_mesh::testing::{RecordedModel, ask};
use genesis_mesh::{GenesisMesh, ModelSource, Parser, Pipeline};
use genesis_mesh_server::testing::TestServer;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::Message};

/// The program's mesh, over the model that it is given: the real one in `main`, a scripted one in tests.
fn poet(model: impl Into<ModelSource>) -> GenesisMesh {
    let haiku = Pipeline::new("model").prompt("A haiku about {{ topic }}.").parse(Parser::lines());
    GenesisMesh::new().model("model", model).agent("haiku", haiku)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = RecordedModel::script("[[rule]]\ntext = \"An old pond.\\nA frog.\"")?;
    let mesh = poet(model.clone()).setup().await?;

    // Inline: the whole answer, and what the model was asked.
    let answer = ask(&mesh, "haiku", json!({"topic": "water"})).await?;
    assert_eq!(answer.output, Some(json!(["An old pond.", "A frog."])));
    assert_eq!(model.take_requests().len(), 1);

    // Over the socket: what a client sees, with the client that you like.
    let server = TestServer::start(mesh).await?;
    let stream = TcpStream::connect(server.address()).await?;
    let (mut socket, _) = client_async(server.agent_url("haiku"), stream).await?;
    socket.send(Message::text(r#"{"topic": 7, "colour": "blue"}"#)).await?;
    if let Some(mistake) = socket.next().await {
        println!("{}", mistake?);
    }
    socket.close(None).await?;
    server.stop().await?;
    assert_eq!(model.requests(), []);
    Ok(())
}
