//! Server-sent events: bytes to the data of events.
//!
//! Owns: lines and events over any cut of the bytes, within a bound.
//! Never: passes over a line that it doesn't know: a mangled line could be a lost piece. An event without its empty
//! line is none.
//! Source: the WHATWG HTML standard, section 9.2 "Server-sent events", which would ignore unknown fields. The crate
//! `sse-stream` knows no bound on an event and gives each as new strings.

/// The most bytes of one event, 1 MiB: a thousand times a chunk with log probabilities.
const EVENT_BYTES_MAX: usize = 1 << 20;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Why bytes are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SseFault {
    /// A line with an unknown field.
    UnknownLine,
    /// An event of more than `EVENT_BYTES_MAX`.
    TooLarge,
}

/// Reads events of bytes that come in pieces.
#[derive(Default)]
pub(super) struct SseReader {
    /// Bytes that came; those before `read` are done with, those before `seen` hold no line end.
    bytes: Vec<u8>,
    read: usize,
    seen: usize,
    /// The data of the event that is being read, or of the last one if `is_told`.
    data: Vec<u8>,
    has_data: bool,
    is_told: bool,
    /// The last line ended with CR: an LF that follows belongs to it.
    is_after_cr: bool,
    is_after_start: bool,
}

impl SseReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.seen -= self.read;
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event; `None` until more bytes come.
    ///
    /// # Errors
    /// The stream is broken; nothing after it can be believed.
    pub(super) fn next_event(&mut self) -> Result<Option<&[u8]>, SseFault> {
        if std::mem::take(&mut self.is_told) {
            self.data.clear();
            self.has_data = false;
        }
        while let Some((start, end)) = self.next_line() {
            if start < end {
                self.take_field(start, end)?;
            } else if self.has_data {
                self.is_told = true;
                return Ok(Some(&self.data));
            }
        }
        if self.data.len() + self.bytes.len() - self.read > EVENT_BYTES_MAX {
            return Err(SseFault::TooLarge);
        }
        Ok(None)
    }

    /// Where the next whole line is, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.is_after_cr && self.read < self.bytes.len() {
            self.is_after_cr = false;
            if self.bytes.get(self.read) == Some(&b'\n') {
                self.read += 1;
                self.seen = self.seen.max(self.read);
            }
        }
        let rest = self.bytes.get(self.seen..)?;
        let Some(offset) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.seen = self.bytes.len();
            return None;
        };
        let (start, end) = (self.read, self.seen + offset);
        self.is_after_cr = self.bytes.get(end) == Some(&b'\r');
        self.read = end + 1;
        self.seen = self.read;
        Some((start, end))
    }

    fn take_field(&mut self, start: usize, end: usize) -> Result<(), SseFault> {
        let line = self.bytes.get(start..end).unwrap_or_default();
        let is_first = !std::mem::replace(&mut self.is_after_start, true);
        let line = if is_first { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" if self.data.len() + value.len() >= EVENT_BYTES_MAX => return Err(SseFault::TooLarge),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            // A comment, and fields that tell nothing here.
            b"" | b"event" | b"id" | b"retry" => {}
            _ => return Err(SseFault::UnknownLine),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
