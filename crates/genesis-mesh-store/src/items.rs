//! Items in memory: JSON objects by namespace and key, which may end, and may be found by what they are about.
//!
//! Owns: the options of every store of items, and the order of a batch: embed, read, write.
//! Never: holds its lock across an await, or reads a clock of its own.
//! Flow: texts are embedded first, then one lock covers all reads and writes of the batch.

mod text;
mod shelf;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use genesis_mesh_core::items::{
    ItemAnswer, ItemIndex, ItemNamespace, ItemOp, ItemPut, ItemSearch, ItemTtl, Items, ItemsError,
};
use genesis_mesh_core::{BoxFuture, ModelError};
use shelf::{Shelves, Vectors};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Gives a vector for each text, all of one length.
pub type Embed =
    Arc<dyn Fn(Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, ModelError>> + Send + Sync>;

/// How items are kept.
#[derive(Clone)]
pub struct ItemsOptions {
    /// Tells what time it is.
    pub clock: Clock,
    /// How long an item lives if its put does not say, in milliseconds; `None` for ever.
    pub ttl_ms: Option<u64>,
    /// Whether a read makes what it finds live longer, if the read does not say.
    pub refreshes_ttl: bool,
    /// What makes queries possible; `None` if there are none.
    pub index: Option<ItemsIndex>,
}

/// How items are found by what they are about.
#[derive(Clone)]
pub struct ItemsIndex {
    /// Makes vectors of texts.
    pub embed: Embed,
    /// The paths of the texts of an item, if its put does not say; `$` is the whole.
    pub paths: Vec<String>,
}

impl ItemsOptions {
    /// Items that live for ever if nothing else is said, are refreshed by reads, and have no index.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, ttl_ms: None, refreshes_ttl: true, index: None }
    }

    /// How long an item lives that is put with `ttl`.
    fn ttl_of(&self, put: &ItemPut) -> Option<u64> {
        match put.ttl {
            ItemTtl::Default => self.ttl_ms,
            ItemTtl::Never => None,
            ItemTtl::Ms(ttl) => Some(ttl),
        }
    }
}

impl fmt::Debug for ItemsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemsOptions")
            .field("ttl_ms", &self.ttl_ms)
            .field("refreshes_ttl", &self.refreshes_ttl)
            .field("paths", &self.index.as_ref().map(|index| &index.paths))
            .finish_non_exhaustive()
    }
}

/// Keeps items in memory, for as long as the process lives.
pub struct MemoryItems {
    options: ItemsOptions,
    shelves: Mutex<Shelves>,
}

impl MemoryItems {
    /// A store without items.
    #[must_use]
    pub fn new(options: ItemsOptions) -> Self {
        Self { options, shelves: Mutex::default() }
    }

    async fn run(&self, ops: Vec<ItemOp>) -> Result<Vec<ItemAnswer>, ItemsError> {
        let vectors = match &self.options.index {
            Some(index) => embed_all(index, &ops).await?,
            None => HashMap::new(),
        };
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = (self.options.clock)();
        shelves.expire(now_ms);
        let mut answers = Vec::with_capacity(ops.len());
        let mut writes = Vec::new();
        for op in ops {
            answers.push(match op {
                ItemOp::Get { namespace, key, refreshes_ttl } => {
                    let refreshes = refreshes_ttl.unwrap_or(self.options.refreshes_ttl);
                    ItemAnswer::Item(shelves.get(&namespace, &key, refreshes.then_some(now_ms)))
                }
                ItemOp::Search(search) => {
                    let refreshes = search.refreshes_ttl.unwrap_or(self.options.refreshes_ttl);
                    let query = search.query.as_ref().and_then(|query| vectors.get(query));
                    ItemAnswer::Found(shelves.search(
                        &search,
                        query.map(Vec::as_slice),
                        refreshes.then_some(now_ms),
                    ))
                }
                ItemOp::Namespaces(search) => ItemAnswer::Namespaces(shelves.namespaces(&search)),
                write @ (ItemOp::Put(_) | ItemOp::Delete { .. }) => {
                    writes.push(write);
                    ItemAnswer::Done
                }
            });
        }
        for write in writes {
            self.write(&mut shelves, write, &vectors, now_ms);
        }
        Ok(answers)
    }

    fn write(&self, shelves: &mut Shelves, write: ItemOp, vectors: &HashMap<String, Vec<f32>>, now_ms: i64) {
        match write {
            ItemOp::Put(put) => {
                let ttl_ms = self.options.ttl_of(&put);
                let texts = self.options.index.as_ref().map(|index| texts_of(index, &put));
                let texts = texts.unwrap_or_default();
                let vectors: Vectors = texts.iter().filter_map(|text| vectors.get(text).cloned()).collect();
                shelves.put(put, vectors, ttl_ms, now_ms);
            }
            ItemOp::Delete { namespace, key } => shelves.delete(&namespace, &key),
            ItemOp::Get { .. } | ItemOp::Search(_) | ItemOp::Namespaces(_) => {}
        }
    }
}

/// The texts of an item that a query is compared with.
fn texts_of(index: &ItemsIndex, put: &ItemPut) -> Vec<String> {
    let paths = match &put.index {
        ItemIndex::Default => &index.paths,
        ItemIndex::Off => return Vec::new(),
        ItemIndex::Paths(paths) => paths,
    };
    paths.iter().flat_map(|path| text::texts_at(&put.value, path)).collect()
}

/// The vectors of all texts that a batch needs, made in one call.
async fn embed_all(index: &ItemsIndex, ops: &[ItemOp]) -> Result<HashMap<String, Vec<f32>>, ItemsError> {
    // Of several puts of one key only the last is kept.
    let mut puts: HashMap<(&ItemNamespace, &str), &ItemPut> = HashMap::new();
    let mut texts: Vec<String> = Vec::new();
    for op in ops {
        match op {
            ItemOp::Put(put) => drop(puts.insert((&put.namespace, &put.key), put)),
            ItemOp::Search(ItemSearch { query: Some(query), .. }) => texts.push(query.clone()),
            _ => {}
        }
    }
    texts.extend(puts.values().flat_map(|put| texts_of(index, put)));
    texts.sort_unstable();
    texts.dedup();
    if texts.is_empty() {
        return Ok(HashMap::new());
    }
    let vectors = (index.embed)(texts.clone()).await?;
    let wrong = |reason: String| Err(ItemsError::Embedding { reason });
    if vectors.len() != texts.len() {
        return wrong(format!("{} vectors for {} texts", vectors.len(), texts.len()));
    }
    let length = vectors.first().map_or(0, Vec::len);
    if length == 0 || vectors.iter().any(|vector| vector.len() != length) {
        return wrong("the vectors must have one length, 1 or more".to_owned());
    }
    if vectors.iter().flatten().any(|number| !number.is_finite()) {
        return wrong("a vector has a part that is no finite number".to_owned());
    }
    Ok(texts.into_iter().zip(vectors).collect())
}

impl Items for MemoryItems {
    fn batch(&self, ops: Vec<ItemOp>) -> BoxFuture<'_, Result<Vec<ItemAnswer>, ItemsError>> {
        Box::pin(self.run(ops))
    }
}

impl fmt::Debug for MemoryItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryItems").field("options", &self.options).finish_non_exhaustive()
    }
}
