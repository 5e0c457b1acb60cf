//! Waiting for what may block, without being deaf to a stop.
//!
//! Owns: the threads that block, and the tick between two looks at the caller's wish.
//! Never: stops a thread by force: one that nobody waits for ends at its next answer, or at its timeout.

use super::{FetchFault, Progress, Report, tell};
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How often a waiting caller is asked whether it goes on: at once for a person, and nothing for the machine.
const TICK: Duration = Duration::from_millis(100);

/// Bytes that are read at a time, at most.
const PIECE_BYTES: usize = 128 << 10;

/// Pieces that wait for the disk: enough that network and disk work side by side.
const PIECES: usize = 8;

/// What `work` gives, which runs on a thread of its own; meanwhile the caller is told `now` each tick.
///
/// The inner error: the system refuses a thread, or the work panicked.
pub(super) fn in_thread<T: Send + 'static>(
    progress: Report<'_>,
    now: Progress,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<io::Result<T>, FetchFault> {
    let (sender, result) = sync_channel(1);
    let started = thread::Builder::new().name("fetch".to_owned()).spawn(move || {
        // Nobody waits any more: what it made is dropped here.
        drop(sender.send(work()));
    });
    if let Err(error) = started {
        return Ok(Err(error));
    }
    loop {
        match result.recv_timeout(TICK) {
            Ok(result) => return Ok(Ok(result)),
            Err(RecvTimeoutError::Timeout) => tell(progress, now.stage, now.bytes, now.bytes_total)?,
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(io::Error::other("its thread panicked"))),
        }
    }
}

/// The bytes of a reader, which a thread reads.
pub(super) struct Pieces(Receiver<io::Result<Vec<u8>>>);

impl Pieces {
    /// Starts to read; the thread ends with the reader, at an error, or once the pieces are dropped.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn of(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(PIECES);
        thread::Builder::new().name("fetch".to_owned()).spawn(move || {
            let mut buffer = vec![0; PIECE_BYTES];
            loop {
                let piece = match reader.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => Ok(buffer.get(..count).unwrap_or_default().to_vec()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_last = piece.is_err();
                if sender.send(piece).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Self(pieces))
    }

    /// The next piece; `None` at the end. While none comes the caller is told `now` each tick.
    pub(super) fn next(
        &self,
        progress: Report<'_>,
        now: Progress,
    ) -> Result<Option<io::Result<Vec<u8>>>, FetchFault> {
        loop {
            match self.0.recv_timeout(TICK) {
                Ok(piece) => return Ok(Some(piece)),
                Err(RecvTimeoutError::Timeout) => tell(progress, now.stage, now.bytes, now.bytes_total)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}
