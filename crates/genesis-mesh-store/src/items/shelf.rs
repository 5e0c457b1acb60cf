//! Shelves: the items of each namespace in the order in which they came, and when each of them ends.
//!
//! Owns: what is found, in which order, and what is taken out when its time is over.
//! Never: embeds, locks or reads a clock.
//! Source: the order is that of LangGraph's store in memory: namespaces, then keys, as they were put first.

use genesis_mesh_core::items::{FoundItem, Item, ItemNamespace, ItemPut, ItemSearch, NamespaceSearch};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One vector for each text of an item.
pub(super) type Vectors = Vec<Vec<f32>>;

/// All items.
#[derive(Default)]
pub(super) struct Shelves {
    by_namespace: BTreeMap<ItemNamespace, Shelf>,
    /// When items end, the next first: time, number, namespace.
    ends: BTreeSet<(i64, u64, ItemNamespace)>,
    next: u64,
}

/// The items of one namespace, by the numbers that they got when they came.
struct Shelf {
    number: u64,
    entries: BTreeMap<u64, Entry>,
    by_key: HashMap<String, u64>,
}

struct Entry {
    key: String,
    value: Map<String, Value>,
    created_at_ms: i64,
    updated_at_ms: i64,
    ttl_ms: Option<u64>,
    ends_at_ms: Option<i64>,
    vectors: Vectors,
}

impl Entry {
    fn item(&self, namespace: &ItemNamespace) -> Item {
        Item {
            namespace: namespace.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
        }
    }
}

impl Shelves {
    /// Takes out all items that end now or have ended.
    pub(super) fn expire(&mut self, now_ms: i64) {
        while let Some((end, number, namespace)) = self.ends.pop_first() {
            if end > now_ms {
                self.ends.insert((end, number, namespace));
                return;
            }
            self.take(&namespace, number);
        }
    }

    /// The item of this key; it lives longer if `refreshed_at_ms` is given.
    pub(super) fn get(
        &mut self,
        namespace: &ItemNamespace,
        key: &str,
        refreshed_at_ms: Option<i64>,
    ) -> Option<Item> {
        let shelf = self.by_namespace.get(namespace)?;
        let number = *shelf.by_key.get(key)?;
        let item = shelf.entries.get(&number)?.item(namespace);
        if let Some(now_ms) = refreshed_at_ms {
            self.renew(namespace, number, now_ms);
        }
        Some(item)
    }

    pub(super) fn put(&mut self, put: ItemPut, vectors: Vectors, ttl_ms: Option<u64>, now_ms: i64) {
        let ItemPut { namespace, key, value, .. } = put;
        let next = self.next;
        let shelf = self.by_namespace.entry(namespace.clone()).or_insert_with(|| Shelf {
            number: next,
            entries: BTreeMap::new(),
            by_key: HashMap::new(),
        });
        let number = *shelf.by_key.entry(key.clone()).or_insert(next);
        self.next += 1;
        let old = shelf.entries.get(&number);
        let created_at_ms = old.map_or(now_ms, |old| old.created_at_ms);
        let ends_at_ms = old.and_then(|old| old.ends_at_ms);
        let entry = Entry { key, value, created_at_ms, updated_at_ms: now_ms, ttl_ms, ends_at_ms, vectors };
        shelf.entries.insert(number, entry);
        self.renew(&namespace, number, now_ms);
    }

    /// Sets the end of an item anew.
    fn renew(&mut self, namespace: &ItemNamespace, number: u64, now_ms: i64) {
        let shelf = self.by_namespace.get_mut(namespace);
        let Some(entry) = shelf.and_then(|shelf| shelf.entries.get_mut(&number)) else { return };
        let end = |ttl_ms: u64| now_ms.saturating_add(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
        let ends_at_ms = entry.ttl_ms.map(end);
        let before = std::mem::replace(&mut entry.ends_at_ms, ends_at_ms);
        if before != ends_at_ms {
            if let Some(before) = before {
                self.ends.remove(&(before, number, namespace.clone()));
            }
            self.ends.extend(ends_at_ms.map(|end| (end, number, namespace.clone())));
        }
    }

    pub(super) fn delete(&mut self, namespace: &ItemNamespace, key: &str) {
        let number = self.by_namespace.get(namespace).and_then(|shelf| shelf.by_key.get(key).copied());
        let Some(number) = number else { return };
        if let Some(end) = self.take(namespace, number).and_then(|entry| entry.ends_at_ms) {
            self.ends.remove(&(end, number, namespace.clone()));
        }
    }

    fn take(&mut self, namespace: &ItemNamespace, number: u64) -> Option<Entry> {
        let shelf = self.by_namespace.get_mut(namespace)?;
        let entry = shelf.entries.remove(&number)?;
        shelf.by_key.remove(&entry.key);
        if shelf.entries.is_empty() {
            self.by_namespace.remove(namespace);
        }
        Some(entry)
    }

    /// The items that are looked for; they live longer if `refreshed_at_ms` is given.
    pub(super) fn search(
        &mut self,
        search: &ItemSearch,
        query: Option<&[f32]>,
        refreshed_at_ms: Option<i64>,
    ) -> Vec<FoundItem> {
        let shelves = self.below(&search.prefix);
        let all = shelves.iter().flat_map(|(namespace, shelf)| {
            shelf.entries.iter().map(move |(number, entry)| (*namespace, *number, entry))
        });
        let fitting = all.filter(|(_, _, entry)| search.filter.fits(&entry.value));
        let found: Vec<(&ItemNamespace, u64, FoundItem)> = match query {
            None => {
                let page = fitting.skip(search.offset).take(search.limit);
                page.map(|(namespace, number, entry)| (namespace, number, found(entry, namespace, None)))
                    .collect()
            }
            Some(query) => {
                let mut scored: Vec<_> = fitting
                    .map(|(namespace, number, entry)| {
                        (score(query, &entry.vectors), namespace, number, entry)
                    })
                    .collect();
                // Items without a score come last; those that are equally near stay in order.
                scored.sort_by(|(a, ..), (b, ..)| {
                    b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY))
                });
                let page = scored.into_iter().skip(search.offset).take(search.limit);
                page.map(|(score, namespace, number, entry)| {
                    (namespace, number, found(entry, namespace, score))
                })
                .collect()
            }
        };
        let places: Vec<(ItemNamespace, u64)> =
            found.iter().map(|(namespace, number, _)| ((*namespace).clone(), *number)).collect();
        let items = found.into_iter().map(|(_, _, item)| item).collect();
        if let Some(now_ms) = refreshed_at_ms {
            places.iter().for_each(|(namespace, number)| self.renew(namespace, *number, now_ms));
        }
        items
    }

    /// The shelves whose namespaces begin with `prefix`, in the order in which they came.
    fn below(&self, prefix: &[String]) -> Vec<(&ItemNamespace, &Shelf)> {
        let mut shelves: Vec<_> = if prefix.is_empty() {
            self.by_namespace.iter().collect()
        } else {
            // What can't be a namespace begins none.
            let Ok(first) = ItemNamespace::new(prefix.iter().map(String::as_str)) else { return Vec::new() };
            let from = self.by_namespace.range(first..);
            from.take_while(|(namespace, _)| namespace.labels().starts_with(prefix)).collect()
        };
        shelves.sort_unstable_by_key(|(_, shelf)| shelf.number);
        shelves
    }

    pub(super) fn namespaces(&self, search: &NamespaceSearch) -> Vec<ItemNamespace> {
        let fitting = self
            .by_namespace
            .keys()
            .filter(|namespace| namespace.begins_with(&search.prefix) && namespace.ends_with(&search.suffix));
        let depth = search.depth_max.unwrap_or(usize::MAX);
        let mut cut: Vec<ItemNamespace> = fitting.filter_map(|namespace| namespace.cut(depth)).collect();
        cut.dedup();
        cut.into_iter().skip(search.offset).take(search.limit).collect()
    }
}

fn found(entry: &Entry, namespace: &ItemNamespace, score: Option<f64>) -> FoundItem {
    FoundItem { item: entry.item(namespace), score }
}

/// How near the nearest text of an item is to the query; `None` if it has none.
fn score(query: &[f32], vectors: &[Vec<f32>]) -> Option<f64> {
    vectors.iter().map(|vector| cosine(query, vector)).max_by(f64::total_cmp)
}

/// The cosine of the angle between two vectors; 0 if one of them has no length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let lengths = dot(a, a).sqrt() * dot(b, b).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
impl Shelves {
    /// How many namespaces, items and ends there are.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let items = self.by_namespace.values().map(|shelf| shelf.entries.len()).sum();
        (self.by_namespace.len(), items, self.ends.len())
    }
}
