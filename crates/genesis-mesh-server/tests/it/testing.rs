//! The server that users' tests start.

use futures_util::{SinkExt, StreamExt};
use genesis_mesh::testing::RecordedModel;
use genesis_mesh::{GenesisMesh, Mesh};
use genesis_mesh_server::testing::TestServer;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

async fn mesh() -> (RecordedModel, Mesh) {
    let model = RecordedModel::script("[[rule]]\ntext = \"Hello.\"").unwrap();
    let mesh = GenesisMesh::new().model("greeter", model.clone()).setup().await.unwrap();
    (model, mesh)
}

async fn socket(server: &TestServer) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    client_async(server.agent_url("greeter"), stream).await.unwrap().0
}

#[tokio::test]
async fn two_test_servers_stand_side_by_side_and_name_their_addresses() {
    let (first, second) = (TestServer::start(mesh().await.1).await, TestServer::start(mesh().await.1).await);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.address(), second.address());
    assert_eq!(first.url("/health"), format!("http://{}/health", first.address()));
    assert_eq!(first.agent_url("greeter"), format!("ws://{}/ws/greeter", first.address()));
    second.stop().await.unwrap();
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_test_server_answers_and_stops_in_order() {
    let (model, mesh) = mesh().await;
    let server = TestServer::start(mesh).await.unwrap();
    let address = server.address();
    let mut client = socket(&server).await;
    client.send(Message::text(r#"{"prompt": "Hi."}"#)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().to_text().unwrap().contains("\"run_id\""));
    let delta = client.next().await.unwrap().unwrap();
    assert_eq!(delta, Message::text(r#"{"type":"delta","text":"Hello.","seq":2}"#));
    assert!(client.next().await.unwrap().unwrap().to_text().unwrap().contains("\"done\""));
    // Reading on after the close sends the client's own.
    let farewell = async { (client.next().await, client.next().await.is_none()) };
    let (stopped, (closed, is_over)) = tokio::join!(server.stop(), farewell);
    stopped.unwrap();
    assert!(matches!(closed, Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) == 1012));
    assert!(is_over);
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn a_test_server_that_is_dropped_drops_its_sockets() {
    let server = TestServer::start(mesh().await.1).await.unwrap();
    let mut client = socket(&server).await;
    let address = server.address();
    drop(server);
    while let Some(Ok(_)) = client.next().await {}
    assert!(TcpStream::connect(address).await.is_err());
}
