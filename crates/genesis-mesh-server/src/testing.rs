//! A server for tests: the whole of it, on a free port, in the runtime of the test.
//!
//! Owns: binding, and the end of the server: in order with `stop`, at once when it is dropped.
//! Never: is used by the program itself, or brings a client: a test takes the one that its users have.
//! Flow: `genesis_mesh::testing` tests agents without a server; this is for what clients see.

use crate::options::ServeOptions;
use crate::serve::{Serve, ServeError};
use genesis_mesh::Mesh;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A mesh that is served on a free port of this machine, until it is stopped or dropped.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use genesis_mesh::{GenesisMesh, testing::RecordedModel};
/// use genesis_mesh_server::testing::TestServer;
/// use tokio::net::TcpStream;
/// use tokio_tungstenite::{client_async, tungstenite::Message};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = RecordedModel::script("[[rule]]\ntext = \"Hello.\"")?;
/// let mesh = GenesisMesh::new().model("greeter", model.clone()).setup().await?;
/// let server = TestServer::start(mesh).await?;
///
/// let stream = TcpStream::connect(server.address()).await?;
/// let (mut socket, _) = client_async(server.agent_url("greeter"), stream).await?;
/// socket.send(Message::text(r#"{"prompt": "Hi."}"#)).await?;
/// // The run's id comes first: whoever loses the connection reads on with it.
/// socket.next().await.transpose()?;
/// let first = socket.next().await.transpose()?;
/// assert_eq!(first, Some(Message::text(r#"{"type":"delta","text":"Hello.","seq":2}"#)));
///
/// socket.close(None).await?;
/// server.stop().await?;
/// assert_eq!(model.requests().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a server that is dropped is gone"]
pub struct TestServer {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

impl TestServer {
    /// Serves `mesh` as the program would without any setting; it accepts when this returns.
    ///
    /// # Errors
    /// `Bind` if this machine has no free port.
    pub async fn start(mesh: Mesh) -> Result<Self, ServeError> {
        Self::start_with(mesh, ServeOptions::default()).await
    }

    /// Serves `mesh` with options, for example to test keys or limits.
    ///
    /// # Errors
    /// `Bind` if this machine has no free port.
    pub async fn start_with(mesh: Mesh, options: ServeOptions) -> Result<Self, ServeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ServeError::Bind)?;
        let address = listener.local_addr().map_err(ServeError::Bind)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        #[expect(
            clippy::disallowed_methods,
            reason = "the one task of a test's server, which owns its handle"
        )]
        let served = tokio::spawn(mesh.serve_on(listener, options, stopped));
        Ok(Self { address, stop, served })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path`, which starts with a slash: `http://127.0.0.1:41234/health`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of an agent's socket: `ws://127.0.0.1:41234/ws/haiku`.
    #[must_use]
    pub fn agent_url(&self, agent: &str) -> String {
        format!("ws://{}/ws/{agent}", self.address)
    }

    /// Stops as the program does on SIGTERM, and waits for it: runs may finish for the drain time, sockets close
    /// with 1012.
    ///
    /// # Errors
    /// What serving ended with. A panic of the server goes on in the test.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        self.stop.cancel();
        match (&mut self.served).await {
            Ok(served) => served,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Ok(()), // Aborted, which only a drop does.
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.served.abort();
    }
}
