//! Weights: how much a record holds, counted in nodes of its JSON.
//!
//! Owns: a serializer that counts and writes nothing.
//! Never: allocates; a store weighs each fact that it keeps.

use serde::ser::{self, Serialize, Serializer};
use std::fmt;

/// The bytes of text that weigh as much as a node: a JSON value takes about as many in memory.
const TEXT_OF_A_NODE: usize = 32;

/// How many nodes the JSON of `value` has; long texts count for more than one.
pub(crate) fn weight_of(value: &impl Serialize) -> u64 {
    let mut nodes = Nodes(0);
    // What can't be serialised weighs what was counted up to there.
    let _ = value.serialize(&mut nodes);
    nodes.0
}

struct Nodes(u64);

type Counted = Result<(), fmt::Error>;

impl Nodes {
    fn one(&mut self) -> Counted {
        self.0 += 1;
        Ok(())
    }

    fn text(&mut self, bytes: usize) -> Counted {
        self.0 += 1 + (bytes / TEXT_OF_A_NODE) as u64;
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Self, fmt::Error> {
        self.0 += 1;
        Ok(self)
    }
}

macro_rules! scalars {
    ($($function:ident: $type:ty,)*) => {
        $(fn $function(self, _: $type) -> Counted {
            self.one()
        })*
    };
}

impl Serializer for &mut Nodes {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    scalars! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_unit_struct: &'static str,
    }

    fn serialize_str(self, text: &str) -> Counted {
        self.text(text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Counted {
        self.text(bytes.len())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Counted {
        self.one()
    }

    fn serialize_unit(self) -> Counted {
        self.one()
    }

    fn serialize_none(self) -> Counted {
        self.one()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Counted {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Counted {
        self.one()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Counted {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Counted {
        value.serialize(self.open()?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.open()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.open()
    }
}

macro_rules! items {
    ($($contract:ident: $function:ident,)*) => {
        $(impl ser::$contract for &mut Nodes {
            type Ok = ();
            type Error = fmt::Error;

            fn $function<T: Serialize + ?Sized>(&mut self, value: &T) -> Counted {
                value.serialize(&mut **self)
            }

            fn end(self) -> Counted {
                Ok(())
            }
        })*
    };
}

macro_rules! fields {
    ($($contract:ident,)*) => {
        $(impl ser::$contract for &mut Nodes {
            type Ok = ();
            type Error = fmt::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Counted {
                value.serialize(&mut **self)
            }

            fn end(self) -> Counted {
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl ser::SerializeMap for &mut Nodes {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Counted {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Counted {
        value.serialize(&mut **self)
    }

    fn end(self) -> Counted {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::weight_of;
    use serde_json::json;

    #[test]
    fn each_value_of_a_json_text_is_a_node_and_long_texts_are_more() {
        assert_eq!(weight_of(&json!(1)), 1);
        assert_eq!(weight_of(&json!({"a": [1, null, true], "b": {}})), 6);
        assert_eq!(weight_of(&json!("x".repeat(320))), 11);
    }
}
