//! Runs on SQLite: what is there after a restart and after a migration, what a full file keeps, what is gone from it.

use super::*;
use genesis_mesh_core::log::{
    CancelKind, Claim, Commit, EventClass, IfBusy, Lease, NewEvent, NewRun, RunEnd, RunQuery, RunStatus,
    RunStore, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use rusqlite::ffi;
use std::sync::atomic::AtomicI64;

fn event(class: EventClass, text: &str) -> NewEvent {
    NewEvent { class, data: format!("{{\"text\":\"{text}\"}}"), memo: None }
}

fn new(id: u128) -> NewRun {
    NewRun {
        id: RunId(id),
        agent: "agent".to_owned(),
        thread: Some("t".to_owned()),
        input: "{}".to_owned(),
        principal: None,
        idempotency: None,
        if_busy: IfBusy::Enqueue,
        metadata: serde_json::Map::new(),
        ttl_ms: None,
        first: event(EventClass::Fact, "accepted"),
        stopped: event(EventClass::End, "stopped"),
        claim: None,
    }
}

fn claim(lease_ms: u64) -> Claim {
    Claim { owner: "owner".to_owned(), lease_ms, agents: vec!["agent".to_owned()], limit: 9 }
}

async fn start(store: &SqliteStore, new: NewRun) -> Lease {
    let new = NewRun { claim: Some(claim(60_000)), ..new };
    store.accept(new).await.expect("an accepted run").lease.expect("a lease")
}

fn fact(number: u64, text: &str) -> Commit {
    Commit { number, events: vec![event(EventClass::Fact, text)], ..Commit::default() }
}

fn end(number: u64, rolls_back: bool) -> Commit {
    let end = RunEnd { status: RunStatus::Failed, error: Some(json!({"code": "x"})), rolls_back };
    Commit { number, events: vec![event(EventClass::End, "end")], end: Some(end), ..Commit::default() }
}

#[tokio::test]
async fn runs_are_there_when_the_file_is_opened_again() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    let ended = start(&store, new(1)).await;
    store.commit(&ended, end(1, false)).await.expect("an end");
    let working = start(&store, new(2)).await;
    let delta = Commit { number: 1, events: vec![event(EventClass::Delta, "d")], ..Commit::default() };
    store.commit(&working, delta).await.expect("a delta");
    store.accept(new(3)).await.expect("a run");
    store.cancel(RunId(2), CancelKind::Rollback, event(EventClass::End, "never")).await.expect("a wish");
    store.watch(RunId(2)).await.expect("a watch");
    store.put_thread(ThreadInfo { id: "u".to_owned(), ..ThreadInfo::default() }).await.expect("a thread");
    let seen = async |store: &SqliteStore| {
        let runs = store.runs(RunQuery::default()).await.expect("runs");
        let threads = store.threads(ThreadQuery::default()).await.expect("threads");
        let mut logs = Vec::new();
        for id in 1..=3 {
            logs.push(store.events(RunId(id), 0, 99).await.expect("a log"));
        }
        (runs, threads, logs)
    };
    let before = seen(&store).await;
    drop(store);
    let store = SqliteStore::open(&path).expect("a store");
    let after = seen(&store).await;
    assert_eq!(after, before);
    assert_eq!(after.2.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    // Nothing is given back by itself: that is for whoever knows that no owner is left.
    assert!(store.claim(claim(60_000)).await.expect("a claim").is_empty());
    assert_eq!(store.release_all().await, Ok(1));
    let again = store.claim(claim(60_000)).await.expect("a claim");
    let again: Vec<_> = again.iter().map(|one| (one.run.id.0, one.run.attempt, one.run.cancel)).collect();
    assert_eq!(again, [(2, 2, Some(CancelKind::Rollback))]);
}

#[tokio::test]
async fn a_database_of_the_first_version_is_migrated() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let old = Connection::open(&path).expect("a database");
    old.execute_batch(&format!(
        "PRAGMA application_id = {}; {}
         CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
         INSERT INTO schema_version VALUES (1);
         INSERT INTO graphs VALUES (1, 't', '', 0, 0), (2, 't', 'child', 0, 0), (3, 'u', '', 0, 0);
         INSERT INTO checkpoints VALUES
             (1, 1, x'{one:032x}', NULL, 0, 'loop', 500, 0, NULL, ''),
             (2, 1, x'{two:032x}', x'{one:032x}', 1, 'loop', 700, 0, NULL, ''),
             (3, 2, x'{one:032x}', NULL, 0, 'loop', 600, 0, NULL, '');
         INSERT INTO facts VALUES (2 << 24, '{{\"fact\":\"resumed\",\"answer\":1}}');",
        schema::APPLICATION_ID,
        schema::MIGRATIONS[0],
        one = 1,
        two = 2,
    ))
    .expect("a database of then");
    drop(old);
    let store = SqliteStore::open(&path).expect("a store");
    let threads = store.threads(ThreadQuery::default()).await.expect("threads");
    let known: Vec<_> =
        threads.iter().map(|thread| (&*thread.id, thread.created_at_ms, thread.updated_at_ms)).collect();
    assert_eq!(known, [("t", 500, 700), ("u", 0, 0)]);
    let lineage = async || store.lineage(&key("t"), None).await.expect("a lineage");
    let before = lineage().await;
    assert_eq!(before.iter().map(|link| link.pending.len()).collect::<Vec<_>>(), [0, 1]);
    // What was there before there were eras is left when a run is undone.
    let lease = start(&store, new(1)).await;
    let entries = vec![(key("t"), vec![wrote(2, 1), committed(3), wrote(3, 1)])];
    store.commit(&lease, Commit { entries, ..fact(1, "x") }).await.expect("a commit");
    store.commit(&lease, end(2, true)).await.expect("an end");
    assert_eq!(lineage().await, before);
    drop(store);
    SqliteStore::open(&path).expect("a database that needs no migration any more");
}

#[tokio::test]
async fn a_full_file_refuses_commits_keeps_none_by_half_and_comes_back() {
    let folder = folder();
    let options = SqliteOptions::default().bytes_max(400_000);
    let store = SqliteStore::open_with(folder.path().join("t.db"), &options).expect("a store");
    store.check().await.expect("an empty store can be written");
    let large = start(&store, NewRun { thread: None, ..new(1) }).await;
    store.commit(&large, fact(1, &"x".repeat(100_000))).await.expect("a commit");
    let lease = start(&store, new(2)).await;
    let step = |number: u64| {
        let id = u128::from(number);
        let entries = vec![(key("t"), vec![committed(id), wrote(id, "x".repeat(3_000))])];
        Commit { entries, ..fact(number, &"y".repeat(3_000)) }
    };
    let mut number = 0;
    let error = loop {
        match store.commit(&lease, step(number + 1)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "store_full");
    assert!(number > 5, "{number}");
    let kept = usize::try_from(number).expect("a number");
    assert_eq!(store.events(RunId(2), 0, 999).await.map(|events| events.len()), Ok(kept + 1));
    assert_eq!(steps(&store, "t").await, kept);
    let error = store.check().await.expect_err("it is full");
    assert_eq!(error.code(), "store_full");
    assert!(error.to_string().contains("make room"), "{error}");
    // Small things find their place still, and so does everything when there is room again.
    store.heartbeat(std::slice::from_ref(&lease), 60_000).await.expect("a heartbeat");
    assert!(store.delete_run(RunId(1)).await.expect("a deletion"));
    store.check().await.expect("there is room again");
    let committed = store.commit(&lease, step(number + 1)).await.expect("the same commit");
    assert_eq!(committed.last_seq, number + 2);
}

#[tokio::test]
async fn what_is_swept_or_undone_is_in_no_file_any_more() {
    let folder = folder();
    let store = SqliteStore::open(folder.path().join("t.db")).expect("a store");
    let holds = |secret: &str| {
        let files = fs::read_dir(folder.path()).expect("a folder");
        files.into_iter().any(|file| {
            let bytes = fs::read(file.expect("a file").path()).expect("a file");
            bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
        })
    };
    let input = format!("\"a secret {}\"", "x".repeat(9_000));
    let lease = start(&store, NewRun { input, ttl_ms: Some(0), ..new(1) }).await;
    for number in 1..=40 {
        let id = u128::from(number);
        let entries = vec![(key("t"), vec![committed(id), wrote(id, format!("its work {number}"))])];
        let event = fact(number, &format!("a secret {}", "y".repeat(900)));
        store.commit(&lease, Commit { entries, ..event }).await.expect("a commit");
    }
    assert!(holds("a secret") && holds("its work"));
    store.commit(&lease, end(41, true)).await.expect("an end");
    assert!(holds("a secret") && !holds("its work"));
    assert_eq!(store.sweep(9).await.expect("a sweep").runs, 1);
    assert!(!holds("a secret"));
}

#[tokio::test]
async fn a_lease_ends_by_the_clock_of_the_store() {
    let folder = folder();
    let now_ms = Arc::new(AtomicI64::new(1_000));
    let hands = Arc::clone(&now_ms);
    let options = SqliteOptions::default().clock(Arc::new(move || hands.load(Ordering::SeqCst)));
    let store = SqliteStore::open_with(folder.path().join("t.db"), &options).expect("a store");
    let accepted = store.accept(NewRun { ttl_ms: Some(50), ..new(1) }).await.expect("a run");
    assert_eq!(accepted.run.created_at_ms, 1_000);
    let claimed = store.claim(claim(30)).await.expect("a claim").pop().expect("a run");
    assert_eq!(claimed.run.lease_until_ms, Some(1_030));
    now_ms.store(1_029, Ordering::SeqCst);
    assert!(store.claim(claim(30)).await.expect("a claim").is_empty());
    now_ms.store(1_030, Ordering::SeqCst);
    let claimed = store.claim(claim(30)).await.expect("a claim").pop().expect("a run");
    assert_eq!(store.commit(&claimed.lease, end(1, false)).await.expect("an end").at_ms, 1_030);
    now_ms.store(1_079, Ordering::SeqCst);
    assert_eq!(store.sweep(9).await.expect("a sweep").runs, 0);
    now_ms.store(1_080, Ordering::SeqCst);
    assert_eq!(store.sweep(9).await.expect("a sweep").runs, 1);
}

/// A run with a hundred facts, more than fits into one page.
async fn keep_a_long_log(path: &Path) {
    let store = SqliteStore::open(path).expect("a store");
    let lease = start(&store, new(1)).await;
    for number in 1..=100 {
        store.commit(&lease, fact(number, &"x".repeat(500))).await.expect("a commit");
    }
}

#[tokio::test]
async fn a_damaged_log_is_told_and_no_event_is_made_up() {
    let folder = folder();
    let path = folder.path().join("t.db");
    keep_a_long_log(&path).await;
    damage(&path);
    let found = match SqliteStore::open(&path) {
        Ok(store) => store.events(RunId(1), 0, 999).await.map(|events| events.len()),
        Err(error) => Err(error),
    };
    assert_eq!(found.expect_err("it is damaged").code(), "store_corrupt");
}

#[test]
fn a_file_that_can_no_longer_be_written_is_told_with_what_to_do() {
    let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
    let error = fault::fault(rusqlite::Error::SqliteFailure(code, None));
    assert_eq!(error.code(), "store_unavailable");
    assert!(error.to_string().contains("let this user write the file and its folder"), "{error}");
}

#[test]
fn what_the_system_refuses_is_told_apart_by_what_helps() {
    for (code, name, advice) in [
        (ffi::SQLITE_FULL, "store_full", "make room"),
        (ffi::SQLITE_IOERR_SHMSIZE, "store_full", "make room"),
        (ffi::SQLITE_IOERR_WRITE, "store_unavailable", "mounted read-only"),
        (ffi::SQLITE_IOERR_FSYNC, "store_unavailable", "mounted read-only"),
        (ffi::SQLITE_IOERR_READ, "store_unavailable", "the disk can't be read"),
        (ffi::SQLITE_IOERR_CORRUPTFS, "store_corrupt", "restore a backup"),
        (ffi::SQLITE_CORRUPT_INDEX, "store_corrupt", "restore a backup"),
        (ffi::SQLITE_NOTADB, "store_corrupt", "restore a backup"),
    ] {
        let error = fault::fault(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert_eq!(error.code(), name, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(is_damage(&error), name == "store_corrupt", "{error}");
    }
}

#[tokio::test]
async fn a_store_that_has_met_damage_takes_nothing_new_and_says_so() {
    let folder = folder();
    let path = folder.path().join("t.db");
    keep_a_long_log(&path).await;
    let mut bytes = fs::read(&path).expect("the database");
    for page in bytes.chunks_mut(4096).filter(|page| page.windows(99).any(|part| part == [b'x'; 99])) {
        page.fill(0xa5);
    }
    fs::write(&path, bytes).expect("the database");
    let store = SqliteStore::open(&path).expect("its tables are whole");
    store.check().await.expect("nobody has looked there");
    let met = store.events(RunId(1), 0, 999).await.expect_err("it is damaged");
    assert!(met.to_string().contains("t.db: the file is damaged"), "{met}");
    for error in [
        store.check().await.expect_err("it is damaged"),
        store.accept(new(2)).await.expect_err("it is damaged"),
        store.claim(claim(1)).await.expect_err("it is damaged"),
    ] {
        assert_eq!(error, met);
    }
    // What is whole can be read.
    assert_eq!(store.run(RunId(1)).await.expect("a read").expect("a run").last_seq, 101);
}
