//! Tool calls: whole calls of their pieces, which may come interleaved.
//!
//! Owns: which piece belongs to which call, ids and names, and the bounds on both.
//! Never: tells a whole call before the answer has ended well: only then nothing can be missing.

use super::chunk::WireCall;
use genesis_mesh_core::{ModelEvent, ToolCall, ToolCallDelta};
use std::collections::VecDeque;

/// The most calls of an answer: as many as OpenAI lets a request offer tools.
const CALLS_MAX: usize = 128;
/// The most bytes of all arguments together, 4 MiB: they are held until the end.
const ARGUMENTS_BYTES_MAX: usize = 4 << 20;

/// Why the pieces make no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallFault {
    /// More than `CALLS_MAX` or `ARGUMENTS_BYTES_MAX`.
    TooLarge,
    /// A call that ended without a name.
    Nameless,
}

/// The calls of one answer, in the order in which they were begun.
#[derive(Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    arguments_bytes: usize,
    /// Calls in the conversation before this answer: ids that we give are counted on from there.
    before: usize,
}

struct Call {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    /// The calls of an answer to a conversation with `before` calls.
    pub(super) fn after(before: usize) -> Self {
        Self { before, ..Self::default() }
    }

    /// Takes a piece, and tells it if the call's name is known.
    ///
    /// # Errors
    /// `TooLarge` beyond the bounds.
    pub(super) fn take(
        &mut self,
        piece: WireCall<'_>,
        events: &mut VecDeque<ModelEvent>,
    ) -> Result<(), CallFault> {
        let function = piece.function.unwrap_or_default();
        let id = piece.id.as_ref().map_or("", |id| &id.0);
        let name = function.name.as_ref().map_or("", |name| &name.0);
        let arguments = function.arguments.unwrap_or_default();
        self.arguments_bytes += arguments.len();
        let place = match self.place(piece.index, id, name) {
            Some(place) => place,
            None => self.begin(piece.index, id),
        };
        if self.calls.len() > CALLS_MAX || self.arguments_bytes > ARGUMENTS_BYTES_MAX {
            return Err(CallFault::TooLarge);
        }
        let Some(call) = self.calls.get_mut(place) else { return Ok(()) };
        let is_begun = !call.name.is_empty();
        if !is_begun {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&arguments);
        let news = match (is_begun, call.name.is_empty()) {
            (_, true) => return Ok(()),
            (true, false) if arguments.is_empty() => return Ok(()),
            (true, false) => arguments,
            // The name came now; arguments may have come before it.
            (false, false) => call.arguments.clone(),
        };
        let (id, name) = (call.id.clone(), call.name.clone());
        events.push_back(ModelEvent::ToolCallDelta(ToolCallDelta { id, name, arguments: news }));
        Ok(())
    }

    /// The call that a piece belongs to; `None` begins one. A name with another id begins a call also under an
    /// index that was there: some servers give all calls the same one. An id alone does not: some servers give
    /// each piece another. In a whole completion there is no index, and each piece is a call.
    fn place(&self, index: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let is_same = |call: &Call| index.is_none() || call.index == index;
        let place = self.calls.iter().rposition(is_same)?;
        let call = self.calls.get(place)?;
        let is_other_id = if id.is_empty() { index.is_none() } else { id != call.id };
        let is_another = is_other_id && !name.is_empty() && !call.name.is_empty();
        (!is_another).then_some(place)
    }

    fn begin(&mut self, index: Option<u32>, id: &str) -> usize {
        let place = self.calls.len();
        let id = if id.is_empty() { format!("call_{}", self.before + place + 1) } else { id.to_owned() };
        self.calls.push(Call { index, id, name: String::new(), arguments: String::new() });
        place
    }

    /// Tells all calls as whole ones.
    ///
    /// # Errors
    /// `Nameless`.
    pub(super) fn finish(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<(), CallFault> {
        for Call { id, name, mut arguments, .. } in std::mem::take(&mut self.calls) {
            if name.is_empty() {
                return Err(CallFault::Nameless);
            }
            if arguments.trim().is_empty() {
                // Some servers leave out the arguments of a tool without parameters.
                "{}".clone_into(&mut arguments);
            }
            events.push_back(ModelEvent::ToolCall(ToolCall { id, name, arguments }));
        }
        Ok(())
    }
}
