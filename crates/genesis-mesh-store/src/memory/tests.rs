//! The store in memory: it keeps the contract, stays small, and loses nothing when many write at once.

use super::*;
use crate::conformance;
use genesis_mesh_core::log::{RunStore as _, ThreadInfo, ThreadQuery};
use genesis_mesh_core::run::{FactRecord, Source, TaskEnd, TaskId, TaskPath};
use std::collections::BTreeMap;
use std::sync::Arc;

fn key(thread: &str) -> ThreadKey {
    ThreadKey { thread: thread.to_owned(), ns: Namespace::default() }
}

fn committed(id: u128) -> Entry {
    Entry::Checkpoint(Checkpoint {
        id: CheckpointId(id),
        parent: (id > 1).then(|| CheckpointId(id - 1)),
        step: 0,
        source: Source::Loop,
        created_at_ms: 0,
        parents: BTreeMap::new(),
        metadata: serde_json::Map::new(),
        fact: Some(FactRecord::StepCommitted { checkpoint: CheckpointId(id) }),
    })
}

fn ended(checkpoint: u128, task: u128) -> Entry {
    let fact = FactRecord::TaskEnded {
        task: TaskId(task),
        name: "node".to_owned(),
        path: TaskPath::Pull(Arc::from("node")),
        calls: Vec::new(),
        answers: Vec::new(),
        end: TaskEnd::Finished(Vec::new()),
    };
    Entry::Pending { checkpoint: CheckpointId(checkpoint), fact }
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    conformance::run_all(async || Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract_of_runs() {
    conformance::run_all_runs(async || Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
#[should_panic(expected = "a link holds the facts of its own branch")]
async fn the_suite_tells_which_sentence_a_store_breaks() {
    #[derive(Debug, Default)]
    struct Piling(MemoryStore);

    // Gives every end of a task a task of its own.
    impl Store for Piling {
        fn append<'a>(
            &'a self,
            key: &'a ThreadKey,
            mut entries: Vec<Entry>,
        ) -> BoxFuture<'a, Result<Appended, StoreError>> {
            for entry in &mut entries {
                if let Entry::Pending { fact: FactRecord::TaskEnded { task, end, .. }, .. } = entry {
                    let mark: u128 = format!("{end:?}").bytes().map(u128::from).sum();
                    task.0 ^= mark << 64;
                }
            }
            self.0.append(key, entries)
        }

        fn lineage<'a>(
            &'a self,
            key: &'a ThreadKey,
            at: Option<CheckpointId>,
        ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
            self.0.lineage(key, at)
        }

        fn history<'a>(
            &'a self,
            key: &'a ThreadKey,
            query: HistoryQuery,
        ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
            self.0.history(key, query)
        }

        fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
            self.0.namespaces(thread)
        }

        fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
            self.0.copy_thread(from, to)
        }

        fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
            self.0.delete_thread(thread)
        }

        fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
            self.0.prune_thread(thread)
        }
    }

    conformance::run_all(async || Arc::new(Piling::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_on_many_threads_lose_nothing() {
    let store = MemoryStore::new();
    std::thread::scope(|scope| {
        for writer in 0..4_u128 {
            let store = &store;
            scope.spawn(move || {
                for thread in 0..50 {
                    let key = key(&format!("thread {thread}"));
                    let entries = vec![committed(1), ended(1, writer)];
                    store.threads.append(&key, entries, 0).expect("an append");
                }
            });
        }
    });
    for thread in 0..50 {
        let links = store.lineage(&key(&format!("thread {thread}")), None).await.expect("a lineage");
        assert_eq!(links[0].pending.len(), 4);
    }
}

#[test]
fn an_append_after_a_deletion_is_never_lost_in_the_old_thread() {
    let store = MemoryStore::new();
    let key = key("t");
    store.threads.append(&key, vec![committed(1)], 0).expect("an append");
    let held = store.threads.find("t").expect("a thread");
    assert!(store.threads.replace("t", None));
    assert!(threads::lock(&held).is_gone);
    store.threads.append(&key, vec![committed(1), committed(2)], 0).expect("an append");
    assert_eq!(store.threads.with("t", |thread| thread.graphs.len()), Some(1));
}

#[test]
fn a_refused_first_append_leaves_no_thread_behind() {
    let store = MemoryStore::new();
    assert!(store.threads.append(&key("t"), vec![committed(2)], 0).is_err());
    assert!(store.threads.append(&key("t"), Vec::new(), 0).is_ok());
    assert_eq!(format!("{store:?}"), "MemoryStore { threads: 0, runs: 0 }");
}

#[tokio::test]
async fn the_time_is_that_of_the_clock_that_was_given() {
    let store = MemoryStore::with_clock(Arc::new(|| 1_234));
    store.put_thread(ThreadInfo { id: "t".to_owned(), ..ThreadInfo::default() }).await.expect("a thread");
    let threads = store.threads(ThreadQuery::default()).await.expect("threads");
    assert_eq!(threads[0].created_at_ms, 1_234);
}
