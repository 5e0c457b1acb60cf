//! A killed process: what it was told is kept, is there; and one process at a time writes a file.
//!
//! Owns: the child, which is this test program again, with its work in an environment variable.
//! Never: waits for a time; a child is killed after so many lines of it were read.

use futures_util::future::{join, join_all};
use genesis_mesh_core::log::{
    Claim, Commit, EventClass, IfBusy, NewEvent, NewRun, RunEnd, RunStatus, RunStore,
};
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, RunId, Source};
use genesis_mesh_core::store::{Checkpoint, Entry, Store, ThreadKey};
use genesis_mesh_store::SqliteStore;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const DATABASE: &str = "GENESIS_MESH_TEST_DATABASE";
const THREADS: [&str; 4] = ["a", "b", "c", "d"];
/// What all runs together have is told under this name: their events are counted through.
const RUNS: &str = "runs";
/// Each run has so many events.
const RUN_LENGTH: u128 = 4;

fn key(thread: &str) -> ThreadKey {
    ThreadKey { thread: thread.to_owned(), ns: Namespace::default() }
}

/// A step: a checkpoint, and what happened at it.
fn step(id: u128) -> Vec<Entry> {
    let checkpoint = Checkpoint {
        id: CheckpointId(id),
        parent: (id > 1).then(|| CheckpointId(id - 1)),
        step: 0,
        source: Source::Loop,
        created_at_ms: 0,
        parents: BTreeMap::new(),
        metadata: serde_json::Map::new(),
        fact: Some(FactRecord::StepCommitted { checkpoint: CheckpointId(id) }),
    };
    let answer = Some(format!("{id:0900}").into());
    let fact = FactRecord::Resumed { answer, answers: BTreeMap::new(), writes: Vec::new(), run: None };
    vec![Entry::Checkpoint(checkpoint), Entry::Pending { checkpoint: CheckpointId(id), fact }]
}

async fn append_until_killed(store: &SqliteStore, thread: &str, begin: u128) {
    for id in begin.. {
        store.append(&key(thread), step(id)).await.expect("an append");
        tell(thread, id);
    }
}

fn tell(name: &str, id: u128) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("kept {name} {id}\n").as_bytes()).expect("a reader");
    out.flush().expect("a reader");
}

/// Event number `seq` of each run: it is accepted, says something, takes a step, ends.
fn event(seq: u128) -> NewEvent {
    let class = match seq {
        2 => EventClass::Delta,
        RUN_LENGTH => EventClass::End,
        _ => EventClass::Fact,
    };
    NewEvent { class, data: format!("{{\"n\":{seq}}}"), memo: None }
}

/// Works on one run after another, beginning after `kept` events of all of them.
async fn work_until_killed(store: &SqliteStore, kept: u128) {
    store.release_all().await.expect("runs that are given back");
    let claim =
        || Claim { owner: "child".to_owned(), lease_ms: 60_000, agents: vec!["agent".to_owned()], limit: 1 };
    for count in kept + 1.. {
        let (id, seq) = ((count - 1) / RUN_LENGTH + 1, (count - 1) % RUN_LENGTH + 1);
        if seq == 1 {
            store.accept(run(id)).await.expect("an accepted run");
            tell(RUNS, count);
            continue;
        }
        // Each event is another owner's, as if all of them were killed.
        let lease =
            store.claim(claim()).await.expect("a claim").pop().expect("the run that was accepted").lease;
        assert_eq!(lease.run, RunId(id));
        let end = RunEnd { status: RunStatus::Succeeded, error: None, rolls_back: false };
        let commit = Commit {
            number: 1,
            events: vec![event(seq)],
            entries: if seq == 3 { vec![(key(&format!("of run {id}")), step(1))] } else { Vec::new() },
            end: (seq == RUN_LENGTH).then_some(end),
            is_progress: true,
        };
        store.commit(&lease, commit).await.expect("a commit");
        tell(RUNS, count);
        store.release(&[lease]).await.expect("a release");
    }
}

fn run(id: u128) -> NewRun {
    NewRun {
        id: RunId(id),
        agent: "agent".to_owned(),
        thread: Some(format!("of run {id}")),
        input: "{}".to_owned(),
        principal: None,
        idempotency: None,
        if_busy: IfBusy::Reject,
        metadata: serde_json::Map::new(),
        ttl_ms: None,
        first: event(1),
        stopped: event(4),
        claim: None,
    }
}

/// How many events all runs have; each must be there once, in order, with what was committed beside it.
async fn kept_of_runs(store: &SqliteStore) -> u128 {
    let mut count = 0;
    for id in 1.. {
        let Some(run) = store.run(RunId(id)).await.expect("a run") else { break };
        let events = store.events(RunId(id), 0, usize::MAX).await.expect("a log");
        let wanted: Vec<String> = (1..=u128::from(run.last_seq)).map(|seq| event(seq).data).collect();
        assert_eq!(events.iter().map(|event| event.data.to_string()).collect::<Vec<_>>(), wanted);
        assert_eq!(run.status == RunStatus::Succeeded, events.len() == 4);
        let steps = kept(store, &format!("of run {id}")).await;
        assert_eq!(steps == 1, events.len() >= 3);
        // The next was accepted when this one had ended.
        assert_eq!(count % RUN_LENGTH, 0);
        count += u128::from(run.last_seq);
    }
    count
}

/// What the child does. In the test program itself there is no database, and nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_appends_for_ever() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let store = match SqliteStore::open(&database) {
        Ok(store) => store,
        Err(error) => {
            println!("\nrefused {error}");
            return;
        }
    };
    println!("\nopened");
    let mut begins = Vec::new();
    for thread in THREADS {
        begins.push(kept(&store, thread).await + 1);
    }
    let writers =
        THREADS.iter().zip(begins).map(|(thread, begin)| append_until_killed(&store, thread, begin));
    let kept = kept_of_runs(&store).await;
    join(join_all(writers), work_until_killed(&store, kept)).await;
}

/// How many steps a thread has; each must be there once, whole and in order.
async fn kept(store: &SqliteStore, thread: &str) -> u128 {
    let links = store.lineage(&key(thread), None).await.expect("a lineage");
    let mut count = 0;
    for link in links {
        count += 1;
        let entries = [Entry::Checkpoint(link.checkpoint.clone())].into_iter().chain(
            link.pending.into_iter().map(|fact| Entry::Pending { checkpoint: link.checkpoint.id, fact }),
        );
        assert_eq!(entries.collect::<Vec<_>>(), step(count));
    }
    count
}

fn start(database: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "processes::child_appends_for_ever", "--nocapture"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    (child, out)
}

/// Reads up to a line that begins so.
fn read_to(out: &mut BufReader<ChildStdout>, begin: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).expect("a line") > 0, "the child ended before it said {begin:?}");
        if line.starts_with(begin) {
            return line;
        }
    }
}

/// The greatest step that a child was told is kept, for each thread.
fn last_told(told: &str) -> BTreeMap<String, u128> {
    let mut last = BTreeMap::new();
    // The last line may be cut.
    for line in told.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        if let ["kept", thread, id] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
            last.insert((*thread).to_owned(), id.parse().expect("a number"));
        }
    }
    last
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_that_was_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("threads.db");
    let mut before: BTreeMap<String, u128> = BTreeMap::new();
    for lines in [1, 2, 37, 5, 411, 90] {
        let (mut child, mut out) = start(&database);
        let mut told = String::new();
        for _ in 0..lines {
            told.push_str(&read_to(&mut out, "kept "));
        }
        // SIGKILL, while five writers are wherever they are.
        child.kill().expect("a kill");
        child.wait().expect("an end");
        out.read_to_string(&mut told).expect("the rest");
        let store = SqliteStore::open(&database).expect("a store");
        let told = last_told(&told);
        for thread in THREADS.into_iter().chain([RUNS]) {
            let there = match thread {
                RUNS => kept_of_runs(&store).await,
                thread => kept(&store, thread).await,
            };
            let told = told.get(thread).or(before.get(thread)).copied().unwrap_or_default();
            assert!(there == told || there == told + 1, "{thread}: {told} were told, {there} are there");
            before.insert(thread.to_owned(), there);
        }
    }
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("threads.db");
    let (mut first, mut out) = start(&database);
    read_to(&mut out, "opened");
    let error = SqliteStore::open(&database).expect_err("another process has it");
    assert_eq!(error.code(), "store_in_use");
    assert!(error.to_string().contains("open in another process"), "{error}");
    let (mut second, mut refused) = start(&database);
    read_to(&mut refused, "refused ");
    second.wait().expect("an end");
    first.kill().expect("a kill");
    first.wait().expect("an end");
    SqliteStore::open(&database).expect("the lock is free");
}
