//! The suites that every store must pass: one check for each sentence of its contract.
//!
//! Owns: the checks and their names, which say what holds.
//! Never: knows a store; it sees the contract alone. It is no part of a running program, only tests call it.
//! Flow: `run_all` and its like give each check a new store, and tell all sentences that do not hold at once.

pub(crate) mod samples;
mod append;
mod lineage;
mod history;
mod threads;
mod items;
mod bus;
mod runs;

use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::store::Store;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use bus::run_all_bus;
pub use items::run_all_items;
pub use runs::run_all_runs;

/// Whether a sentence holds; if not, what was seen.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A sentence of the contract, and how it is checked on a store without threads.
type Check = (&'static str, for<'a> fn(&'a dyn Store) -> BoxFuture<'a, Outcome>);

// table
const CHECKS: &[Check] = &[
    ("a thread begins with its first entry", |store| Box::pin(append::begins(store))),
    ("what was appended is read back as it was", |store| Box::pin(append::reads_back(store))),
    ("an append is kept whole or not at all", |store| Box::pin(append::is_atomic(store))),
    ("a checkpoint that is there stays as it is", |store| Box::pin(append::repeats(store))),
    ("what happened at a checkpoint keeps its order", |store| Box::pin(append::keeps_order(store))),
    ("a link holds the facts of its own branch", |store| Box::pin(append::keeps_branches(store))),
    ("a thousand tasks of one step are all kept", |store| Box::pin(append::keeps_many(store))),
    ("a snapshot is wanted when the facts outweigh the last", |store| {
        Box::pin(append::wants_snapshot(store))
    }),
    ("threads that are written at one time do not mix", |store| Box::pin(append::is_concurrent(store))),
    ("a lineage goes from parent to parent", |store| Box::pin(lineage::follows_parents(store))),
    ("a lineage begins at the last snapshot", |store| Box::pin(lineage::begins_at_snapshot(store))),
    ("a lineage of what is not there is empty", |store| Box::pin(lineage::is_empty(store))),
    ("facts of a lineage make the machine that was recorded", |store| Box::pin(lineage::replays(store))),
    ("a history begins with the newest", |store| Box::pin(history::begins_with_newest(store))),
    ("a history has bounds", |store| Box::pin(history::has_bounds(store))),
    ("a history is filtered by source, step and metadata", |store| Box::pin(history::is_filtered(store))),
    ("namespaces of a thread have histories of their own", |store| Box::pin(threads::are_apart(store))),
    ("a copy has all of a thread, and lives alone", |store| Box::pin(threads::copies(store))),
    ("a copy takes the place of what was there", |store| Box::pin(threads::copies_over(store))),
    ("a deleted thread is gone", |store| Box::pin(threads::deletes(store))),
    ("a pruned thread has its newest checkpoints alone", |store| Box::pin(threads::prunes(store))),
    ("pruning keeps the lineage of what has no snapshot", |store| Box::pin(threads::prunes_safely(store))),
];

/// Runs every check, each on a store of its own that `make` gives.
///
/// # Panics
/// With all sentences of the contract that do not hold.
pub async fn run_all<S: Store>(make: impl AsyncFn() -> Arc<S>) {
    let mut broken = String::new();
    for (sentence, check) in CHECKS {
        note(&mut broken, sentence, check(&*make().await).await);
    }
    tell(&broken);
}

/// Adds a sentence that does not hold to those.
fn note(broken: &mut String, sentence: &str, outcome: Outcome) {
    if let Err(seen) = outcome {
        broken.push_str(&format!("\n- {sentence}: {seen}"));
    }
}

fn tell(broken: &str) {
    assert!(broken.is_empty(), "the store breaks its contract:{broken}");
}

/// Whether two values are the same; `what` says which they are.
fn same<T: PartialEq + fmt::Debug>(what: &str, got: &T, wanted: &T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what} is {got:?}, not {wanted:?}").into())
}

/// Whether something holds; `what` says what.
fn holds(what: &str, is_so: bool) -> Outcome {
    if is_so { Ok(()) } else { Err(format!("not so: {what}").into()) }
}
