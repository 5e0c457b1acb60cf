//! Whom a conversation is with: a mesh in this program, or a server's agent.
//!
//! Owns: what both tell, in one form.
//! Never: writes on the screen.

use super::conversation::Conversation;
use super::socket::{Server, Socket};
use super::told::{Failure, Told};
use genesis_mesh::{Mesh, Run, RunError, Update};

pub(super) enum Talk {
    Local { mesh: Mesh, run: Option<Run> },
    Remote { server: Server, socket: Option<Box<Socket>> },
}

impl Talk {
    pub(super) fn local(mesh: Mesh) -> Self {
        Self::Local { mesh, run: None }
    }

    pub(super) fn remote(server: Server) -> Self {
        Self::Remote { server, socket: None }
    }

    /// Asks `agent` to go on with the conversation.
    pub(super) async fn ask(&mut self, agent: &str, conversation: &Conversation) -> Result<(), Failure> {
        match self {
            Self::Local { mesh, run } => {
                let started = mesh.start(agent, conversation.request()).await;
                let failure = |code: &str, message: String| Failure { code: code.to_owned(), message };
                *run = Some(started.map_err(|error| failure(error.code(), error.to_string()))?);
                Ok(())
            }
            Self::Remote { server, socket } => {
                // An agent is a path of the server: another one needs another socket. So does a socket that ended.
                let kept = socket.take().filter(|socket| socket.agent() == agent && socket.is_open());
                let opened = match kept {
                    Some(socket) => socket,
                    None => Box::new(server.open(agent).await?),
                };
                socket.insert(opened).send(&conversation.input()).await
            }
        }
    }

    /// What the answer tells next.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Told {
        match self {
            Self::Local { run: Some(run), .. } => run.next().await.map_or_else(cut, of_update),
            Self::Remote { socket: Some(socket), .. } => socket.next().await,
            _ => cut(),
        }
    }

    /// Stops the answer; its end is still told.
    pub(super) async fn cancel(&mut self) {
        match self {
            Self::Local { run: Some(run), .. } => run.cancel(),
            Self::Remote { socket: Some(socket), .. } => socket.cancel().await,
            _ => {}
        }
    }

    /// Gives up a question that was not taken yet.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Local { run, .. } => *run = None,
            Self::Remote { socket, .. } => *socket = None,
        }
    }
}

fn cut() -> Told {
    let message = "the answer was cut before its end".to_owned();
    Told::Failed(Failure { code: "model_truncated".to_owned(), message })
}

fn of_update(update: Result<Update, RunError>) -> Told {
    match update {
        Ok(Update::Delta { text, .. }) => Told::Text(text),
        Ok(Update::ToolCall(call)) => Told::Call(format!("{}({})\n", call.name, call.arguments)),
        Ok(
            Update::Run { .. }
            | Update::Reset { .. }
            | Update::ToolCallDelta(_)
            | Update::Output { .. }
            | Update::Written { .. }
            | Update::Custom { .. }
            | Update::Interrupt { .. },
        ) => Told::Nothing,
        Ok(Update::Done { usage, finish_reason }) => {
            let finish_reason = serde_json::to_value(finish_reason).ok();
            let finish_reason = finish_reason.and_then(|value| value.as_str().map(str::to_owned));
            Told::End { output_tokens: usage.output_tokens, finish_reason: finish_reason.unwrap_or_default() }
        }
        Err(error) => Told::Failed(Failure { code: error.code().to_owned(), message: error.to_string() }),
    }
}
