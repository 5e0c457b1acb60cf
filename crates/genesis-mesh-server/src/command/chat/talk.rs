//! Whom a conversation is with: a mesh in this program, or a server's agent.
//!
//! Owns: what both tell, in one form, and coming back to a server that was lost.
//! Never: writes on the screen.

use super::conversation::Conversation;
use super::socket::{Place, STOPPING, Server, Socket, UNREACHABLE};
use super::told::{Failure, Told};
use genesis_mesh::{Mesh, Run, RunError, Update};
use std::time::Duration;

/// A server that is started again needs seconds, one that is replaced up to a minute.
const TRIES: u32 = 120;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

pub(super) enum Talk {
    Local { mesh: Mesh, run: Option<Run> },
    Remote { server: Server, socket: Option<Box<Socket>>, lost: Option<Lost> },
}

/// An answer whose server was lost.
pub(super) struct Lost {
    agent: String,
    place: Place,
    tries_left: u32,
}

impl Talk {
    pub(super) fn local(mesh: Mesh) -> Self {
        Self::Local { mesh, run: None }
    }

    pub(super) fn remote(server: Server) -> Self {
        Self::Remote { server, socket: None, lost: None }
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
            Self::Remote { server, socket, lost } => {
                *lost = None;
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
            Self::Remote { server, socket, lost } => remote(server, socket, lost).await,
            Self::Local { run: None, .. } => cut(),
        }
    }

    /// Stops the answer; its end is still told.
    pub(super) async fn cancel(&mut self) {
        match self {
            Self::Local { run: Some(run), .. } => run.cancel(),
            Self::Remote { socket: Some(socket), .. } => socket.cancel().await,
            // Nobody to tell: a client that stays away is a cancel too.
            Self::Remote { lost, .. } => *lost = None,
            Self::Local { run: None, .. } => {}
        }
    }

    /// Gives up a question that was not taken yet.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Local { run, .. } => *run = None,
            Self::Remote { socket, lost, .. } => (*socket, *lost) = (None, None),
        }
    }
}

/// What a server tells next; one that was lost is looked for, and its run read on.
async fn remote(server: &Server, socket: &mut Option<Box<Socket>>, lost: &mut Option<Lost>) -> Told {
    if let Some(open) = socket {
        let told = open.next().await;
        return match (told, open.place()) {
            (Told::Failed(failure), Some(place)) if may_come_back(&failure) => {
                let (agent, place) = (open.agent().to_owned(), place.clone());
                *lost = Some(Lost { agent, place, tries_left: TRIES });
                *socket = None;
                Told::Lost(failure.message)
            }
            (told, _) => told,
        };
    }
    let Some(away) = lost else { return cut() };
    tokio::time::sleep(BETWEEN_TRIES).await;
    let opened = async {
        let mut opened = Box::new(server.open(&away.agent).await?);
        opened.resume(away.place.clone()).await?;
        Ok(opened)
    };
    match opened.await {
        Ok(opened) => (*socket, *lost) = (Some(opened), None),
        Err(failure) => {
            away.tries_left = away.tries_left.saturating_sub(1);
            if away.tries_left == 0 || !may_come_back(&failure) {
                *lost = None;
                return Told::Failed(failure);
            }
        }
    }
    Told::Nothing
}

/// Whether the server, or another one in its place, may be there in a moment.
fn may_come_back(failure: &Failure) -> bool {
    failure.code == UNREACHABLE || failure.code == STOPPING
}

fn cut() -> Told {
    let message = "the answer was cut before its end".to_owned();
    Told::Failed(Failure { code: "model_truncated".to_owned(), message })
}

fn of_update(update: Result<Update, RunError>) -> Told {
    match update {
        Ok(Update::Delta { text, message, .. }) => Told::Text { message, text },
        Ok(Update::Reset { message, .. }) => Told::Void(message),
        Ok(Update::ToolCall(call)) => Told::Call(format!("{}({})\n", call.name, call.arguments)),
        Ok(
            Update::Run { .. }
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
