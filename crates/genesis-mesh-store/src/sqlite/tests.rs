//! The store on SQLite: it keeps the contract, is there after a restart, and says what is wrong with a file.

mod runs;

use super::*;
use crate::conformance;
use genesis_mesh_core::run::{FactRecord, Source, TaskEnd, TaskId, TaskPath, WriteRecord};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(super) fn key(thread: &str) -> ThreadKey {
    ThreadKey { thread: thread.to_owned(), ns: Namespace::default() }
}

pub(super) fn committed(id: u128) -> Entry {
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

fn wrote(checkpoint: u128, value: impl Into<Value>) -> Entry {
    let fact = FactRecord::TaskEnded {
        task: TaskId(1),
        name: "node".to_owned(),
        path: TaskPath::Pull(Arc::from("node")),
        calls: Vec::new(),
        answers: Vec::new(),
        end: TaskEnd::Finished(vec![WriteRecord::Set("x".to_owned(), value.into())]),
    };
    Entry::Pending { checkpoint: CheckpointId(checkpoint), fact }
}

async fn steps(store: &SqliteStore, thread: &str) -> usize {
    store.lineage(&key(thread), None).await.expect("a lineage").len()
}

/// Overwrites everything of a file from its second page on.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("the database");
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xa5);
    fs::write(path, bytes).expect("the database");
}

#[tokio::test]
async fn the_store_on_sqlite_keeps_the_contract() {
    let (folder, count) = (folder(), AtomicUsize::new(0));
    conformance::run_all(async || {
        let name = format!("{}.db", count.fetch_add(1, Ordering::Relaxed));
        Arc::new(SqliteStore::open(folder.path().join(name)).expect("a store"))
    })
    .await;
}

#[tokio::test]
async fn the_store_on_sqlite_keeps_the_contract_of_runs() {
    let (folder, count) = (folder(), AtomicUsize::new(0));
    conformance::run_all_runs(async || {
        let name = format!("{}.db", count.fetch_add(1, Ordering::Relaxed));
        Arc::new(SqliteStore::open(folder.path().join(name)).expect("a store"))
    })
    .await;
}

#[tokio::test]
async fn what_was_kept_is_there_when_the_file_is_opened_again() {
    let folder = folder();
    let path = folder.path().join("a folder of its own/threads.db");
    let entries =
        || vec![committed(1), wrote(1, json!([0.1, 1e300, 5e-324, 123_456_789.123_456_79, "é\u{0}"]))];
    let store = SqliteStore::open(&path).expect("a store");
    store.append(&key("t"), entries()).await.expect("an append");
    let before = store.lineage(&key("t"), None).await.expect("a lineage");
    drop(store);
    let store = SqliteStore::open(&path).expect("a store");
    assert_eq!(store.lineage(&key("t"), None).await.expect("a lineage"), before);
    let Entry::Pending { fact, .. } = entries().pop().expect("an entry") else { return };
    assert_eq!(before[0].pending, [fact]);
    // A closed store leaves the database, and the lock that is never deleted.
    drop(store);
    let mut names: Vec<_> = fs::read_dir(path.parent().expect("a folder"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["threads.db", "threads.db-lock"]);
}

#[tokio::test]
async fn a_wish_for_a_snapshot_outlives_a_restart() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    store.append(&key("t"), vec![committed(1), wrote(1, "x".repeat(100_000))]).await.expect("an append");
    drop(store);
    let store = SqliteStore::open(&path).expect("a store");
    assert!(store.append(&key("t"), vec![committed(2)]).await.expect("an append").wants_snapshot);
}

#[tokio::test]
async fn a_file_is_open_in_one_store_at_a_time() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let first = SqliteStore::open(&path).expect("a store");
    let error = SqliteStore::open(&path).expect_err("it is open");
    assert_eq!(error.code(), "store_in_use");
    assert!(error.to_string().contains("t.db is open in another process or store"), "{error}");
    first.append(&key("t"), vec![committed(1)]).await.expect("an append");
    drop(first);
    assert_eq!(steps(&SqliteStore::open(&path).expect("a store"), "t").await, 1);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = folder();
    let path = folder.path().join("t.db");
    drop(SqliteStore::open(&path).expect("a store"));
    let other = Connection::open(&path).expect("a database");
    other.execute("UPDATE schema_version SET version = version + 1", []).expect("an update");
    drop(other);
    let error = SqliteStore::open(&path).expect_err("it is newer");
    assert_eq!(error, StoreError::NewerSchema { found: KNOWN + 1, known: KNOWN });
    assert!(!error.is_retryable());
    let other = Connection::open(&path).expect("a database");
    let found: i64 =
        other.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).expect("a version");
    assert_eq!(found, KNOWN + 1);
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_as_it_is() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let other = Connection::open(&path).expect("a database");
    other.execute_batch("CREATE TABLE mine (x INTEGER)").expect("a table");
    drop(other);
    let error = SqliteStore::open(&path).expect_err("it is another's");
    assert!(error.to_string().contains("another program's database"), "{error}");
    let other = Connection::open(&path).expect("a database");
    let tables: i64 =
        other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("a count");
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_made_again() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let other = Connection::open(&path).expect("a database");
    // What a process leaves that was killed within its first start: the log mode, and nothing else.
    other.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("the log");
    drop(other);
    let store = SqliteStore::open(&path).expect("a store");
    store.append(&key("t"), vec![committed(1)]).await.expect("an append");
    assert_eq!(steps(&store, "t").await, 1);
}

#[tokio::test]
async fn a_damaged_file_is_told_and_nothing_is_made_up() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    for id in 1..=200 {
        store.append(&key("t"), vec![committed(id), wrote(id, "x".repeat(500))]).await.expect("an append");
    }
    drop(store);
    damage(&path);
    let found = match SqliteStore::open(&path) {
        Ok(store) => store.lineage(&key("t"), None).await.map(|links| links.len()),
        Err(error) => Err(error),
    };
    let error = found.expect_err("it is damaged");
    assert_eq!(error.code(), "store_corrupt");
    assert!(error.to_string().contains("t.db") && error.to_string().contains("restore a backup"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "no database\n".repeat(1_000)).expect("a file");
    let error = SqliteStore::open(&path).expect_err("it is a text");
    assert_eq!(error.code(), "store_corrupt");
}

#[tokio::test]
async fn a_fact_that_was_changed_by_hand_is_corrupt() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    store.append(&key("t"), vec![committed(1), wrote(1, 1)]).await.expect("an append");
    let other = Connection::open(&path).expect("a database");
    other.execute("UPDATE facts SET fact = '{\"fact\":\"nonsense\"}'", []).expect("an update");
    let error = store.lineage(&key("t"), None).await.expect_err("it was changed");
    assert_eq!(error.code(), "store_corrupt");
    genesis_mesh_core::log::RunStore::check(&store).await.expect("one record is not the file");
}

#[tokio::test]
async fn a_full_file_refuses_appends_keeps_what_it_has_and_comes_back() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open_with(&path, &SqliteOptions::default().bytes_max(200_000)).expect("a store");
    let large = |id| vec![committed(id), wrote(id, "x".repeat(10_000))];
    let mut kept = 0;
    let error = loop {
        match store.append(&key("t"), large(kept + 1)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "store_full");
    assert!(error.is_retryable() && error.to_string().contains("make room"), "{error}");
    assert!(kept > 5, "{kept}");
    assert_eq!(steps(&store, "t").await, usize::try_from(kept).expect("a number"));
    store.append(&key("other"), large(1)).await.expect_err("it is full for all");
    assert!(store.delete_thread("t").await.expect("a deletion"));
    store.append(&key("other"), large(1)).await.expect("there is room again");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    // Not even the superuser can write there.
    let error = SqliteStore::open("/proc/threads.db").expect_err("it can't be written");
    assert_eq!(error.code(), "store_unavailable");
    assert!(error.to_string().contains("/proc/threads.db-lock can't be written"), "{error}");
    let folder = folder();
    fs::write(folder.path().join("file"), "").expect("a file");
    let error = SqliteStore::open(folder.path().join("file/t.db")).expect_err("it is no folder");
    assert!(error.to_string().contains("can't be made"), "{error}");
    // A folder in the place of the file.
    fs::create_dir(folder.path().join("t.db")).expect("a folder");
    let error = SqliteStore::open(folder.path().join("t.db")).expect_err("it is a folder");
    assert_eq!(error.code(), "store_unavailable");
    assert!(error.to_string().contains("look at the path"), "{error}");
}

#[tokio::test]
async fn what_is_deleted_is_in_no_file_any_more() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    for id in 1..=20 {
        let text = format!("a secret {}", "x".repeat(8_000));
        store.append(&key("t"), vec![committed(id), wrote(id, text)]).await.expect("an append");
    }
    let is_there = || {
        let files = fs::read_dir(folder.path()).expect("a folder");
        files.into_iter().any(|file| {
            let bytes = fs::read(file.expect("a file").path()).expect("a file");
            bytes.windows(8).any(|part| part == b"a secret")
        })
    };
    assert!(is_there());
    assert!(store.delete_thread("t").await.expect("a deletion"));
    assert!(!is_there());
}

/// What a list of 1 KB texts costs, kept as a runner keeps it: snapshots when they are wanted.
#[tokio::test]
async fn five_hundred_steps_of_a_kilobyte_take_at_most_one_and_a_half_megabytes() {
    let folder = folder();
    let path = folder.path().join("t.db");
    let store = SqliteStore::open(&path).expect("a store");
    let (mut items, mut replayed_max) = (Vec::new(), 0);
    for id in 1..=500 {
        let item = format!("{id:01024}");
        let mut entries = vec![committed(id)];
        if id > 1 {
            entries.insert(0, wrote(id - 1, item.clone()));
        }
        let appended = store.append(&key("t"), entries).await.expect("an append");
        items.push(item);
        if appended.wants_snapshot {
            let snapshot: genesis_mesh_core::run::MachineSnapshot = serde_json::from_value(json!({
                "checkpoint": CheckpointId(id), "parent": CheckpointId(id - 1), "step": 0, "source": "loop",
                "version": 1, "values": {"x": items.clone()},
            }))
            .expect("a snapshot");
            let snapshot = Box::new(snapshot);
            let entry = Entry::Snapshot { checkpoint: CheckpointId(id), snapshot };
            store.append(&key("t"), vec![entry]).await.expect("a snapshot");
        }
        replayed_max = replayed_max.max(steps(&store, "t").await);
    }
    // A reader replays a part of the history only.
    assert!(replayed_max < 400, "{replayed_max}");
    drop(store);
    let bytes = fs::metadata(&path).expect("the database").len();
    assert!(bytes <= 1_500_000, "{bytes}");
}
