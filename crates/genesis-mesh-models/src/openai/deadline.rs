//! Deadlines: until when each part of one answer may take.
//!
//! Owns: the clock of an answer, read when it starts and at each of its pieces, and the error of a missed deadline.
//! Never: waits; `opening.rs` and `answer.rs` do.

use super::options::OpenAiTimeouts;
use genesis_mesh_core::{ModelError, Wait};
use std::time::Duration;
use tokio::time::Instant;

/// How long a body may stay open after `[DONE]`: a server that ends it in the same breath keeps its connection,
/// and one that does not costs an answer no more than this.
const BODY_END: Duration = Duration::from_millis(20);

/// The deadlines of one answer.
pub(super) struct Deadlines {
    timeouts: OpenAiTimeouts,
    total: Instant,
    piece: Instant,
    wait: Wait,
}

impl Deadlines {
    /// Those of an answer that starts now.
    pub(super) fn start(timeouts: OpenAiTimeouts) -> Self {
        let now = Instant::now();
        let piece = now + timeouts.first_piece;
        Self { timeouts, total: now + timeouts.total, piece, wait: Wait::FirstPiece }
    }

    /// The request is sent now, perhaps again.
    pub(super) fn request_sent(&mut self) {
        self.piece = Instant::now() + self.timeouts.first_piece;
    }

    /// A piece came now.
    pub(super) fn piece_came(&mut self) {
        self.piece = Instant::now() + self.timeouts.next_piece;
        self.wait = Wait::NextPiece;
    }

    /// Whether the deadline that comes next has passed.
    pub(super) fn has_passed(&self) -> bool {
        Instant::now() >= self.next()
    }

    /// Whether the whole answer should have ended.
    pub(super) fn is_total_over(&self) -> bool {
        Instant::now() >= self.total
    }

    /// Whether pieces have come.
    pub(super) fn has_pieces(&self) -> bool {
        self.wait == Wait::NextPiece
    }

    /// The deadline that comes next.
    pub(super) fn next(&self) -> Instant {
        self.piece.min(self.total)
    }

    /// The error of the deadline that comes next.
    pub(super) fn error(&self) -> ModelError {
        let limit = match self.wait {
            _ if self.total <= self.piece => return timeout(Wait::End, self.timeouts.total),
            Wait::NextPiece => self.timeouts.next_piece,
            _ => self.timeouts.first_piece,
        };
        timeout(self.wait, limit)
    }

    /// The error of a connection that was not made in time.
    pub(super) fn connect_error(&self) -> ModelError {
        timeout(Wait::Connection, self.timeouts.connect)
    }

    /// Whether a wait of `wait` ends before the whole answer must.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        self.total.saturating_duration_since(Instant::now()) > wait
    }

    /// Until when a body may end whose answer is complete.
    pub(super) fn body_end() -> Instant {
        Instant::now() + BODY_END
    }
}

fn timeout(wait: Wait, limit: Duration) -> ModelError {
    ModelError::Timeout { wait, limit }
}
