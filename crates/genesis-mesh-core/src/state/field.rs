//! Fields: the channels of a Rust struct, by a way to the field and a reducer.
//!
//! Owns: `Field`, which `#[derive(State)]` makes one of for each field.
//! Never: reflects at run time; a field is two function pointers.

use super::channel::{Channel, ChannelKind, ChannelOps, ReduceError, ValueError};
use super::reduce::Reducer;
use super::value::{AnyState, BoxValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::Arc;

/// A field of type `T` in the state `S`, whose writes go through the reducer `R`.
pub struct Field<S, T, R> {
    name: &'static str,
    get: fn(&S) -> &T,
    get_mut: fn(&mut S) -> &mut T,
    reducer: PhantomData<fn(R)>,
}

impl<S, T, R> Field<S, T, R> {
    /// The channel of this field. The bounds stand here so that an error names the one that is not met.
    pub fn channel(
        name: &'static str,
        kind: ChannelKind,
        get: fn(&S) -> &T,
        get_mut: fn(&mut S) -> &mut T,
    ) -> Channel
    where
        S: Send + Sync + 'static,
        T: Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync + 'static,
        R: Reducer<T>,
    {
        let ops = Self { name, get, get_mut, reducer: PhantomData };
        Channel { name: Arc::from(name), kind, ops: Arc::new(ops) }
    }

    fn parse<V: DeserializeOwned + Clone + Serialize + Send + Sync + 'static>(
        &self,
        value: BoxValue,
    ) -> Result<BoxValue, ValueError> {
        if value.as_any().is::<V>() {
            return Ok(value);
        }
        let wrong = |reason: String| ValueError { channel: self.name.to_owned(), reason };
        let json = match value.into_any().downcast::<Value>() {
            Ok(json) => *json,
            Err(_) => return Err(wrong("it has the type of another channel".to_owned())),
        };
        let parsed: V = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
        Ok(Box::new(parsed))
    }
}

impl<S, T, R> ChannelOps for Field<S, T, R>
where
    S: Send + Sync + 'static,
    T: Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync + 'static,
    R: Reducer<T>,
{
    fn accept(&self, value: BoxValue, is_overwrite: bool) -> Result<BoxValue, ValueError> {
        if is_overwrite { self.parse::<T>(value) } else { self.parse::<R::Update>(value) }
    }

    fn fold(&self, state: &mut AnyState, value: BoxValue, is_overwrite: bool) -> Result<(), ReduceError> {
        let other_type = || ReduceError::new(format!("a write to `{}` has another type", self.name));
        let state = state.downcast_mut::<S>().ok_or_else(other_type)?;
        let field = (self.get_mut)(state);
        let value = value.into_any();
        if is_overwrite {
            *field = *value.downcast::<T>().map_err(|_| other_type())?;
            Ok(())
        } else {
            R::reduce(field, *value.downcast::<R::Update>().map_err(|_| other_type())?)
        }
    }

    fn clear(&self, state: &mut AnyState) {
        if let Some(state) = state.downcast_mut::<S>() {
            *(self.get_mut)(state) = T::default();
        }
    }

    fn read(&self, state: &AnyState) -> Option<BoxValue> {
        let state = state.downcast_ref::<S>()?;
        Some(Box::new((self.get)(state).clone()))
    }

    fn json(&self, state: &AnyState) -> Result<Value, serde_json::Error> {
        match state.downcast_ref::<S>() {
            Some(state) => serde_json::to_value((self.get)(state)),
            None => Ok(Value::Null),
        }
    }

    fn assign_ids(&self, value: &mut BoxValue, next_id: &mut dyn FnMut() -> String) {
        if !value.as_any().is::<R::Update>() {
            return;
        }
        let taken = std::mem::replace(value, Box::new(()));
        if let Ok(mut update) = taken.into_any().downcast::<R::Update>() {
            R::assign_ids(&mut update, next_id);
            *value = update;
        }
    }

    fn update_schema(&self) -> Value {
        schemars::schema_for!(R::Update).to_value()
    }

    fn is_conversation(&self) -> bool {
        R::IS_CONVERSATION
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(T).to_value()
    }
}
