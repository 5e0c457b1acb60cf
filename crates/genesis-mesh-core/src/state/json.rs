//! Updates from JSON: what inputs, `update_state` and stored writes say, as writes of the right types.
//!
//! Owns: the way from a JSON object to accepted writes, with every problem told at once.
//! Never: folds anything; the writes go the way of those that nodes return.

use super::channel::{ChannelKind, ValueError};
use super::shape::Shape;
use super::update::{Write, overwrite_of};
use serde_json::{Map, Value};

/// What a JSON object writes.
#[derive(Debug, Default)]
pub struct JsonUpdate {
    /// The writes, in the order of the object's keys; their values are accepted.
    pub writes: Vec<Write>,
    /// The keys that name no channel, or one that nobody writes; they write nothing.
    pub unknown: Vec<String>,
}

impl Shape {
    /// The writes of `object`: each key names a channel; an overwrite is told as [`overwrite_of`] reads it.
    ///
    /// # Errors
    /// Every value that does not fit its channel.
    pub fn update_from_json(&self, object: Map<String, Value>) -> Result<JsonUpdate, Vec<ValueError>> {
        let mut update = JsonUpdate::default();
        let mut problems = Vec::new();
        for (name, value) in object {
            let known = self.id(&name).and_then(|id| Some((id, self.channel(id)?)));
            let known = known.filter(|(_, channel)| !matches!(channel.kind, ChannelKind::Managed(_)));
            let Some((id, channel)) = known else {
                update.unknown.push(name);
                continue;
            };
            let (value, is_overwrite) = overwrite_of(value);
            match channel.ops.accept(Box::new(value), is_overwrite) {
                Ok(value) => update.writes.push(Write { channel: id, value, is_overwrite }),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(update) } else { Err(problems) }
    }
}
