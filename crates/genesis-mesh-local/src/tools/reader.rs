//! The reader: text of an answer to text for the client and tool calls.
//!
//! Owns: what is held back because a call may begin in it, and the call that is being read.
//! Never: checks a call; the grammar has let the model write nothing else.
//! Flow: `AnswerStream` hands it each token's text, and sends on what comes out.

use super::form::CallForm;
use super::id::CallIds;
use crate::grammar::{Marker, Opening};
use genesis_mesh_core::{ToolCall, ToolCallDelta};

const NAME_KEY: &str = "{\"name\": \"";

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct CallReader {
    ids: CallIds,
    /// What stands between a call's name and its arguments.
    arguments_key: String,
    state: State,
    /// Text that is not told yet: the start of a marker or white space before one, then what stands around calls.
    held: String,
}

#[derive(Debug)]
enum State {
    /// Text, until this opening, or to the end.
    Text(Option<Opening>),
    /// Around calls.
    Between,
    Arguments(ToolCall, Nesting),
}

/// One thing that the reader has read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// Text for the client; never empty.
    Text(String),
    Delta(ToolCallDelta),
    /// A whole call.
    Call(ToolCall),
}

impl CallReader {
    /// A reader of calls in `form`. If `is_call_first`, a marker counts at the very start alone.
    pub(super) fn new(form: &CallForm, is_call_first: bool, ids: CallIds) -> Self {
        let is_at_start = form.opening.is_at_start || is_call_first;
        Self {
            ids,
            arguments_key: format!("\", \"{}\": ", form.arguments_key()),
            state: State::Text(Some(Opening { is_at_start, ..form.opening })),
            held: String::new(),
        }
    }

    /// Takes a token with the text that it brought, and gives what is certain now.
    pub(crate) fn push(&mut self, token: u32, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.held.push_str(text);
        if let State::Text(opening) = self.state {
            match opening {
                Some(opening) => self.read_text(opening, token, &mut pieces),
                None => tell(&mut pieces, std::mem::take(&mut self.held)),
            }
        }
        while self.read_call(&mut pieces) {}
        pieces
    }

    /// The text that was held back, at the end of the answer. A call that is not whole is dropped.
    pub(crate) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if matches!(self.state, State::Text(_)) { held } else { String::new() }
    }

    fn read_text(&mut self, opening: Opening, token: u32, pieces: &mut Vec<Piece>) {
        let found = match opening.marker {
            Marker::Token(marker) => (marker == token).then_some((self.held.len(), self.held.len())),
            Marker::Text(marker) if opening.is_at_start => self.held.starts_with(marker).then_some((0, 0)),
            Marker::Text(marker) => self.held.find(marker).map(|start| (start, start + marker.len())),
        };
        if let Some((text, call)) = found {
            let rest = self.held.split_off(call);
            self.held.truncate(text);
            tell(pieces, self.held.trim_end().to_owned());
            (self.held, self.state) = (rest, State::Between);
            return;
        }
        let may_open = |rest: &str| match opening.marker {
            Marker::Text(marker) => marker.starts_with(rest),
            Marker::Token(_) => rest.is_empty(),
        };
        if opening.is_at_start {
            if !may_open(&self.held) {
                self.state = State::Text(None);
                tell(pieces, std::mem::take(&mut self.held));
            }
            return;
        }
        // The white space before a marker belongs to it.
        let starts = self.held.char_indices().map(|(start, _)| start).chain([self.held.len()]);
        let is_safe_before = |start: &usize| self.held.get(*start..).is_some_and(may_open);
        let safe = starts.filter(is_safe_before).min().unwrap_or(self.held.len());
        let safe = self.held.get(..safe).map_or(0, |text| text.trim_end().len());
        let rest = self.held.split_off(safe);
        tell(pieces, std::mem::replace(&mut self.held, rest));
    }

    /// Reads a part of a call; `false` if there is not enough text for one.
    fn read_call(&mut self, pieces: &mut Vec<Piece>) -> bool {
        match &mut self.state {
            State::Text(_) => false,
            State::Between => {
                let Some(name_at) = self.held.find(NAME_KEY).map(|start| start + NAME_KEY.len()) else {
                    return false;
                };
                let rest = self.held.get(name_at..).unwrap_or_default();
                let Some((name, rest)) = rest.split_once(&self.arguments_key) else { return false };
                let call =
                    ToolCall { id: self.ids.next_id(), name: name.to_owned(), arguments: String::new() };
                self.held = rest.to_owned();
                pieces.push(delta(&call, String::new()));
                self.state = State::Arguments(call, Nesting::default());
                true
            }
            State::Arguments(call, nesting) => {
                let end = nesting.end_in(&self.held);
                let rest = self.held.split_off(end.unwrap_or(self.held.len()));
                let piece = std::mem::replace(&mut self.held, rest);
                call.arguments.push_str(&piece);
                if !piece.is_empty() {
                    pieces.push(delta(call, piece));
                }
                if end.is_none() {
                    return false;
                }
                pieces.push(Piece::Call(call.clone()));
                self.state = State::Between;
                true
            }
        }
    }
}

fn tell(pieces: &mut Vec<Piece>, text: String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

fn delta(call: &ToolCall, arguments: String) -> Piece {
    Piece::Delta(ToolCallDelta { id: call.id.clone(), name: call.name.clone(), arguments })
}

/// How deep a place in a JSON object is.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
}

impl Nesting {
    /// Where in `text`, which goes on from the last one, the object ends.
    fn end_in(&mut self, text: &str) -> Option<usize> {
        for (index, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_string => self.is_escaped = true,
                b'"' => self.is_in_string = !self.is_in_string,
                b'{' | b'[' if !self.is_in_string => self.depth += 1,
                b'}' | b']' if !self.is_in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
