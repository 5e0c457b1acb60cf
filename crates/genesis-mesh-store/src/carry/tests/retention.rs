//! Retention: what has outlived its time leaves no row behind, on either database, and nothing else goes.

use super::*;

/// How much it holds, as a copy would find it.
async fn count(store: &DiskStore) -> Counts {
    let ((begun, counted), (out, mut parts)) = (oneshot::channel(), mpsc::channel(PARTS_WAITING));
    let mut read = Counts::default();
    let take = async {
        while let Some(part) = parts.recv().await {
            read += &part;
        }
    };
    let (sent, (), counted) = join!(store.send_all(begun, out), take, counted);
    sent.expect("a copy");
    let counted = counted.expect("a copy that has begun");
    assert_eq!(read, counted, "every row belongs to something");
    counted
}

/// A graph's work in a thread: a way of checkpoints in two namespaces, facts, a snapshot.
fn entries(thread: &str) -> Vec<(ThreadKey, Vec<Entry>)> {
    let snapshot = crate::conformance::samples::snapshot(2, 3).expect("a snapshot");
    let outer = vec![committed(1, None), fact(1, "a"), committed(2, Some(1)), snapshot, fact(2, "b")];
    vec![(key(thread, ""), outer), (key(thread, "sub:1"), vec![committed(1, None), fact(1, "s")])]
}

/// A run that told and kept something, and has ended.
async fn run(store: &dyn RunStore, id: u128, thread: Option<&str>, ttl_ms: Option<u64>) {
    let claim = Claim { owner: "me".to_owned(), lease_ms: 60_000, agents: Vec::new(), limit: 1 };
    let new = NewRun { claim: Some(claim), ttl_ms, ..new(id, thread) };
    let lease = store.accept(new).await.expect("a run").lease.expect("a lease");
    let told = vec![event(EventClass::Fact, "a fact"), event(EventClass::Delta, "a delta")];
    let kept = thread.map_or_else(Vec::new, entries);
    store.commit(&lease, commit(1, told, kept)).await.expect("kept");
    store.commit(&lease, end(2, RunStatus::Failed, false)).await.expect("ended");
}

async fn sweep(store: &dyn RunStore) {
    while store.sweep(2).await.expect("a sweep") != Default::default() {}
}

/// The second request of a key is a new run if nothing is left of the first.
async fn keys_are_free(store: &dyn RunStore, ids: &[u128]) {
    for id in ids {
        let other = IdempotencyKey { key: format!("key {id}"), body_hash: 0 };
        let again = NewRun { id: RunId(id + 100), idempotency: Some(other), ..new(*id, None) };
        assert!(store.accept(again).await.expect("the key is free").is_new, "{id}");
    }
}

#[tokio::test]
async fn what_has_outlived_its_time_leaves_no_row_and_its_keys_are_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    for disk in [sqlite(&path), postgres(&fresh()).await] {
        let store = disk.store();
        // By its run's time: a run without a thread, one with a thread of its own, one that was stopped as it waited.
        run(store, 1, None, Some(0)).await;
        run(store, 2, Some("_run:2"), Some(0)).await;
        store.accept(NewRun { ttl_ms: Some(0), ..new(3, None) }).await.expect("it waits");
        store.cancel(RunId(3), CancelKind::Interrupt, event(EventClass::End, "-")).await.expect("stopped");
        // By its thread's time, with two runs that have none, and what was kept beside runs.
        run(store, 4, Some("t\u{0}"), None).await;
        run(store, 5, Some("t\u{0}"), None).await;
        store.append(&key("t\u{0}", "sub:2"), vec![committed(1, None)]).await.expect("kept");
        let ttl = ThreadInfo { id: "t\u{0}".to_owned(), ttl_ms: Some(0), ..ThreadInfo::default() };
        store.put_thread(ttl).await.expect("a thread");
        let counts = count(&disk).await;
        assert_eq!((counts.threads, counts.graphs, counts.checkpoints, counts.snapshots), (2, 5, 7, 2));
        assert_eq!((counts.runs, counts.events), (5, 18));
        sweep(store).await;
        assert!(count(&disk).await.is_empty(), "{:?}", count(&disk).await);
        keys_are_free(store, &[1, 2, 3, 4, 5]).await;
    }
    // What SQLite keeps apart from its run.
    let database = rusqlite::Connection::open(&path).expect("a connection");
    let texts: i64 = database.query_row("SELECT count(*) FROM texts", [], |row| row.get(0)).expect("a count");
    assert_eq!(texts, 5, "those of the new runs alone");
}

#[tokio::test]
async fn what_has_time_left_keeps_every_row() {
    let folder = tempfile::tempdir().expect("a folder");
    for disk in [sqlite(&folder.path().join("t.db")), postgres(&fresh()).await] {
        let store = disk.store();
        run(store, 1, Some("ever"), None).await;
        run(store, 2, Some("_run:2"), Some(u64::MAX)).await;
        let ttl = ThreadInfo { id: "long".to_owned(), ttl_ms: Some(u64::MAX), ..ThreadInfo::default() };
        store.put_thread(ttl).await.expect("a thread");
        let (before, seen) = (count(&disk).await, store.runs(RunQuery::default()).await.expect("runs"));
        // A run that goes leaves its thread, which has a name.
        run(store, 3, Some("ever"), Some(0)).await;
        sweep(store).await;
        let after = count(&disk).await;
        assert_eq!((after.runs, after.events, after.threads), (before.runs, before.events, before.threads));
        assert_eq!((after.checkpoints, after.snapshots), (before.checkpoints, before.snapshots));
        assert_eq!(store.runs(RunQuery::default()).await.expect("runs"), seen);
    }
}
