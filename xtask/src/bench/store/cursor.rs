//! A cursor: the run and the last number that a client has, and how it comes back with them.
//!
//! Owns: beginning a run that is kept, and reading it on.
//! Never: measures.

use crate::bench::error::BenchError;
use crate::bench::serve::target::{Target, WORD};
use crate::bench::serve::wire::Socket;
use serde_json::{Value, json};

/// What a client keeps.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    run: String,
    pub(super) seq: u64,
    /// Whether the last event of the log was read.
    pub(super) has_ended: bool,
}

impl Cursor {
    /// Begins a run, on a socket that then tells it.
    pub(super) async fn begin(target: &Target) -> Result<(Self, Socket), BenchError> {
        let mut socket = Socket::reader(target).await?;
        socket.ask(r#"{"prompt":"go"}"#).await?;
        Ok((Self::default(), socket))
    }

    /// Asks a server for the events after this cursor.
    pub(super) async fn resume(&self, target: &Target) -> Result<Socket, BenchError> {
        let mut socket = Socket::reader(target).await?;
        let message = json!({"type": "resume", "run_id": self.run, "after": self.seq});
        socket.ask(&message.to_string()).await?;
        Ok(socket)
    }

    /// The same run from its beginning.
    pub(super) fn rewound(&self) -> Self {
        Self { run: self.run.clone(), ..Self::default() }
    }

    /// Takes what comes next; a gap, a repeat and an error end the bench.
    pub(super) async fn read(&mut self, socket: &mut Socket) -> Result<(), BenchError> {
        socket
            .each(|message| {
                let bad = || BenchError::program("the server", String::from_utf8_lossy(message).into_owned());
                let event: Value = serde_json::from_slice(message).map_err(|_| bad())?;
                let seq = event.get("seq").and_then(Value::as_u64).ok_or_else(bad)?;
                // Words that waited for this reader are joined to one message, with the number of the last.
                let words =
                    event.get("text").and_then(Value::as_str).map_or(1, |text| text.matches(WORD).count());
                if seq != self.seq + words as u64 {
                    return Err(bad());
                }
                self.seq = seq;
                match event.get("type").and_then(Value::as_str) {
                    Some("run") => {
                        self.run = event.get("run_id").and_then(Value::as_str).ok_or_else(bad)?.to_owned();
                    }
                    Some("done") => self.has_ended = true,
                    Some("error") | None => return Err(bad()),
                    _ => {}
                }
                Ok(())
            })
            .await
    }

    /// Reads until there is something after `seq`.
    pub(super) async fn pass(&mut self, socket: &mut Socket, seq: u64) -> Result<(), BenchError> {
        while self.seq <= seq {
            self.read(socket).await?;
        }
        Ok(())
    }

    /// Reads to the end.
    pub(super) async fn finish(&mut self, socket: &mut Socket) -> Result<(), BenchError> {
        while !self.has_ended {
            self.read(socket).await?;
        }
        Ok(())
    }
}
