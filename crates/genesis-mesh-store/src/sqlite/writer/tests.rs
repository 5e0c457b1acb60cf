//! Groups: one transaction for many changes, of which a bad one takes no other down.

use super::super::append::append;
use super::super::find;
use super::super::rows::rows_of;
use super::super::schema::open_writer;
use super::super::tests::{committed, key};
use super::*;
use genesis_mesh_core::run::CheckpointId;
use genesis_mesh_core::store::Entry;
use std::sync::Arc;

fn job(thread: &str, entries: Vec<Entry>) -> Job {
    let (key, rows) = (key(thread), rows_of(entries).expect("rows"));
    Job::new(Care::Durable, move |write, now_ms| append(write, &key, &rows, now_ms)).0
}

fn writer(connection: Connection) -> Writer {
    Writer { connection, clock: Arc::new(|| 0), is_light: false }
}

#[test]
fn a_bad_append_in_a_group_leaves_the_others_whole_and_nothing_of_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    let mut writer = writer(open_writer(&path, None).expect("a database"));
    // The second is half good: its first entry could be kept, its last can't.
    let mut group = [
        job("first", vec![committed(1)]),
        job("bad", vec![committed(1), committed(3)]),
        job("last", vec![committed(1), committed(2)]),
    ];
    let results = writer.commit_together(&mut group).expect("a commit");
    let kept: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, false, true]);
    let unknown = StoreError::UnknownCheckpoint { checkpoint: CheckpointId(2) };
    assert_eq!(results[1], Err(unknown));
    // Another connection sees what is committed alone.
    let other = open_writer(&path, None).expect("a database");
    let links =
        |thread: &str| find::lineage(&other, &key(thread), None).map(|links| links.len()).expect("a lineage");
    assert_eq!(["first", "bad", "last"].map(links), [1, 0, 2]);
    assert_eq!(find::namespaces(&other, "bad"), Ok(Vec::new()));
}

#[test]
fn a_change_that_finds_no_room_leaves_those_that_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    let mut writer = writer(open_writer(&path, Some(100_000)).expect("a database"));
    let mut large = committed(1);
    if let Entry::Checkpoint(checkpoint) = &mut large {
        checkpoint.metadata.insert("text".to_owned(), "x".repeat(200_000).into());
    }
    let mut group =
        [job("first", vec![committed(1)]), job("large", vec![large]), job("last", vec![committed(1)])];
    let results = writer.commit(&mut group);
    let codes: Vec<_> = results.iter().map(|result| result.as_ref().err().map(StoreError::code)).collect();
    assert_eq!(codes, [None, Some("store_full"), None]);
    assert_eq!(find::lineage(&writer.connection, &key("last"), None).map(|links| links.len()), Ok(1));
}

#[test]
fn a_group_waits_for_the_disk_if_one_of_its_changes_has_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = writer(open_writer(&folder.path().join("t.db"), None).expect("a database"));
    let groups = [
        ([Care::Durable, Care::Durable], 2),
        ([Care::Light, Care::Light], 1),
        ([Care::Light, Care::Light], 1),
        ([Care::Light, Care::Durable], 2),
        ([Care::Light, Care::Light], 1),
        ([Care::Removing, Care::Light], 2),
    ];
    for (cares, level) in groups {
        let mut group = cares.map(|care| Job::new(care, |_, _| Ok(())).0);
        writer.commit_together(&mut group).expect("a commit");
        let is: i64 =
            writer.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("the level");
        assert_eq!(is, level, "{cares:?}");
    }
}
