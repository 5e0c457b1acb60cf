//! Updates: the writes that a node returns, sparse and typed.
//!
//! Owns: `Write` and the list of them that `#[derive(State)]` gives typed setters.
//! Never: holds a field that was not written: an update of one field costs the same in any state.

use super::channel::ChannelId;
use super::value::{BoxValue, ChannelValue};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;

/// One value for one channel.
#[derive(Debug)]
pub struct Write {
    /// The channel.
    pub channel: ChannelId,
    /// What is written.
    pub value: BoxValue,
    /// Whether it takes the place of the value instead of going through the reducer.
    pub is_overwrite: bool,
}

impl Clone for Write {
    fn clone(&self) -> Self {
        Self { channel: self.channel, value: self.value.clone_value(), is_overwrite: self.is_overwrite }
    }
}

/// The key that makes a JSON value an overwrite, and the word for it.
const OVERWRITE: &str = "__overwrite__";

/// The value that JSON writes, and whether it takes the place of the channel's value: `{"__overwrite__": value}` and
/// `{"type": "__overwrite__", "value": value}` do.
#[must_use]
pub fn overwrite_of(value: Value) -> (Value, bool) {
    let Value::Object(mut object) = value else { return (value, false) };
    let is_typed = object.get("type").and_then(Value::as_str) == Some(OVERWRITE);
    let key = match object.len() {
        1 if object.contains_key(OVERWRITE) => OVERWRITE,
        _ if is_typed => "value",
        _ => return (Value::Object(object), false),
    };
    match object.remove(key) {
        Some(value) => (value, true),
        None => (Value::Object(object), false),
    }
}

/// What a node writes to the state `S`: any number of channels, each as its reducer takes it.
pub struct Update<S> {
    writes: Vec<Write>,
    state: PhantomData<fn(S)>,
}

impl<S> Update<S> {
    /// An update that writes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { writes: Vec::new(), state: PhantomData }
    }

    /// Adds a write that goes through the channel's reducer.
    #[must_use]
    pub fn write<T: ChannelValue>(mut self, channel: ChannelId, value: T) -> Self {
        self.writes.push(Write { channel, value: Box::new(value), is_overwrite: false });
        self
    }

    /// Adds a write that takes the place of the value, past the reducer.
    #[must_use]
    pub fn overwrite<T: ChannelValue>(mut self, channel: ChannelId, value: T) -> Self {
        self.writes.push(Write { channel, value: Box::new(value), is_overwrite: true });
        self
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The writes, in the order in which they were added.
    #[must_use]
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}

impl<S> Default for Update<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> From<Vec<Write>> for Update<S> {
    fn from(writes: Vec<Write>) -> Self {
        Self { writes, state: PhantomData }
    }
}

impl<S> fmt::Debug for Update<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Update").field(&self.writes).finish()
    }
}
