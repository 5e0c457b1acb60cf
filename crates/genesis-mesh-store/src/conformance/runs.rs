//! The suite of the contract `RunStore`.
//!
//! Owns: the sentences of the contract, each with its check.
//! Never: waits for a time: what expires does so at once, because its time is 0.

mod samples;
mod accept;
mod busy;
mod claim;
mod lease;
mod commit;
mod end;
mod cancel;
mod read;
mod threads;
mod sweep;

use super::{Outcome, note, tell};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::RunStore;
use std::sync::Arc;

/// A sentence of the contract, and how it is checked on a store without runs.
type Check = (&'static str, for<'a> fn(&'a dyn RunStore) -> BoxFuture<'a, Outcome>);

// table
const CHECKS: &[Check] = &[
    ("an accepted run is read back as it was given", |store| Box::pin(accept::reads_back(store))),
    ("a thread begins with its first run", |store| Box::pin(accept::begins_thread(store))),
    ("a key that is used again gives the run of then", |store| Box::pin(accept::repeats(store))),
    ("a key that stands for another request is refused", |store| Box::pin(accept::refuses_reuse(store))),
    ("a key is its principal's", |store| Box::pin(accept::is_by_principal(store))),
    ("accepts of one key at one time make one run", |store| Box::pin(accept::is_concurrent(store))),
    ("a run whose id is there is given as it is", |store| Box::pin(accept::repeats_id(store))),
    ("a run is claimed as it is accepted, if nothing hinders", |store| Box::pin(accept::claims(store))),
    ("a busy thread refuses a run that would not wait", |store| Box::pin(busy::rejects(store))),
    ("a run waits until its thread is free", |store| Box::pin(busy::enqueues(store))),
    ("a run stops the others of its thread", |store| Box::pin(busy::interrupts(store))),
    ("a run has the others of its thread undone", |store| Box::pin(busy::rolls_back(store))),
    ("runs are claimed oldest first, so many as are asked for", |store| Box::pin(claim::is_in_order(store))),
    ("runs whose lease has expired are claimed first", |store| Box::pin(claim::expired_first(store))),
    ("of a thread's runs the oldest alone is claimed", |store| Box::pin(claim::one_of_a_thread(store))),
    ("only runs of the named agents are claimed", |store| Box::pin(claim::is_by_agent(store))),
    ("two who claim at one time never get the same run", |store| Box::pin(claim::is_concurrent(store))),
    ("each claim is counted, until the run comes further", |store| Box::pin(claim::counts(store))),
    ("a released run is claimed at once, and was not tried", |store| Box::pin(claim::releases(store))),
    ("all claimed runs are given back at once", |store| Box::pin(claim::releases_all(store))),
    ("a heartbeat extends what is held", |store| Box::pin(lease::extends(store))),
    ("a heartbeat tells what is lost", |store| Box::pin(lease::tells_lost(store))),
    ("an old epoch commits nothing", |store| Box::pin(lease::fences_old(store))),
    ("a lease of a run that is over commits nothing", |store| Box::pin(lease::fences_over(store))),
    ("an expired lease that nobody took is good", |store| Box::pin(lease::outlives_expiry(store))),
    ("events have contiguous numbers and are read as they were", |store| Box::pin(commit::numbers(store))),
    ("a commit is kept whole or not at all", |store| Box::pin(commit::is_atomic(store))),
    ("a commit keeps entries of several threads", |store| Box::pin(commit::keeps_entries(store))),
    ("a commit that is repeated is done once", |store| Box::pin(commit::repeats(store))),
    ("the last commit is repeated too", |store| Box::pin(commit::repeats_end(store))),
    ("each lease counts its commits anew", |store| Box::pin(commit::counts_anew(store))),
    ("commits of many runs at one time do not mix", |store| Box::pin(commit::is_concurrent(store))),
    ("an end closes the run", |store| Box::pin(end::closes(store))),
    ("an end that keeps undoes nothing", |store| Box::pin(end::keeps(store))),
    ("an end that rolls back undoes what came since the first claim", |store| {
        Box::pin(end::rolls_back(store))
    }),
    ("an end that keeps undoes all the same if that was wished before it", |store| {
        Box::pin(end::honours_wish(store))
    }),
    ("a rollback leaves what the run did not make", |store| Box::pin(end::leaves_others(store))),
    ("a run that waits is cancelled at once", |store| Box::pin(cancel::ends_waiting(store))),
    ("the wish to stop reaches the owner", |store| Box::pin(cancel::asks_owner(store))),
    ("the wish to stop outlives the owner", |store| Box::pin(cancel::outlives_owner(store))),
    ("a run that is over is not cancelled", |store| Box::pin(cancel::is_late(store))),
    ("runs are found, newest first", |store| Box::pin(read::finds(store))),
    ("a log is read in pages", |store| Box::pin(read::pages(store))),
    ("watches are counted", |store| Box::pin(read::watches(store))),
    ("a deleted run is gone, and its owner fenced", |store| Box::pin(read::deletes(store))),
    ("a store that works says so", |store| Box::pin(read::checks(store))),
    ("what is said of a thread is merged", |store| Box::pin(threads::merges(store))),
    ("an append makes a thread known", |store| Box::pin(threads::begins_by_append(store))),
    ("threads are listed, the last used first", |store| Box::pin(threads::lists(store))),
    ("threads of single runs are hidden", |store| Box::pin(threads::hides(store))),
    ("a deleted thread takes its runs along", |store| Box::pin(threads::deletes(store))),
    ("a copied thread has what is known of it, and no runs", |store| Box::pin(threads::copies(store))),
    ("runs that have outlived their time are swept", |store| Box::pin(sweep::runs(store))),
    ("threads that have outlived their time are swept", |store| Box::pin(sweep::threads(store))),
    ("a thread of a single run goes with it", |store| Box::pin(sweep::hidden(store))),
];

/// Runs every check, each on a store of its own that `make` gives.
///
/// # Panics
/// With all sentences of the contract that do not hold.
pub async fn run_all_runs<S: RunStore>(make: impl AsyncFn() -> Arc<S>) {
    let mut broken = String::new();
    for (sentence, check) in CHECKS {
        note(&mut broken, sentence, check(&*make().await).await);
    }
    tell(&broken);
}
