//! How deeply a schema is nested, as it is written and with its references followed.
//!
//! Owns: the walks that measure it; neither goes deeper than the bound it is given.
//! Never: refuses recursion: a schema that contains itself counts once.

use serde_json::Value;
use std::collections::HashMap;

/// Keywords whose values are maps from names to schemas: the map is no level of its own.
const MAPS: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];

/// Keywords whose values aren't schemas, or are none until a reference leads to them.
const SKIPPED: [&str; 7] = ["$defs", "definitions", "const", "enum", "default", "examples", "x-guidance"];

/// Whether the JSON `value` has more than `levels` levels of arrays and objects.
pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|item| is_deeper(item, levels - 1)),
        _ => false,
    }
}

/// Whether `root` nests more than `levels` schemas in one another along its references.
pub(super) fn is_deeper_by_reference(root: &Value, levels: usize) -> bool {
    Walk { root, heights: HashMap::new() }.height(root, levels).is_none()
}

struct Walk<'a> {
    root: &'a Value,
    /// The levels of each value that was seen, by its address; 0 while the walk is inside it.
    heights: HashMap<*const Value, usize>,
}

impl<'a> Walk<'a> {
    /// The levels of `schema`, or `None` if they are more than `left`.
    fn height(&mut self, schema: &'a Value, left: usize) -> Option<usize> {
        if !matches!(schema, Value::Array(_) | Value::Object(_)) {
            return Some(0);
        }
        let address = std::ptr::from_ref(schema);
        if let Some(&known) = self.heights.get(&address) {
            return (known <= left).then_some(known);
        }
        let below = left.checked_sub(1)?;
        self.heights.insert(address, 0);
        let mut highest = 0;
        for child in self.children(schema) {
            highest = highest.max(self.height(child, below)?);
        }
        self.heights.insert(address, highest + 1);
        Some(highest + 1)
    }

    fn children(&self, schema: &'a Value) -> Vec<&'a Value> {
        let fields = match schema {
            Value::Array(items) => return items.iter().collect(),
            Value::Object(fields) => fields,
            _ => return Vec::new(),
        };
        let mut children = Vec::new();
        for (key, value) in fields {
            match value {
                _ if SKIPPED.contains(&key.as_str()) => {}
                Value::Object(names) if MAPS.contains(&key.as_str()) => children.extend(names.values()),
                Value::Array(items) => children.extend(items),
                Value::String(pointer) if key == "$ref" => children.extend(self.target(pointer)),
                other => children.push(other),
            }
        }
        children
    }

    /// Where a reference leads within the schema; the library refuses the ones that lead elsewhere.
    fn target(&self, reference: &str) -> Option<&'a Value> {
        let (_, pointer) = reference.split_once('#')?;
        self.root.pointer(pointer)
    }
}
