//! Reducers: how the writes of a step become the value of a channel.
//!
//! Owns: the contract `Reducer` and the reducers that most states need.
//! Never: decides the order of writes; the machine folds them by the path of their tasks.

use super::channel::ReduceError;
use crate::message::{Message, MessageChange};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Folds an update into the value of a field of type `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot reduce a field of type `{T}`",
    note = "`append` takes a `Vec`, `add` a number, `merge` a map, `messages` a `Vec<Message>`; any other type takes a function `fn(T, T) -> T`"
)]
pub trait Reducer<T>: Send + Sync + 'static {
    /// What a write carries; often `T` itself.
    type Update: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static;

    /// Whether the value is a conversation, whose new messages the stream `messages` shows.
    const IS_CONVERSATION: bool = false;

    /// Folds `update` into `current`.
    ///
    /// # Errors
    /// The update does not fit the value; the step fails and nothing of it is kept.
    fn reduce(current: &mut T, update: Self::Update) -> Result<(), ReduceError>;

    /// Gives ids to the parts of `update` that need one and have none, from `next_id`.
    fn assign_ids(_update: &mut Self::Update, _next_id: &mut dyn FnMut() -> String) {}
}

/// Keeps the last value. Two writes in one step are an error, which the machine finds.
#[derive(Debug)]
pub struct Last;

impl<T: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static> Reducer<T> for Last {
    type Update = T;

    fn reduce(current: &mut T, update: T) -> Result<(), ReduceError> {
        *current = update;
        Ok(())
    }
}

/// Adds the items of the update at the end.
#[derive(Debug)]
pub struct Append;

impl<E: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static> Reducer<Vec<E>>
    for Append
{
    type Update = Vec<E>;

    fn reduce(current: &mut Vec<E>, update: Vec<E>) -> Result<(), ReduceError> {
        current.extend(update);
        Ok(())
    }
}

/// Adds numbers, and texts at the end.
#[derive(Debug)]
pub struct Add;

/// What [`Add`] adds up.
pub trait Sum: Sized {
    /// Adds `more`.
    ///
    /// # Errors
    /// The sum of whole numbers does not fit their type.
    fn add(&mut self, more: Self) -> Result<(), ReduceError>;
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {
        $(impl Sum for $number {
            fn add(&mut self, more: Self) -> Result<(), ReduceError> {
                let sum = self.checked_add(more);
                *self = sum.ok_or_else(|| {
                    ReduceError::new(format!("the sum of {self} and {more} has more than {} bits", Self::BITS))
                })?;
                Ok(())
            }
        })*
    };
}

whole_numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl Sum for f32 {
    fn add(&mut self, more: Self) -> Result<(), ReduceError> {
        *self += more;
        Ok(())
    }
}

impl Sum for f64 {
    fn add(&mut self, more: Self) -> Result<(), ReduceError> {
        *self += more;
        Ok(())
    }
}

impl Sum for String {
    fn add(&mut self, more: Self) -> Result<(), ReduceError> {
        self.push_str(&more);
        Ok(())
    }
}

impl<T: Sum + Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static> Reducer<T> for Add {
    type Update = T;

    fn reduce(current: &mut T, update: T) -> Result<(), ReduceError> {
        current.add(update)
    }
}

/// Takes the entries of the update into the map; an entry with the same key is replaced.
#[derive(Debug)]
pub struct Merge;

impl<K, V> Reducer<BTreeMap<K, V>> for Merge
where
    K: Ord + Clone + Send + Sync + 'static,
    BTreeMap<K, V>: Serialize + DeserializeOwned + JsonSchema,
    V: Clone + Send + Sync + 'static,
{
    type Update = BTreeMap<K, V>;

    fn reduce(current: &mut BTreeMap<K, V>, update: BTreeMap<K, V>) -> Result<(), ReduceError> {
        current.extend(update);
        Ok(())
    }
}

impl<K, V> Reducer<HashMap<K, V>> for Merge
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    HashMap<K, V>: Serialize + DeserializeOwned + JsonSchema,
    V: Clone + Send + Sync + 'static,
{
    type Update = HashMap<K, V>;

    fn reduce(current: &mut HashMap<K, V>, update: HashMap<K, V>) -> Result<(), ReduceError> {
        current.extend(update);
        Ok(())
    }
}

/// A conversation: new messages go to the end, a message with a known id replaces it, and removals take it out.
#[derive(Debug)]
pub struct Messages;

impl Reducer<Vec<Message>> for Messages {
    type Update = Vec<MessageChange>;

    const IS_CONVERSATION: bool = true;

    fn reduce(current: &mut Vec<Message>, update: Vec<MessageChange>) -> Result<(), ReduceError> {
        MessageChange::apply_all(current, update)
            .map_err(|id| ReduceError::new(format!("no message has the id `{id}`, so it can't be removed")))
    }

    fn assign_ids(update: &mut Vec<MessageChange>, next_id: &mut dyn FnMut() -> String) {
        for change in update {
            if let MessageChange::Put(message) = change {
                message.id.get_or_insert_with(&mut *next_id);
            }
        }
    }
}
