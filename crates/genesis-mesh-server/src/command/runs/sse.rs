//! Server-sent events, as this program's server writes them.
//!
//! Owns: finding whole events in the bytes that have arrived.
//! Never: keeps more of them than one event: the server bounds that.
//! Source: HTML standard, section 9.2.6; a `data` field of several lines, which the server does not send, is joined.

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// Its kind, if it has one.
    pub(super) event: String,
    pub(super) data: String,
}

/// The bytes that have arrived and are no whole line yet, and the event that has begun.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    begun: SseEvent,
}

impl Events {
    /// The events that end with these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<SseEvent> {
        self.bytes.extend_from_slice(bytes);
        let mut whole = Vec::new();
        let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') else { return whole };
        let rest = self.bytes.split_off(end + 1);
        let lines = std::mem::replace(&mut self.bytes, rest);
        for line in String::from_utf8_lossy(&lines).lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    let event = std::mem::take(&mut self.begun);
                    if !event.data.is_empty() {
                        whole.push(event);
                    }
                }
                "event" => value.clone_into(&mut self.begun.event),
                "data" => {
                    if !self.begun.data.is_empty() {
                        self.begun.data.push('\n');
                    }
                    self.begun.data.push_str(value);
                }
                // A comment, or the number, which the data has as well.
                _ => {}
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let text =
            ": hello\n\nid: 1\ndata: {\"text\":\"é\"}\n\nevent: error\r\ndata: a\r\ndata: b\r\n\r\ndata: cut";
        let event = |event: &str, data: &str| SseEvent { event: event.to_owned(), data: data.to_owned() };
        let expected = [event("", "{\"text\":\"é\"}"), event("error", "a\nb")];
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<_> = text.as_bytes().chunks(size).flat_map(|bytes| events.push(bytes)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
