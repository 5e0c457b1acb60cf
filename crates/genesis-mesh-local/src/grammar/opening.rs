//! Where the JSON of an answer begins: at its start, or after a marker.
//!
//! Owns: markers, and the watch for the first one.
//! Never: knows what a marker means; `tools` does.

use super::numbers::Place;
use genesis_mesh_core::Grammar;

/// What stands before a part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// This text; never empty.
    Text(&'static str),
    /// This control token, which has no text.
    Token(u32),
}

/// Where a marker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) marker: Marker,
    /// It counts at the very start of an answer only; elsewhere it is text.
    pub(crate) is_at_start: bool,
}

/// The JSON of an answer, as far as it has come.
#[derive(Debug, Clone)]
pub(super) enum JsonPart {
    /// It goes on to the end.
    Open(Place),
    /// It begins after this; the last bytes before it may be a part of a marker.
    After(Opening, Vec<u8>),
    /// There is none, or none any more.
    Nowhere,
}

impl JsonPart {
    /// An answer under `grammar` is JSON as a whole, or not at all.
    pub(super) fn of(grammar: &Grammar) -> Self {
        match grammar {
            Grammar::JsonObject | Grammar::JsonSchema(_) => Self::Open(Place::Outside),
            Grammar::Lark(_) | Grammar::Regex(_) => Self::Nowhere,
        }
    }

    /// Where the answer stands in its JSON.
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Open(place) => Some(*place),
            Self::After(..) | Self::Nowhere => None,
        }
    }

    /// Goes on by a token.
    pub(super) fn push(&mut self, token: u32, bytes: &[u8]) {
        match self {
            Self::Open(place) => *place = place.after_all(bytes),
            Self::After(opening, tail) => match opening.marker {
                Marker::Token(marker) if token == marker => *self = Self::Open(Place::Outside),
                Marker::Token(_) if opening.is_at_start => *self = Self::Nowhere,
                Marker::Token(_) => {}
                Marker::Text(marker) => {
                    tail.extend_from_slice(bytes);
                    if let Some(next) = after_text(marker.as_bytes(), opening.is_at_start, tail) {
                        *self = next;
                    }
                }
            },
            Self::Nowhere => {}
        }
    }
}

/// What follows from `tail`, if that settles anything; else `tail` is cut to what may begin a marker.
fn after_text(marker: &[u8], is_at_start: bool, tail: &mut Vec<u8>) -> Option<JsonPart> {
    if is_at_start {
        return match tail.strip_prefix(marker) {
            Some(rest) => Some(JsonPart::Open(Place::Outside.after_all(rest))),
            None => (!marker.starts_with(tail)).then_some(JsonPart::Nowhere),
        };
    }
    if let Some(start) = tail.windows(marker.len()).position(|window| window == marker) {
        let rest = tail.get(start + marker.len()..).unwrap_or_default();
        return Some(JsonPart::Open(Place::Outside.after_all(rest)));
    }
    let done = tail.len().saturating_sub(marker.len() - 1);
    tail.drain(..done);
    None
}
