//! Values of channels without their type: what writes carry between nodes, machine and store.
//!
//! Owns: `ChannelValue`, implemented for every type that can be cloned and serialised.
//! Never: makes JSON unless it is asked to; a value that nobody watches stays as the node made it.

use serde::Serialize;
use serde_json::Value;
use std::any::Any;
use std::fmt;

/// A state whose type the holder does not know.
pub type AnyState = dyn Any + Send + Sync;

/// A value of a channel, whatever its type.
pub trait ChannelValue: Any + Send + Sync {
    /// The value as JSON.
    ///
    /// # Errors
    /// What the type's `Serialize` says, for example a map whose keys are no text.
    fn to_json(&self) -> Result<Value, serde_json::Error>;

    /// A copy of it.
    fn clone_value(&self) -> BoxValue;

    /// Itself as `Any`, to be downcast to the type that the channel has.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync>;

    /// Itself as `Any`, to look at its type.
    fn as_any(&self) -> &(dyn Any + Send + Sync);
}

/// A value on its way to a channel.
pub type BoxValue = Box<dyn ChannelValue>;

impl<T: Serialize + Clone + Send + Sync + 'static> ChannelValue for T {
    fn to_json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    fn clone_value(&self) -> BoxValue {
        Box::new(self.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync> {
        self
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

impl fmt::Debug for dyn ChannelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_json() {
            Ok(value) => value.fmt(f),
            Err(_) => f.write_str("(a value that is no JSON)"),
        }
    }
}
