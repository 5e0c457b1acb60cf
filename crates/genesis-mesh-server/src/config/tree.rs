//! The tree of all settings, each with the place where it was given.
//!
//! Owns: TOML text to tree, and finding or setting a node by its path.
//! Never: knows which keys exist.
//! Flow: the file is parsed, variables and flags are set on top, `check` holds the whole to the schema.

use super::problem::{Place, Problem};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Vec<Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// A TOML date or time, as it is written.
    Date(String),
    /// Text of a variable or a flag, which becomes what the schema wants.
    Raw(String),
}

/// One key of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Where the key stands; its node's place is that of the value.
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    /// A table without keys that nobody wrote.
    pub(super) fn empty() -> Self {
        Self { place: Place::Default, value: Value::Table(Vec::new()) }
    }

    /// The text of a variable or a flag.
    pub(super) fn raw(place: &Place, text: &str) -> Self {
        Self { place: place.clone(), value: Value::Raw(text.to_owned()) }
    }

    /// The keys of a table; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name == name)
    }

    /// The place of the key at `path` (numbers count a list's items from 0), or of the nearest table above it.
    pub(super) fn place_of(&self, path: &[&str]) -> Place {
        let (mut node, mut place) = (self, &self.place);
        for part in path {
            let next = match &node.value {
                Value::List(nodes) => part
                    .parse()
                    .ok()
                    .and_then(|index: usize| nodes.get(index))
                    .map(|node| (node, &node.place)),
                _ => node.get(part).map(|entry| (&entry.node, &entry.place)),
            };
            let Some((next, next_place)) = next else { break };
            (node, place) = (next, next_place);
        }
        place.clone()
    }

    /// Sets the key at `path`; tables that are missing on the way are made. What is no table stays as it is.
    pub(super) fn set(&mut self, path: &[&str], value: Node) {
        let Some((name, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        let Value::Table(entries) = &mut self.value else { return };
        let known = entries.iter().position(|entry| entry.name == *name);
        let index = known.unwrap_or_else(|| {
            let mut node = Self::empty();
            node.place = value.place.clone();
            entries.push(Entry { name: (*name).to_owned(), place: value.place.clone(), node });
            entries.len() - 1
        });
        let Some(entry) = entries.get_mut(index) else { return };
        if rest.is_empty() {
            entry.place = value.place.clone();
        }
        entry.node.set(rest, value);
    }
}

/// Reads TOML; all mistakes of its syntax come with the tree of what could be read.
pub(super) fn parse(text: &str) -> (Node, Vec<Problem>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let problem = |error: toml::de::Error| {
        let words: Vec<&str> = error.message().lines().collect();
        Problem {
            place: lines.place(error.span().map_or(0, |span| span.start)),
            message: format!("this is not TOML: {}", words.join(", ")),
        }
    };
    let problems = errors.into_iter().map(problem).collect();
    (Node { place: lines.place(0), value: Value::Table(entries(table.get_ref(), &lines)) }, problems)
}

fn entries(table: &DeTable<'_>, lines: &Lines<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        Entry { name: name.to_string(), place: lines.place(key.span().start), node: node(value, lines) }
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let place = lines.place(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            // What no i128 holds is out of every range, like the largest one.
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(values) => Value::List(values.iter().map(|value| node(value, lines)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, lines)),
    };
    Node { place, value }
}

/// A text with the offsets at which its lines start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        Place::File { line, column: 1 + before.chars().count() }
    }
}
