//! The `Items` contract: JSON objects by namespace and key, which all threads share.
//!
//! Owns: the form of items, the operations on them, the trait, and its error.
//! Never: knows an implementation, or reads a clock: whoever makes one gives it the time.
//! Flow: each call is a batch of operations; the single functions are batches of one.
//! Source: what LangGraph calls `Store`; ours of that name keeps threads.

mod namespace;
mod filter;
#[cfg(test)]
mod tests;

pub use filter::{FilterError, ItemFilter};
pub use namespace::{ItemNamespace, NamespaceError};

use crate::model::{BoxFuture, ModelError};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Where it is.
    pub namespace: ItemNamespace,
    /// Its name there.
    pub key: String,
    /// What it holds.
    pub value: Map<String, Value>,
    /// When it was put first, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was put last, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// An item that a search has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundItem {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// How near it is to the query, from -1 to 1; `None` without a query, or if the item is in no index.
    pub score: Option<f64>,
}

/// How long an item lives after it was put, or read if reads refresh it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ItemTtl {
    /// As long as the store's setting says.
    #[default]
    Default,
    /// For ever.
    Never,
    /// So many milliseconds.
    Ms(u64),
}

/// Which texts of an item a query is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ItemIndex {
    /// Those that the store's setting names.
    #[default]
    Default,
    /// None.
    Off,
    /// Those at these paths: `title`, `author.name`, `parts[0]`, `parts[-1]`, `parts[*].text`, `{a,b.c}`, or `$` for
    /// the whole.
    Paths(Vec<String>),
}

/// An item to be put.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPut {
    /// Where.
    pub namespace: ItemNamespace,
    /// Its name there.
    pub key: String,
    /// What it holds.
    pub value: Map<String, Value>,
    /// How long it lives.
    pub ttl: ItemTtl,
    /// How it can be found by a query.
    pub index: ItemIndex,
}

impl ItemPut {
    /// An item that lives and is found as the store's settings say.
    #[must_use]
    pub fn new(namespace: ItemNamespace, key: impl Into<String>, value: Map<String, Value>) -> Self {
        Self { namespace, key: key.into(), value, ttl: ItemTtl::Default, index: ItemIndex::Default }
    }
}

/// Which items are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSearch {
    /// The labels with which their namespaces begin; none for all.
    pub prefix: Vec<String>,
    /// What their values must hold.
    pub filter: ItemFilter,
    /// What they should be about; a store without an index passes over it.
    pub query: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Without the first so many.
    pub offset: usize,
    /// Whether those that are found live longer by it; `None` leaves it to the store's setting.
    pub refreshes_ttl: Option<bool>,
}

impl ItemSearch {
    /// The first ten items below `prefix`: as many as LangGraph's clients ask for.
    #[must_use]
    pub fn new(prefix: Vec<String>) -> Self {
        Self { prefix, filter: ItemFilter::default(), query: None, limit: 10, offset: 0, refreshes_ttl: None }
    }
}

/// Which namespaces are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSearch {
    /// The labels with which they begin; `*` stands for any one label.
    pub prefix: Vec<String>,
    /// The labels with which they end; `*` stands for any one label.
    pub suffix: Vec<String>,
    /// Longer ones are cut to so many labels, each told once.
    pub depth_max: Option<usize>,
    /// At most so many.
    pub limit: usize,
    /// Without the first so many.
    pub offset: usize,
}

impl Default for NamespaceSearch {
    /// The first hundred namespaces: as many as LangGraph's clients ask for.
    fn default() -> Self {
        Self { prefix: Vec::new(), suffix: Vec::new(), depth_max: None, limit: 100, offset: 0 }
    }
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemOp {
    /// Reads an item.
    Get {
        /// Where.
        namespace: ItemNamespace,
        /// Its name there.
        key: String,
        /// Whether it lives longer by this; `None` leaves it to the store's setting.
        refreshes_ttl: Option<bool>,
    },
    /// Puts an item, in the place of what has its key.
    Put(ItemPut),
    /// Deletes an item, if it is there.
    Delete {
        /// Where.
        namespace: ItemNamespace,
        /// Its name there.
        key: String,
    },
    /// Looks for items.
    Search(ItemSearch),
    /// Lists namespaces.
    Namespaces(NamespaceSearch),
}

/// What an operation gives.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemAnswer {
    /// Of a read: the item, if it is there.
    Item(Option<Item>),
    /// Of a put or a deletion: nothing.
    Done,
    /// Of a search. With a query, the nearest first, then those that are in no index; without one, namespaces and the
    /// items in each in the order in which they were put first.
    Found(Vec<FoundItem>),
    /// Of a list: the namespaces that have items, sorted by their labels.
    Namespaces(Vec<ItemNamespace>),
}

/// Keeps items. An item whose time is over is not there any more for any call.
///
/// # Cancel safety
/// A future that is dropped has done all of its batch or nothing.
pub trait Items: Send + Sync + fmt::Debug {
    /// Does all of `ops`, or nothing; the answers stand in their order. Reads see what was there before the batch; of
    /// several writes to one key the last counts.
    ///
    /// # Errors
    /// The embedding function fails, or the store can't be read or written.
    fn batch(&self, ops: Vec<ItemOp>) -> BoxFuture<'_, Result<Vec<ItemAnswer>, ItemsError>>;

    /// The item of this key, if it is there.
    ///
    /// # Errors
    /// As [`Items::batch`].
    fn get<'a>(
        &'a self,
        namespace: &'a ItemNamespace,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Item>, ItemsError>> {
        let (namespace, key) = (namespace.clone(), key.to_owned());
        let answers = self.batch(vec![ItemOp::Get { namespace, key, refreshes_ttl: None }]);
        Box::pin(async move {
            Ok(match answers.await?.pop() {
                Some(ItemAnswer::Item(item)) => item,
                _ => None,
            })
        })
    }

    /// Puts an item, in the place of what has its key.
    ///
    /// # Errors
    /// As [`Items::batch`].
    fn put(&self, item: ItemPut) -> BoxFuture<'_, Result<(), ItemsError>> {
        let answers = self.batch(vec![ItemOp::Put(item)]);
        Box::pin(async move { answers.await.map(drop) })
    }

    /// Deletes an item, if it is there.
    ///
    /// # Errors
    /// As [`Items::batch`].
    fn delete<'a>(
        &'a self,
        namespace: &'a ItemNamespace,
        key: &'a str,
    ) -> BoxFuture<'a, Result<(), ItemsError>> {
        let (namespace, key) = (namespace.clone(), key.to_owned());
        let answers = self.batch(vec![ItemOp::Delete { namespace, key }]);
        Box::pin(async move { answers.await.map(drop) })
    }

    /// The items that a search finds.
    ///
    /// # Errors
    /// As [`Items::batch`].
    fn search(&self, search: ItemSearch) -> BoxFuture<'_, Result<Vec<FoundItem>, ItemsError>> {
        let answers = self.batch(vec![ItemOp::Search(search)]);
        Box::pin(async move {
            Ok(match answers.await?.pop() {
                Some(ItemAnswer::Found(items)) => items,
                _ => Vec::new(),
            })
        })
    }

    /// The namespaces that have items.
    ///
    /// # Errors
    /// As [`Items::batch`].
    fn list_namespaces(
        &self,
        search: NamespaceSearch,
    ) -> BoxFuture<'_, Result<Vec<ItemNamespace>, ItemsError>> {
        let answers = self.batch(vec![ItemOp::Namespaces(search)]);
        Box::pin(async move {
            Ok(match answers.await?.pop() {
                Some(ItemAnswer::Namespaces(namespaces)) => namespaces,
                _ => Vec::new(),
            })
        })
    }
}

/// Why operations on items were not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemsError {
    /// The embedding function failed.
    #[error("the texts can't be embedded")]
    Embed(#[from] ModelError),
    /// What the embedding function gave can't be used.
    #[error("the embedding of a text can't be used: {reason}")]
    Embedding {
        /// What is wrong with it.
        reason: String,
    },
    /// The store can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ItemsError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Embed(error) => error.code(),
            Self::Embedding { .. } => "embedding_invalid",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Embed(error) => error.is_retryable(),
            Self::Embedding { .. } => false,
            Self::Store(error) => error.is_retryable(),
        }
    }
}
