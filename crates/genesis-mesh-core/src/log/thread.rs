//! Threads as they are listed, and what retention deletes.
//!
//! Owns: what is known of a thread beside its checkpoints.
//! Never: holds a state; checkpoints do.

use serde_json::{Map, Value};

/// A thread beside its checkpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThreadInfo {
    /// Its name.
    pub id: String,
    /// When it began, in milliseconds since 1970; the store says.
    pub created_at_ms: i64,
    /// When a run came or ended last, or something was appended; the store says.
    pub updated_at_ms: i64,
    /// What its makers say of it.
    pub metadata: Map<String, Value>,
    /// How long it is kept after it was last used, in milliseconds; `None`: until it is deleted.
    pub ttl_ms: Option<u64>,
}

/// Which threads are asked for; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThreadQuery {
    /// The one of this name.
    pub id: Option<String>,
    /// Those whose names begin with this.
    pub prefix: Option<String>,
    /// Those whose metadata have these values.
    pub metadata: Map<String, Value>,
    /// So many of them are passed over.
    pub offset: usize,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What retention has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs with their logs.
    pub runs: usize,
    /// Threads with their checkpoints and runs.
    pub threads: usize,
}
