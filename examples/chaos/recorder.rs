//! The world outside: whoever is told of effects, which can't be taken back.
//!
//! Owns: the one line that tells an effect.
//! Never: tells an effect without a key that is the same when the node runs again.

use genesis_mesh::graph::{Context, NodeError};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Where effects are told.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    address: String,
}

impl Recorder {
    pub(crate) fn new(address: String) -> Self {
        Self { address }
    }

    /// Tells the effect of a step; returns when it has happened. A task has the same id when it runs again after a crash,
    /// and no other task has it.
    pub(crate) async fn tell(&self, context: &Context, step: &str) -> Result<(), NodeError> {
        let effect = json!({"run": context.run_id(), "step": step, "key": context.task_id().to_string()});
        let told = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(format!("{effect}\n").as_bytes()).await?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        match told.await {
            Ok(answer) if answer == "ok\n" => Ok(()),
            Ok(answer) => Err(NodeError::new("RecorderError", format!("it answered {answer:?}"))),
            Err(error) => Err(NodeError::new("RecorderError", error.to_string())),
        }
    }
}
