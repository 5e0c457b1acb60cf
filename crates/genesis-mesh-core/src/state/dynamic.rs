//! A state that is described in data: its channels are known when a graph is built, its values are JSON.
//!
//! Owns: `DynState`, one cell for each channel, read by name.
//! Never: copies a value that nobody changes: a copy of the state shares all of them.
//! Flow: `DynShape` makes a `Shape`, the shape makes states, the channels in `dynamic/key.rs` fold writes into cells.

mod kind;
mod arithmetic;
mod chat;
mod key;
mod describe;
#[cfg(test)]
mod tests;

pub use describe::{DynShape, ShapeProblem};

use super::State;
use super::channel::{ChannelId, ValueError};
use super::shape::Shape;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

/// The names of a state's channels, shared by all states of one shape.
#[derive(Debug, Default)]
struct Names {
    in_order: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
}

impl FromIterator<Arc<str>> for Names {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(names: I) -> Self {
        let in_order: Vec<_> = names.into_iter().collect();
        let places = in_order.iter().enumerate().map(|(place, name)| (Arc::clone(name), place)).collect();
        Self { in_order, places }
    }
}

/// A state whose channels are described in data ([`DynShape`]): JSON values by name.
///
/// `state["name"]` is the value, or null if there is none.
#[derive(Clone, Default)]
pub struct DynState {
    names: Arc<Names>,
    cells: Vec<Option<Arc<Value>>>,
}

impl State for DynState {
    fn shape() -> Option<Arc<Shape>> {
        None
    }
}

impl DynState {
    /// The value of a channel; `None` if it has none, or if there is no channel of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = *self.names.places.get(name)?;
        self.cells.get(place)?.as_deref()
    }

    /// The value of a channel as a `T`; null stands for a value that is not there.
    ///
    /// # Errors
    /// The value does not have this type.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, ValueError> {
        T::deserialize(self.get(name).unwrap_or(&Value::Null))
            .map_err(|error| ValueError { channel: name.to_owned(), reason: error.to_string() })
    }

    /// The names and values of the channels that have a value, in the order of the channels.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let named = self.names.in_order.iter().zip(&self.cells);
        named.filter_map(|(name, cell)| Some((&**name, cell.as_deref()?)))
    }

    /// A JSON object of the channels that have a value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }

    fn cell(&self, id: ChannelId) -> Option<&Value> {
        self.cells.get(id as usize)?.as_deref()
    }

    fn cell_mut(&mut self, id: ChannelId) -> Option<&mut Option<Arc<Value>>> {
        self.cells.get_mut(id as usize)
    }
}

/// A state of its own with one channel for each key, as for a task that gets a private input.
impl From<Map<String, Value>> for DynState {
    fn from(object: Map<String, Value>) -> Self {
        let (names, cells): (Vec<_>, _) =
            object.into_iter().map(|(name, value)| (Arc::from(name), Some(Arc::new(value)))).unzip();
        Self { names: Arc::new(names.into_iter().collect()), cells }
    }
}

impl Index<&str> for DynState {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl Serialize for DynState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Debug for DynState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
