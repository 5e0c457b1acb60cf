//! What is on its way to one client: whole WebSocket frames in one buffer, in order.
//!
//! Owns: the frame headers of what a server says, which are never masked, and the bytes not yet taken.
//! Never: writes to the network; `Wire` does. Never masks, fragments or compresses.
//! Flow: a payload is encoded in place behind room for its header, so that a message costs no allocation.
//! Source: RFC 6455, section 5.2.

/// The first byte of a whole text message: final, opcode 1.
const TEXT: u8 = 0x81;

/// A header's bytes up to 125 bytes of payload; 2 more up to 65,535, 8 more beyond.
const SHORT_HEADER: usize = 2;

/// Frames that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    taken: usize,
    /// Where the payload of the frame begins that is being filled.
    open: Option<usize>,
}

impl Outbox {
    /// The payload of the text frame that is being filled; opens one if none is.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        if self.open.is_none() {
            self.bytes.extend_from_slice(&[TEXT, 0]);
            self.open = Some(self.bytes.len());
        }
        &mut self.bytes
    }

    /// Ends the frame that is being filled, if there is one, and gives the bytes of its payload.
    pub(super) fn end(&mut self) -> usize {
        let Some(start) = self.open.take() else { return 0 };
        let len = self.bytes.len() - start;
        let extended = match len {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        let marker = match extended {
            0 => u8::try_from(len).unwrap_or_default(),
            2 => 126,
            _ => 127,
        };
        if extended > 0 {
            let (end, digits) = (self.bytes.len(), (len as u64).to_be_bytes());
            self.bytes.resize(end + extended, 0);
            self.bytes.copy_within(start..end, start + extended);
            let digits = digits.get(8 - extended..).unwrap_or_default();
            if let Some(room) = self.bytes.get_mut(start..start + extended) {
                room.copy_from_slice(digits);
            }
        }
        if let Some(byte) = self.bytes.get_mut(start - 1) {
            *byte = marker;
        }
        len
    }

    /// The bytes of the payload so far.
    pub(super) fn open_bytes(&self) -> usize {
        self.open.map_or(0, |start| self.bytes.len() - start)
    }

    /// Adds whole frames that another made: pings, pongs, the close.
    pub(super) fn push(&mut self, frames: &[u8]) {
        self.end();
        self.bytes.extend_from_slice(frames);
    }

    /// What is to write next; whole frames alone.
    pub(super) fn untaken(&self) -> &[u8] {
        let end = self.open.map_or(self.bytes.len(), |start| start - SHORT_HEADER);
        self.bytes.get(self.taken..end).unwrap_or_default()
    }

    /// `count` bytes were written.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        }
    }

    /// Gives the memory back, if nothing waits.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    /// What a client reads of `bytes`.
    fn read(bytes: &[u8], count: usize) -> Vec<String> {
        let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(bytes.to_vec()), Role::Client, None);
        (0..count).map(|_| socket.read().unwrap().into_text().unwrap().to_string()).collect()
    }

    #[test]
    fn frames_of_every_length_are_read_as_they_were_written() {
        let texts: Vec<String> =
            [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].iter().map(|&len| "x".repeat(len)).collect();
        let mut outbox = Outbox::default();
        for text in &texts {
            outbox.text().extend_from_slice(text.as_bytes());
            assert_eq!(outbox.end(), text.len());
        }
        assert_eq!(read(outbox.untaken(), texts.len()), texts);
    }

    #[test]
    fn an_open_frame_is_not_written_and_ends_before_a_foreign_one() {
        let mut outbox = Outbox::default();
        outbox.text().extend_from_slice(b"one");
        assert_eq!((outbox.untaken(), outbox.open_bytes()), (&b""[..], 3));
        outbox.push(&[0x89, 0]);
        assert_eq!(outbox.untaken(), [&[0x81, 3][..], b"one", &[0x89, 0]].concat());
        outbox.take(4);
        assert_eq!(outbox.untaken(), [&b"e"[..], &[0x89, 0]].concat());
        outbox.take(3);
        assert!(outbox.untaken().is_empty() && outbox.bytes.is_empty());
    }
}
