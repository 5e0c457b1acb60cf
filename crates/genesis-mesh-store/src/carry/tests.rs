//! Carrying: from SQLite into PostgreSQL and back nothing is lost, and what could lose something is refused.

mod retention;

use super::*;
use crate::testing::PostgresCluster;
use genesis_mesh_core::log::{
    CancelKind, Claim, Commit, EventClass, IdempotencyKey, IfBusy, Lease, LogEvent, NewEvent, NewRun, Run,
    RunEnd, RunQuery, RunStatus, RunStore, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, RunId, Source, TaskEnd, TaskId, TaskPath};
use genesis_mesh_core::store::{Checkpoint, Entry, HistoryQuery, Link, ThreadKey};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

async fn cluster() -> &'static PostgresCluster {
    static CLUSTER: OnceCell<PostgresCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(async || PostgresCluster::start().await.expect("a cluster")).await
}

/// A schema that nobody has.
fn fresh() -> PostgresOptions {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    PostgresOptions::default().schema(format!("carry_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed)))
}

fn key(thread: &str, ns: &str) -> ThreadKey {
    ThreadKey { thread: thread.to_owned(), ns: Namespace::from(ns) }
}

fn committed(id: u128, parent: Option<u128>) -> Entry {
    Entry::Checkpoint(Checkpoint {
        id: CheckpointId(id),
        parent: parent.map(CheckpointId),
        step: i64::try_from(id).expect("a small number"),
        source: Source::Loop,
        created_at_ms: 1_800_000_000_000,
        parents: BTreeMap::from([(Namespace::from(""), CheckpointId(7))]),
        metadata: Map::from_iter([("who".to_owned(), json!("me\u{0}"))]),
        fact: Some(FactRecord::StepCommitted { checkpoint: CheckpointId(id) }),
    })
}

fn fact(at: u128, text: &str) -> Entry {
    let fact = FactRecord::TaskEnded {
        task: TaskId(at),
        name: text.to_owned(),
        path: TaskPath::Pull(Arc::from("node")),
        calls: Vec::new(),
        answers: Vec::new(),
        end: TaskEnd::Finished(Vec::new()),
    };
    Entry::Pending { checkpoint: CheckpointId(at), fact }
}

fn event(class: EventClass, text: &str) -> NewEvent {
    let memo = (class == EventClass::Fact).then(|| "{\"m\":1}".to_owned());
    NewEvent { class, data: json!({"type": "delta", "text": text}).to_string(), memo }
}

fn new(id: u128, thread: Option<&str>) -> NewRun {
    NewRun {
        id: RunId(id),
        agent: "agent".to_owned(),
        thread: thread.map(str::to_owned),
        input: format!("{{\"n\":{id}}}"),
        principal: Some("ann".to_owned()),
        idempotency: Some(IdempotencyKey { key: format!("key {id}"), body_hash: u128::MAX - id }),
        if_busy: IfBusy::Enqueue,
        metadata: Map::from_iter([("a".to_owned(), json!([1.5, "é"]))]),
        ttl_ms: (id == 1).then_some(9_000_000_000_000),
        first: event(EventClass::Fact, "accepted"),
        stopped: event(EventClass::End, "stopped"),
        claim: None,
    }
}

async fn begin(store: &dyn RunStore, id: u128, thread: Option<&str>) -> Lease {
    let claim = Claim { owner: "me".to_owned(), lease_ms: 60_000, agents: Vec::new(), limit: 1 };
    let new = NewRun { claim: Some(claim), ..new(id, thread) };
    store.accept(new).await.expect("a run").lease.expect("a lease")
}

fn commit(number: u64, events: Vec<NewEvent>, entries: Vec<(ThreadKey, Vec<Entry>)>) -> Commit {
    Commit { number, events, entries, end: None, is_progress: number > 1 }
}

fn end(number: u64, status: RunStatus, rolls_back: bool) -> Commit {
    let error = (status == RunStatus::Failed).then(|| json!({"code": "x", "message": "y"}));
    let events = vec![event(EventClass::End, "end")];
    Commit { number, events, end: Some(RunEnd { status, error, rolls_back }), ..Commit::default() }
}

/// Threads with branches, namespaces, a pruned past; runs that have ended, failed, work and wait.
async fn fill(store: &dyn RunStore) {
    // What came to 1 after 2 was made is no part of the way to 2, but of the way to 3.
    let branches = vec![
        committed(1, None),
        fact(1, "a"),
        committed(2, Some(1)),
        fact(1, "b"),
        fact(2, "c"),
        committed(3, Some(1)),
        fact(1, "d"),
        fact(3, "e"),
    ];
    store.append(&key("branches", ""), branches).await.expect("kept");
    store.append(&key("branches", "sub:1"), vec![committed(1, None), fact(1, "s")]).await.expect("kept");
    let snapshot = crate::conformance::samples::snapshot(2, 3).expect("a snapshot");
    let pruned = vec![committed(1, None), committed(2, Some(1)), snapshot, fact(2, "p")];
    store.append(&key("pruned", ""), pruned).await.expect("kept");
    store.prune_thread("pruned").await.expect("pruned");
    let ttl = ThreadInfo {
        id: "named\u{0}".to_owned(),
        metadata: Map::from_iter([("x".to_owned(), json!({"y": null}))]),
        ttl_ms: Some(9_000_000_000_000),
        ..ThreadInfo::default()
    };
    store.put_thread(ttl).await.expect("a thread");

    let one = begin(store, 1, Some("_run:1")).await;
    let deltas = (0..1_100).map(|n| event(EventClass::Delta, &format!("{n} \u{1F600}"))).collect();
    store.commit(&one, commit(1, deltas, Vec::new())).await.expect("kept");
    store.commit(&one, end(2, RunStatus::Succeeded, false)).await.expect("ended");
    let two = begin(store, 2, None).await;
    store.commit(&two, end(1, RunStatus::Failed, false)).await.expect("ended");
    let three = begin(store, 3, Some("branches")).await;
    let entries = vec![
        (key("branches", ""), vec![fact(3, "undone"), committed(4, Some(3)), fact(4, "undone")]),
        (key("branches", "sub:9"), vec![committed(1, None)]),
    ];
    store.commit(&three, commit(1, vec![event(EventClass::Fact, "w")], entries)).await.expect("kept");
    store.cancel(RunId(3), CancelKind::Rollback, event(EventClass::End, "-")).await.expect("asked");
    store.watch(RunId(3)).await.expect("watched");
    store.accept(new(4, Some("branches"))).await.expect("it waits");
}

type Thread = (ThreadInfo, Vec<(Namespace, Vec<Checkpoint>, Vec<Vec<Link>>)>);

/// All that the contract can tell of a store.
async fn seen(store: &dyn RunStore) -> (Vec<Thread>, Vec<(Run, Vec<LogEvent>)>) {
    let mut threads = Vec::new();
    for id in ["branches", "pruned", "named\u{0}", "_run:1"] {
        let asked = ThreadQuery { id: Some(id.to_owned()), ..ThreadQuery::default() };
        let info = store.threads(asked).await.expect("threads").pop().expect("a thread");
        let mut graphs = Vec::new();
        for ns in store.namespaces(id).await.expect("namespaces") {
            let key = ThreadKey { thread: id.to_owned(), ns: ns.clone() };
            let history = store.history(&key, HistoryQuery::default()).await.expect("a history");
            let mut ways = Vec::new();
            for checkpoint in &history {
                ways.push(store.lineage(&key, Some(checkpoint.id)).await.expect("a lineage"));
            }
            graphs.push((ns, history, ways));
        }
        threads.push((info, graphs));
    }
    let mut runs = Vec::new();
    for run in store.runs(RunQuery::default()).await.expect("runs") {
        let events = store.events(run.id, 0, 9_999).await.expect("events");
        runs.push((run, events));
    }
    (threads, runs)
}

impl DiskStore {
    fn store(&self) -> &dyn RunStore {
        match self {
            Self::Sqlite(store) => store,
            Self::Postgres(store) => store,
        }
    }
}

fn sqlite(path: &Path) -> DiskStore {
    DiskStore::sqlite(path, &SqliteOptions::default()).expect("a store")
}

async fn postgres(options: &PostgresOptions) -> DiskStore {
    DiskStore::postgres(&cluster().await.url(), options).await.expect("a store")
}

/// What a run that is undone leaves, what a key that was used gives, and that ids and places go on.
async fn goes_on(store: &dyn RunStore) {
    let run = store.run(RunId(3)).await.expect("a store").expect("a run");
    let lease = Lease { run: run.id, epoch: run.epoch };
    let repeated = commit(1, vec![event(EventClass::Fact, "w")], Vec::new());
    assert_eq!(store.commit(&lease, repeated).await.expect("it was done before").last_seq, 2);
    store.commit(&lease, end(2, RunStatus::Cancelled, true)).await.expect("undone");
    let history = store.history(&key("branches", ""), HistoryQuery::default()).await.expect("a history");
    let ids: Vec<u128> = history.iter().map(|checkpoint| checkpoint.id.0).collect();
    assert_eq!(ids, [3, 2, 1]);
    let spaces = store.namespaces("branches").await.expect("namespaces");
    assert_eq!(spaces, [Namespace::from(""), Namespace::from("sub:1")]);
    let way = store.lineage(&key("branches", ""), Some(CheckpointId(3))).await.expect("a lineage");
    let names: Vec<Vec<String>> = way.iter().map(|link| link.pending.iter().map(name_of).collect()).collect();
    assert_eq!(names, [vec!["a", "b"], vec!["e"]]);
    let again = store.accept(new(1, Some("_run:1"))).await.expect("the same request");
    assert!(!again.is_new && again.run.id == RunId(1));
    let other = IdempotencyKey { key: "key 1".to_owned(), body_hash: 0 };
    let other = NewRun { id: RunId(99), idempotency: Some(other), ..new(1, None) };
    assert_eq!(store.accept(other).await.expect_err("another request").code(), "idempotency_key_reused");
    // The one that waited is next; what it does and undoes touches nothing before it.
    let claim = Claim { owner: "x".to_owned(), lease_ms: 60_000, agents: vec!["agent".to_owned()], limit: 9 };
    let next = store.claim(claim).await.expect("a claim");
    assert_eq!(next.iter().map(|claimed| claimed.run.id.0).collect::<Vec<_>>(), [4]);
    let lease = next.first().expect("a run").lease.clone();
    let entries = vec![(key("branches", ""), vec![fact(3, "f"), committed(5, Some(3))])];
    store.commit(&lease, commit(1, Vec::new(), entries)).await.expect("kept");
    let way = store.lineage(&key("branches", ""), None).await.expect("a lineage");
    let names: Vec<Vec<String>> = way.iter().map(|link| link.pending.iter().map(name_of).collect()).collect();
    assert_eq!(names, [vec!["a", "b"], vec!["e", "f"], vec![]]);
    store.commit(&lease, end(2, RunStatus::Cancelled, true)).await.expect("undone");
    let way = store.lineage(&key("branches", ""), None).await.expect("a lineage");
    let names: Vec<Vec<String>> = way.iter().map(|link| link.pending.iter().map(name_of).collect()).collect();
    assert_eq!(names, [vec!["a", "b"], vec!["e"]]);
}

fn name_of(fact: &FactRecord) -> String {
    match fact {
        FactRecord::TaskEnded { name, .. } => name.clone(),
        fact => panic!("another fact: {fact:?}"),
    }
}

#[tokio::test]
async fn a_store_goes_from_sqlite_into_postgresql_and_back_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, last) = (folder.path().join("first.db"), folder.path().join("last.db"));
    let from = sqlite(&first);
    fill(from.store()).await;
    let before = seen(from.store()).await;
    let middle = fresh();
    let to = postgres(&middle).await;
    let mut told = Counts::default();
    let counts = carry(&from, &to, |counts| told = *counts).await.expect("carried");
    assert_eq!(counts, told);
    assert_eq!((counts.threads, counts.graphs, counts.checkpoints, counts.snapshots), (4, 4, 7, 1));
    assert_eq!((counts.facts, counts.runs, counts.events), (9, 4, 1_107));
    assert_eq!(seen(to.store()).await, before);
    let back = sqlite(&last);
    assert_eq!(carry(&to, &back, |_| {}).await, Ok(counts));
    assert_eq!(seen(back.store()).await, before);
    for store in [&from, &to, &back] {
        goes_on(store.store()).await;
    }
}

#[tokio::test]
async fn a_store_that_was_filled_on_postgresql_is_the_same_on_sqlite() {
    let from = postgres(&fresh()).await;
    fill(from.store()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = sqlite(&folder.path().join("t.db"));
    carry(&from, &to, |_| {}).await.expect("carried");
    assert_eq!(seen(to.store()).await, seen(from.store()).await);
    goes_on(to.store()).await;
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = sqlite(&folder.path().join("from.db"));
    fill(from.store()).await;
    for to in [sqlite(&folder.path().join("to.db")), postgres(&fresh()).await] {
        let thread = ThreadInfo { id: "t".to_owned(), ..ThreadInfo::default() };
        to.store().put_thread(thread).await.expect("a thread");
        let error = carry(&from, &to, |_| {}).await.expect_err("refused");
        assert_eq!(error.code(), "store_not_empty");
        assert!(error.to_string().contains("it has 1 threads"), "{error}");
        assert_eq!(to.store().runs(RunQuery::default()).await.expect("runs"), []);
    }
}

#[tokio::test]
async fn rows_that_belong_to_nothing_are_found_and_nothing_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("from.db");
    let from = sqlite(&path);
    fill(from.store()).await;
    let other = rusqlite::Connection::open(&path).expect("a connection");
    other.execute("INSERT INTO facts (key, fact) VALUES (900 << 24, '{}')", []).expect("a row");
    for to in [sqlite(&folder.path().join("to.db")), postgres(&fresh()).await] {
        let error = carry(&from, &to, |_| {}).await.expect_err("refused");
        assert_eq!(error.code(), "store_copy_differs");
        assert!(to.store().threads(ThreadQuery::default()).await.expect("threads").is_empty());
        assert!(to.store().runs(RunQuery::default()).await.expect("runs").is_empty());
    }
}

#[tokio::test]
async fn a_store_that_a_server_has_open_is_not_copied_and_one_that_is_copied_is_not_opened() {
    let (url, options) = (cluster().await.url(), fresh());
    let server = PostgresStore::connect(&url, &options).await.expect("a store");
    fill(&server).await;
    let from = postgres(&options).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = sqlite(&folder.path().join("t.db"));
    let error = carry(&from, &to, |_| {}).await.expect_err("in use");
    assert_eq!(error.code(), "store_in_use");
    assert!(error.to_string().contains("stop the servers"), "{error}");
    drop(server);
    // A copy that nobody takes more than one part of.
    let ((begun, counted), (out, parts)) = (oneshot::channel(), mpsc::channel(1));
    let copy = from.send_all(begun, out);
    let start = async {
        assert!(!counted.await.expect("a copy that has begun").is_empty());
        let refused = PostgresStore::connect(&url, &options).await;
        drop(parts);
        refused.expect_err("it is being copied")
    };
    let (copied, error) = join!(copy, start);
    assert!(copied.expect_err("nobody takes it").to_string().contains("given up"));
    assert_eq!(error.code(), "store_in_use");
    assert!(error.to_string().contains("is being copied"), "{error}");
    assert!(carry(&from, &to, |_| {}).await.is_ok());
    let open = SqliteStore::open(folder.path().join("t.db")).expect_err("it is open");
    assert_eq!(open.code(), "store_in_use");
}

#[tokio::test]
async fn a_look_makes_nothing_and_tells_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new").join("t.db");
    assert_eq!(SqliteStore::look(&path), Ok(Found::Nothing));
    assert!(!path.parent().expect("a folder").exists());
    let store = sqlite(&path);
    assert_eq!(SqliteStore::look(&path), Ok(Found::Ready), "also while it is open");
    drop(store);
    let other = rusqlite::Connection::open(&path).expect("a connection");
    other.execute("UPDATE schema_version SET version = 1", []).expect("an older one");
    assert_eq!(SqliteStore::look(&path), Ok(Found::Older));
    other.execute("UPDATE schema_version SET version = 99", []).expect("a newer one");
    assert_eq!(SqliteStore::look(&path).expect_err("newer").code(), "store_schema_newer");
    let (url, options) = (cluster().await.url(), fresh());
    assert_eq!(PostgresStore::look(&url, &options).await, Ok(Found::Nothing));
    assert_eq!(PostgresStore::look(&url, &options).await, Ok(Found::Nothing), "nothing was made");
    drop(PostgresStore::connect(&url, &options).await.expect("a store"));
    assert_eq!(PostgresStore::look(&url, &options).await, Ok(Found::Ready));
}
