//! The recorder: the world outside, which sees every keyed effect and is never killed.
//!
//! Owns: a listener on a free port of this machine, and the list of effects.
//! Never: refuses a repeat; whether that is a breach is the checker's to say.
//! Flow: a node sends one line of JSON, the effect is in the list, `ok` is answered.

use super::error::ChaosError;
use super::evidence::Effect;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Effects = Arc<Mutex<Vec<Effect>>>;

/// A recorder that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    effects: Effects,
    _tasks: JoinSet<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Result<Self, ChaosError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(ChaosError::io("listen for effects"))?;
        let address = listener.local_addr().map_err(ChaosError::io("listen for effects"))?;
        let effects = Effects::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&effects)));
        Ok(Self { address, effects, _tasks: tasks })
    }

    /// All effects so far.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, effects: Effects) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&effects)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, effects: Effects) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    // A half-written line is no effect: its sender was killed before it was done.
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(effect) = serde_json::from_str(&line) else { return };
        effects.lock().unwrap_or_else(PoisonError::into_inner).push(effect);
        if write.write_all(b"ok\n").await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn an_effect_is_kept_before_it_is_confirmed() {
        let recorder = Recorder::start().await.unwrap();
        let mut stream = TcpStream::connect(recorder.address).await.unwrap();
        let effect = Effect { run: "r".into(), step: "plan.0".into(), key: "k".into() };
        let line = format!("{}\n", serde_json::to_string(&effect).unwrap());
        for times in 1..3 {
            stream.write_all(line.as_bytes()).await.unwrap();
            let mut answer = [0; 3];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!((&answer, recorder.effects()), (b"ok\n", vec![effect.clone(); times]));
        }
    }
}
