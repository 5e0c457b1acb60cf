//! Shapes and cells: the channels of a state type, and a state of that type behind one pointer.
//!
//! Owns: `Shape`, `StateCell` with its presence bits, and the typed `Snapshot` that nodes read.
//! Never: copies a state unless somebody else still reads it.
//! Flow: the machine holds a `StateCell` and changes it in place; a task gets a second handle, which costs no copy.

use super::State;
use super::channel::{Channel, ChannelId, ChannelKind, ReduceError};
use super::value::{AnyState, BoxValue};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// A state beside the bits that say which channels have a value.
#[derive(Clone)]
struct Held<T: ?Sized> {
    present: Box<[u64]>,
    value: T,
}

/// Makes a state in which nothing was written, beside the bits that it gets.
type Fresh = dyn Fn(Box<[u64]>) -> Arc<Held<AnyState>> + Send + Sync;

/// The channels of a state type, and how a state is made and copied.
pub struct Shape {
    channels: Vec<Channel>,
    ids: HashMap<Arc<str>, ChannelId>,
    has_managed: bool,
    has_untracked: bool,
    fresh: Box<Fresh>,
    copy: fn(&Held<AnyState>) -> Option<Arc<Held<AnyState>>>,
}

impl Shape {
    /// The shape of a state type with `channels`; `fresh` makes a state in which nothing was written.
    pub fn new<S: Clone + Send + Sync + 'static>(
        channels: Vec<Channel>,
        fresh: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        let ids = channels.iter().zip(0..).map(|(channel, id)| (Arc::clone(&channel.name), id)).collect();
        let has_managed = channels.iter().any(|channel| matches!(channel.kind, ChannelKind::Managed(_)));
        let has_untracked =
            channels.iter().any(|channel| matches!(channel.kind, ChannelKind::Untracked { .. }));
        Self {
            channels,
            ids,
            has_managed,
            has_untracked,
            fresh: Box::new(move |present| Arc::new(Held { present, value: fresh() })),
            copy: |held| {
                let value = held.value.downcast_ref::<S>()?.clone();
                Some(Arc::new(Held { present: held.present.clone(), value }))
            },
        }
    }

    /// All channels, in the order of their ids.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The channel of this id.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(id as usize)
    }

    /// The id of the channel of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<ChannelId> {
        self.ids.get(name).copied()
    }

    /// A state in which nothing was written.
    #[must_use]
    pub fn fresh(&self) -> StateCell {
        let mut present = vec![0_u64; self.channels.len().div_ceil(64)].into_boxed_slice();
        for (channel, id) in self.channels.iter().zip(0..) {
            if channel.kind.has_initial() && channel.ops.has_initial() {
                set_bit(&mut present, id, true);
            }
        }
        StateCell((self.fresh)(present))
    }

    /// Whether the run itself says what is in some channel.
    #[must_use]
    pub fn has_managed(&self) -> bool {
        self.has_managed
    }

    /// Whether some channel is never stored.
    #[must_use]
    pub fn has_untracked(&self) -> bool {
        self.has_untracked
    }

    /// The JSON object of the channels that have a value.
    ///
    /// # Errors
    /// What the `Serialize` of a channel's type says.
    pub fn json(&self, state: &StateCell) -> Result<Map<String, Value>, serde_json::Error> {
        let present = self.channels.iter().zip(0..).filter(|(_, id)| state.has(*id));
        present.map(|(channel, _)| Ok((channel.name.to_string(), channel.ops.json(state.any())?))).collect()
    }

    /// The JSON schema of the state: an object of the channels that `has` names, none of which is required.
    #[must_use]
    pub fn schema(&self, title: &str, has: impl Fn(ChannelId) -> bool) -> Value {
        self.schema_of(title, has, |channel| channel.ops.schema())
    }

    /// The JSON schema of an update: as that of the state, with what each channel's reducer takes.
    #[must_use]
    pub fn update_schema(&self, title: &str, has: impl Fn(ChannelId) -> bool) -> Value {
        self.schema_of(title, has, |channel| channel.ops.update_schema())
    }

    fn schema_of(
        &self,
        title: &str,
        has: impl Fn(ChannelId) -> bool,
        of: impl Fn(&Channel) -> Value,
    ) -> Value {
        let mut definitions = Map::new();
        let mut properties = Map::new();
        for (channel, _) in self.channels.iter().zip(0..).filter(|(_, id)| has(*id)) {
            let mut schema = of(channel);
            if let Some(schema) = schema.as_object_mut() {
                // References begin at the root, so that is where definitions stand.
                schema.remove("$schema");
                if let Some(Value::Object(own)) = schema.remove("$defs") {
                    definitions.extend(own);
                }
            }
            properties.insert(channel.name.to_string(), schema);
        }
        let mut schema = serde_json::json!({"title": title, "type": "object", "properties": properties});
        if let (Some(schema), false) = (schema.as_object_mut(), definitions.is_empty()) {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        schema
    }

    /// Folds an accepted value into `state`, which is copied first if somebody else reads it.
    ///
    /// # Errors
    /// The reducer's refusal.
    pub fn fold(
        &self,
        state: &mut StateCell,
        id: ChannelId,
        value: BoxValue,
        is_overwrite: bool,
    ) -> Result<(), ReduceError> {
        let Some(channel) = self.channels.get(id as usize) else {
            return Err(ReduceError::new("a write names a channel that the state does not have"));
        };
        let held = self.unshared(state)?;
        channel.ops.fold(&mut held.value, value, is_overwrite)?;
        set_bit(&mut held.present, id, true);
        Ok(())
    }

    /// Puts the default in place of a channel's value; it then has none.
    pub fn clear(&self, state: &mut StateCell, id: ChannelId) {
        if let (Some(channel), Ok(held)) = (self.channels.get(id as usize), self.unshared(state)) {
            channel.ops.clear(&mut held.value);
            set_bit(&mut held.present, id, false);
        }
    }

    fn unshared<'a>(&self, state: &'a mut StateCell) -> Result<&'a mut Held<AnyState>, ReduceError> {
        let other_type = || ReduceError::new("the state has the type of another graph");
        if Arc::get_mut(&mut state.0).is_none() {
            state.0 = (self.copy)(&state.0).ok_or_else(other_type)?;
        }
        Arc::get_mut(&mut state.0).ok_or_else(other_type)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape").field("channels", &self.channels).finish_non_exhaustive()
    }
}

fn set_bit(bits: &mut [u64], id: ChannelId, to: bool) {
    if let Some(word) = bits.get_mut(id as usize / 64) {
        let mask = 1_u64 << (id % 64);
        *word = if to { *word | mask } else { *word & !mask };
    }
}

/// A state behind one pointer. A clone is a second handle to the same state, which a later write then copies.
#[derive(Clone)]
pub struct StateCell(Arc<Held<AnyState>>);

impl StateCell {
    /// Whether the channel has a value.
    #[must_use]
    pub fn has(&self, id: ChannelId) -> bool {
        self.0.present.get(id as usize / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// The state, to be downcast.
    #[must_use]
    pub fn any(&self) -> &AnyState {
        &self.0.value
    }

    /// A typed handle to the same state; `None` if it has another type.
    #[must_use]
    pub fn typed<S: State>(&self) -> Option<Snapshot<S>> {
        self.0.value.is::<S>().then(|| Snapshot { cell: self.clone(), state: PhantomData })
    }
}

impl fmt::Debug for StateCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateCell")
    }
}

/// The state as it was when a step began: what a node reads. It derefs to `S`, and a clone copies nothing.
#[derive(Clone)]
pub struct Snapshot<S> {
    cell: StateCell,
    state: PhantomData<fn() -> S>,
}

impl<S: State> Snapshot<S> {
    /// The handle without its type.
    #[must_use]
    pub fn cell(&self) -> &StateCell {
        &self.cell
    }
}

impl<S: State> Deref for Snapshot<S> {
    type Target = S;

    #[expect(
        clippy::expect_used,
        reason = "the type was checked when the snapshot was made, and a cell never changes it"
    )]
    fn deref(&self) -> &S {
        self.cell.any().downcast_ref::<S>().expect("a snapshot of this type")
    }
}

impl<S: State + fmt::Debug> fmt::Debug for Snapshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}
