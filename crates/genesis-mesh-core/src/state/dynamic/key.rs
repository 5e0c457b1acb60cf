//! Keys: the channels of a state that is described in data.
//!
//! Owns: the operations on one cell, and the rules by which writes are folded into it.
//! Never: touches another cell than its own.

use super::kind::Kind;
use super::{DynState, arithmetic, chat};
use crate::message::change;
use crate::state::channel::{ChannelId, ChannelOps, ReduceError, ValueError};
use crate::state::value::{AnyState, BoxValue};
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// A reducer that a program gives: the value and the update become the next value.
pub(super) type ReduceFn = Arc<dyn Fn(Value, Value) -> Result<Value, ReduceError> + Send + Sync>;

/// How a write changes the value.
#[derive(Clone)]
pub(super) enum Rule {
    Last,
    Append,
    /// As `Append`, and what is no list is one item.
    Publish,
    Add,
    Merge,
    Messages,
    Max,
    Min,
    Function(ReduceFn),
}

/// One channel: its cell is `DynState`'s of the same id.
pub(super) struct Key {
    pub(super) id: ChannelId,
    pub(super) name: Arc<str>,
    pub(super) rule: Rule,
    /// The kinds that its value may have; empty for all.
    pub(super) kinds: Vec<Kind>,
    /// What a channel that reduces begins with; all other channels begin without a value.
    pub(super) initial: Option<Arc<Value>>,
    pub(super) schema: Value,
}

impl Key {
    fn check_kind(&self, value: &Value) -> Result<(), ValueError> {
        let kind = Kind::of(value);
        if self.kinds.is_empty() || self.kinds.iter().any(|known| known.takes(kind)) {
            return Ok(());
        }
        let known: Vec<String> = self.kinds.iter().map(Kind::to_string).collect();
        Err(self.wrong(format!("it has the type {kind}, not {}", known.join(" or "))))
    }

    fn wrong(&self, reason: String) -> ValueError {
        ValueError { channel: self.name.to_string(), reason }
    }

    fn accept_json(&self, value: Value, is_overwrite: bool) -> Result<Value, ValueError> {
        match &self.rule {
            Rule::Messages => chat::coerce_all(value).map(Value::Array).map_err(|reason| self.wrong(reason)),
            // A function may take updates that are no values of its channel; a topic takes items.
            Rule::Function(_) | Rule::Publish if !is_overwrite => Ok(value),
            _ => self.check_kind(&value).map(|()| value),
        }
    }

    fn reduce(&self, current: &mut Value, update: Value) -> Result<(), ReduceError> {
        match (&self.rule, current, update) {
            (Rule::Append | Rule::Publish, Value::Array(current), Value::Array(update)) => {
                current.extend(update);
            }
            (Rule::Publish, Value::Array(current), update) => current.push(update),
            (Rule::Merge, Value::Object(current), Value::Object(update)) => current.extend(update),
            (Rule::Messages, Value::Array(current), Value::Array(update)) => {
                change::apply_all(current, update).map_err(|id| {
                    ReduceError::new(format!("no message has the id `{id}`, so it can't be removed"))
                })?;
            }
            (Rule::Add, current, update) => arithmetic::add(current, update)?,
            (Rule::Max, current, update) => arithmetic::keep(current, update, Ordering::Greater)?,
            (Rule::Min, current, update) => arithmetic::keep(current, update, Ordering::Less)?,
            (Rule::Function(reduce), current, update) => *current = reduce(current.take(), update)?,
            (Rule::Last, current, update) => *current = update,
            (_, current, update) => {
                let (old, new) = (Kind::of(current), Kind::of(&update));
                return Err(ReduceError::new(format!(
                    "`{}` has a value of the type {old}, which can't take one of the type {new}",
                    self.name
                )));
            }
        }
        Ok(())
    }
}

impl ChannelOps for Key {
    fn accept(&self, value: BoxValue, is_overwrite: bool) -> Result<BoxValue, ValueError> {
        let json = match value.as_any().is::<Value>() {
            true => value.into_any().downcast::<Value>().map(|value| *value).unwrap_or_default(),
            false => value.to_json().map_err(|error| self.wrong(error.to_string()))?,
        };
        Ok(Box::new(self.accept_json(json, is_overwrite)?))
    }

    fn fold(&self, state: &mut AnyState, value: BoxValue, is_overwrite: bool) -> Result<(), ReduceError> {
        let other_type = || ReduceError::new(format!("a write to `{}` has another type", self.name));
        let state = state.downcast_mut::<DynState>().ok_or_else(other_type)?;
        let cell = state.cell_mut(self.id).ok_or_else(other_type)?;
        let value = *value.into_any().downcast::<Value>().map_err(|_| other_type())?;
        match cell {
            Some(current) if !is_overwrite && !matches!(self.rule, Rule::Last) => {
                self.reduce(Arc::make_mut(current), value)
            }
            None if !is_overwrite && matches!(self.rule, Rule::Publish) => {
                let mut list = Value::Array(Vec::new());
                self.reduce(&mut list, value)?;
                *cell = Some(Arc::new(list));
                Ok(())
            }
            _ => {
                *cell = Some(Arc::new(value));
                Ok(())
            }
        }
    }

    fn clear(&self, state: &mut AnyState) {
        if let Some(cell) = state.downcast_mut::<DynState>().and_then(|state| state.cell_mut(self.id)) {
            *cell = None;
        }
    }

    fn read(&self, state: &AnyState) -> Option<BoxValue> {
        Some(Box::new(state.downcast_ref::<DynState>()?.cell(self.id)?.clone()))
    }

    fn json(&self, state: &AnyState) -> Result<Value, serde_json::Error> {
        let cell = state.downcast_ref::<DynState>().and_then(|state| state.cell(self.id));
        Ok(cell.cloned().unwrap_or_default())
    }

    fn assign_ids(&self, value: &mut BoxValue, next_id: &mut dyn FnMut() -> String) {
        if !matches!(self.rule, Rule::Messages) || !value.as_any().is::<Value>() {
            return;
        }
        let taken = std::mem::replace(value, Box::new(()));
        if let Ok(mut messages) = taken.into_any().downcast::<Value>() {
            chat::assign_ids(&mut messages, next_id);
            *value = messages;
        }
    }

    fn is_conversation(&self) -> bool {
        matches!(self.rule, Rule::Messages)
    }

    fn has_initial(&self) -> bool {
        self.initial.is_some()
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }
}
