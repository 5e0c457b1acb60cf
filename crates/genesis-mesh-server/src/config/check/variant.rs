//! Values that may have one of several shapes: which one is meant, and what to say if none or two are.
//!
//! Owns: the choice. Of tables it is made by the first required key of each shape.
//! Never: looks into a value; the walk does, once the shape is known.

use super::{Checker, scalar};
use crate::config::problem::Place;
use crate::config::schema::{kind, resolve};
use crate::config::tree::{Entry, Node, Value};
use serde_json::Value as Json;

impl<'a> Checker<'a> {
    /// The JSON of `node` by that one of `variants` which it is meant to be.
    pub(super) fn variant(&mut self, variants: &'a [Json], node: &Node, key: &Place) -> Option<Json> {
        let root = self.root;
        let fitting: Vec<&'a Json> = variants
            .iter()
            .map(|variant| resolve(root, variant))
            .filter(|variant| kind(root, variant).is_none_or(|kind| fits(kind, &node.value)))
            .collect();
        match (fitting.as_slice(), &node.value) {
            ([], value) => {
                let mut shapes: Vec<String> = variants.iter().map(|variant| self.words(variant)).collect();
                shapes.dedup();
                let message = format!("expected {}, got {}", shapes.join(" or "), scalar::given(value));
                self.say(&node.place, message);
                None
            }
            ([only], _) if tag(only).is_none() => self.value(only, node, key),
            (tables, Value::Table(entries)) => self.tagged(tables, entries, key),
            ([first, ..], _) => self.value(first, node, key),
        }
    }

    /// The table by that shape of `tables` whose first required key it has.
    fn tagged(&mut self, tables: &[&'a Json], entries: &[Entry], key: &Place) -> Option<Json> {
        let of = |entry: &Entry| tables.iter().copied().find(|table| tag(table) == Some(&entry.name));
        let mut named = entries.iter().filter_map(|entry| Some((entry, of(entry)?)));
        let Some((first, meant)) = named.next() else {
            let tags: Vec<String> =
                tables.iter().filter_map(|table| tag(table)).map(|tag| format!("`{tag}`")).collect();
            let keys: Vec<&String> = tables.iter().flat_map(|table| keys(table)).collect();
            self.say(key, format!("one of {} is missing", tags.join(", ")));
            for entry in entries.iter().filter(|entry| !keys.contains(&&entry.name)) {
                self.unknown(entry, keys.iter().copied());
            }
            return None;
        };
        let mut rest = Vec::new();
        for entry in entries {
            let is_known = |table: &&Json| keys(table).any(|key| *key == entry.name);
            if !is_known(&meant) && tables.iter().any(is_known) {
                self.say(&entry.place, format!("`{}` cannot stand beside `{}`", entry.name, first.name));
            } else {
                rest.push(entry.clone());
            }
        }
        self.table(meant, &rest, key)
    }

    fn words(&self, variant: &'a Json) -> String {
        let variant = resolve(self.root, variant);
        scalar::expected(variant, kind(self.root, variant).unwrap_or("string"))
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    match value {
        Value::Table(_) => kind == "object",
        Value::List(_) => kind == "array",
        Value::Text(_) | Value::Raw(_) | Value::Date(_) => kind == "string",
        Value::Integer(_) => matches!(kind, "integer" | "number"),
        Value::Float(_) => kind == "number",
        Value::Boolean(_) => kind == "boolean",
    }
}

/// The key that says that a table has this shape.
fn tag(table: &Json) -> Option<&str> {
    table.get("required")?.get(0)?.as_str()
}

fn keys(table: &Json) -> impl Iterator<Item = &String> {
    table.get("properties").and_then(Json::as_object).into_iter().flat_map(|known| known.keys())
}
