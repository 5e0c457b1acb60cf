//! The check of a tree against the schema: every unknown key, wrong type and number out of range, at its place.
//!
//! Owns: the walk, and what is left of the tree when all that is wrong is taken out.
//! Never: knows a key by name; the schema does. Never repeats a text that was given: it may be a secret.
//! Flow: tree and schema in; problems and a JSON value out, which the forms can always read.

mod scalar;
mod variant;

use super::problem::{Place, Problem};
use super::schema::{kind, resolve};
use super::tree::{Entry, Node, Value};
use serde_json::{Map, Value as Json};

/// Holds `root` to `schema`.
pub(super) fn check(schema: &Json, root: &Node) -> (Json, Vec<Problem>) {
    let mut checker = Checker { root: schema, problems: Vec::new() };
    let json = checker.value(schema, root, &root.place);
    (json.unwrap_or_else(|| Json::Object(Map::new())), checker.problems)
}

struct Checker<'a> {
    root: &'a Json,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn say(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(Problem { place: place.clone(), message: message.into() });
    }

    /// The JSON of `node`, or `None` if it is wrong; `key` is where it is named.
    fn value(&mut self, schema: &'a Json, node: &Node, key: &Place) -> Option<Json> {
        let schema = resolve(self.root, schema);
        if let Some(variants) = schema.get("anyOf").and_then(Json::as_array) {
            return self.variant(variants, node, key);
        }
        match (kind(self.root, schema), &node.value) {
            (None, _) => Some(scalar::free(node)),
            (Some("object"), Value::Table(entries)) => self.table(schema, entries, key),
            (Some("array"), Value::List(nodes)) => self.list(schema, nodes, &node.place),
            (Some("array"), Value::Raw(text)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let nodes: Vec<Node> = parts.map(|part| Node::raw(&node.place, part)).collect();
                self.list(schema, &nodes, &node.place)
            }
            (Some(kind), _) => match scalar::read(schema, kind, &node.value) {
                Ok(json) => Some(json),
                Err(message) => {
                    self.say(&node.place, message);
                    None
                }
            },
        }
    }

    fn list(&mut self, schema: &'a Json, nodes: &[Node], place: &Place) -> Option<Json> {
        let items = schema.get("items").unwrap_or(&Json::Bool(true));
        let read: Vec<Json> = nodes.iter().filter_map(|node| self.value(items, node, &node.place)).collect();
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
        let count = nodes.len() as u64;
        let at_least = bound("minItems").filter(|min| count < *min).map(|min| format!("at least {min}"));
        let at_most = bound("maxItems").filter(|max| count > *max).map(|max| format!("at most {max}"));
        if let Some(bound) = at_least.or(at_most) {
            self.say(place, format!("expected a list of {bound}, got {count}"));
            return None;
        }
        // A list keeps its length, so that a path finds the same item in both.
        (read.len() == nodes.len()).then_some(Json::Array(read))
    }

    fn table(&mut self, schema: &'a Json, entries: &[Entry], key: &Place) -> Option<Json> {
        let known = schema.get("properties").and_then(Json::as_object);
        let other = schema.get("additionalProperties");
        let mut read = Map::new();
        for entry in entries {
            let of_key = known.and_then(|known| known.get(&entry.name));
            match (of_key, other) {
                (Some(schema), _) | (None, Some(schema @ Json::Object(_))) => {
                    let json = self.value(schema, &entry.node, &entry.place);
                    read.extend(json.map(|json| (entry.name.clone(), json)));
                }
                (None, None | Some(Json::Bool(true))) => {
                    read.insert(entry.name.clone(), scalar::free(&entry.node));
                }
                _ => self.unknown(entry, known.into_iter().flat_map(|known| known.keys())),
            }
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        let mut is_whole = true;
        for name in required.filter_map(Json::as_str) {
            is_whole &= read.contains_key(name);
            if !entries.iter().any(|entry| entry.name == name) {
                self.say(key, format!("`{name}` is missing"));
            }
        }
        is_whole.then_some(Json::Object(read))
    }

    /// A key that does not exist, with the one that was most likely meant.
    fn unknown<'k>(&mut self, entry: &Entry, known: impl Iterator<Item = &'k String>) {
        let name = &entry.name;
        let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(known, name));
        let hint = nearest.map(|key| format!("; the nearest known key is `{key}`")).unwrap_or_default();
        self.say(&entry.place, format!("unknown key `{name}`{hint}"));
    }
}
