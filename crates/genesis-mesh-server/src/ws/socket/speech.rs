//! What a socket says, as frames: one for each update, or one for several deltas where that is better.
//!
//! Owns: the choice which deltas share a frame.
//! Never: loses or reorders a character.
//! Flow: the socket gives it each update; the frames stand in the outbox once `end` was called.

use crate::ws::outbox::Outbox;
use crate::ws::plain;
use genesis_mesh::Update;
use genesis_mesh::log::{LogEvent, Seq};
use serde::Serialize;

/// How many bytes deltas have together at most in one frame: some hundred tokens.
const MERGED_BYTES_MAX: usize = 4 * 1024;

/// Whether the frame that is being filled is a delta that more text may join.
#[derive(Debug, Default)]
pub(super) struct Speech {
    is_delta_open: bool,
    /// The number of the last event in it, if it is one of a log.
    seq: Option<Seq>,
}

impl Speech {
    /// Adds an update and gives the bytes that it took. `merges`: adjacent deltas share a frame.
    pub(super) fn update(&mut self, update: &Update, merges: bool, outbox: &mut Outbox) -> usize {
        match update {
            Update::Delta { text, logprobs, message: None } if logprobs.is_empty() => {
                let ended = self.open(outbox);
                plain::continue_delta(text, outbox.text());
                if merges { ended + text.len() } else { ended + self.end(outbox) }
            }
            update => self.message(update, outbox),
        }
    }

    /// Adds an event of a log and gives the bytes that it took.
    pub(super) fn event(&mut self, event: &LogEvent, merges: bool, outbox: &mut Outbox) -> usize {
        match plain::plain_text(event) {
            Some(text) => {
                let ended = self.open(outbox);
                plain::continue_escaped(text, outbox.text());
                self.seq = Some(event.seq);
                if merges { ended + text.len() } else { ended + self.end(outbox) }
            }
            None => {
                let ended = self.end(outbox);
                plain::encode_event(event, outbox.text());
                ended + outbox.end()
            }
        }
    }

    /// Makes sure that a delta is open that more text may join.
    fn open(&mut self, outbox: &mut Outbox) -> usize {
        if self.is_delta_open && outbox.open_bytes() < MERGED_BYTES_MAX {
            return 0;
        }
        let ended = self.end(outbox);
        plain::start_delta(outbox.text());
        self.is_delta_open = true;
        ended
    }

    /// Adds any message and gives the bytes that it took.
    pub(super) fn message(&mut self, message: &impl Serialize, outbox: &mut Outbox) -> usize {
        let ended = self.end(outbox);
        plain::encode(message, outbox.text());
        ended + outbox.end()
    }

    /// Ends the frame that is being filled, if there is one.
    pub(super) fn end(&mut self, outbox: &mut Outbox) -> usize {
        if std::mem::take(&mut self.is_delta_open) {
            plain::end_delta(self.seq.take(), outbox.text());
        }
        outbox.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genesis_mesh::{FinishReason, Usage};

    fn said(merges: bool) -> Vec<u8> {
        let (mut speech, mut outbox) = (Speech::default(), Outbox::default());
        for text in ["one", " two", "x".repeat(MERGED_BYTES_MAX).as_str(), " three"] {
            let delta = Update::delta(text);
            speech.update(&delta, merges, &mut outbox);
        }
        let done = Update::Done { usage: Usage::default(), finish_reason: FinishReason::Stop };
        speech.update(&done, merges, &mut outbox);
        speech.end(&mut outbox);
        outbox.untaken().to_vec()
    }

    /// The texts of the deltas in `bytes`, frame by frame; the last frame is the end.
    fn texts(bytes: &[u8]) -> Vec<String> {
        use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
        let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(bytes.to_vec()), Role::Client, None);
        let frames = std::iter::from_fn(|| socket.read().ok());
        let values: Vec<serde_json::Value> =
            frames.map(|frame| serde_json::from_str(frame.to_text().unwrap()).unwrap()).collect();
        let (end, deltas) = values.split_last().unwrap();
        assert_eq!(end["type"], "done");
        deltas.iter().map(|delta| delta["text"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn deltas_share_a_frame_up_to_its_bound_and_no_character_is_lost() {
        let (alone, merged) = (texts(&said(false)), texts(&said(true)));
        assert_eq!(alone.len(), 4);
        assert_eq!(merged.len(), 2);
        assert_eq!(alone.concat(), merged.concat());
    }
}
