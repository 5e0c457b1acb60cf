//! What a store keeps, from outside: threads that agents can't read any more, and a store that moves to another database.

use genesis_mesh::graph::{END, Graph, START};
use genesis_mesh::log::{RunQuery, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::store::HistoryQuery;
use genesis_mesh::{
    Ask, Counts, GenesisMesh, MemoryStore, Mesh, ModelSource, PostgresOptions, ScriptedModel, SqliteOptions,
    State, StoreSource, Submission, carry,
};
use genesis_mesh_store::testing::PostgresCluster;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Clone, Default, State)]
struct Note {
    text: String,
    #[reduce(append)]
    log: Vec<String>,
}

async fn write(state: Snapshot<Note>) -> NoteUpdate {
    Note::update().log([state.text.clone()])
}

fn notes() -> Graph<Note> {
    let graph = Graph::builder("notes").node("write", write).node("again", write);
    graph.sequence([START, "write", "again", END]).build().expect("a graph")
}

/// The same channels, one of another type.
#[derive(Debug, Clone, Default, State)]
struct Count {
    text: u64,
    #[reduce(append)]
    log: Vec<String>,
}

async fn count(state: Snapshot<Count>) -> CountUpdate {
    Count::update().log([state.text.to_string()])
}

fn counts() -> Graph<Count> {
    let graph = Graph::builder("notes").node("write", count).node("again", count);
    graph.sequence([START, "write", "again", END]).build().expect("a graph")
}

async fn mesh(store: impl Into<StoreSource>) -> Mesh {
    GenesisMesh::new().agent("notes", notes()).store(store).setup().await.expect("a mesh")
}

/// Runs `notes` on threads, one run after the other to its end. A mesh works once.
async fn run(mesh: &Mesh, runs: &[(Option<&str>, &str)]) {
    let ended = async {
        for (thread, text) in runs {
            let mut submission = Submission::new("notes", Ask::Input { value: json!({"text": text}) });
            submission.thread = thread.map(str::to_owned);
            let run = mesh.submit(submission).await.expect("accepted").run;
            let mut reader = mesh.follow(run.id, 0).await.expect("a log");
            while let Some(event) = reader.next().await {
                event.expect("an event");
            }
            let run = mesh.get(run.id).await.expect("a store").expect("a run");
            assert_eq!(run.status, RunStatus::Succeeded);
        }
    };
    tokio::select! {
        () = ended => {}
        worked = mesh.work(std::future::pending(), std::future::pending()) => worked.expect("it works once"),
    }
}

#[tokio::test]
async fn threads_that_an_agent_cannot_read_any_more_are_found_before_it_is_served() {
    let store = Arc::new(MemoryStore::new());
    let before = mesh(Arc::clone(&store)).await;
    run(&before, &[(Some("t"), "a"), (Some("t"), "b"), (None, "c")]).await;
    let checked = before.check_threads().await.expect("a store");
    assert_eq!((checked.readable, checked.unreadable.len()), (2, 0));
    assert_eq!(checked.to_string(), "2 threads can be read");

    let model = ModelSource::lazy("a disk that is not there", || Err::<ScriptedModel, _>("it is loaded"));
    let after = GenesisMesh::new().model("m", model).agent("notes", counts()).store(Arc::clone(&store));
    let checked = after.check_threads().await.expect("no model is loaded");
    assert_eq!((checked.readable, checked.unreadable.len()), (0, 2), "{checked}");
    let newest = before.runs(RunQuery { thread: Some("t".to_owned()), ..RunQuery::default() }).await;
    let found = checked.unreadable.iter().find(|thread| thread.thread == "t").expect("the thread");
    assert_eq!(found.run, newest.expect("runs").first().expect("a run").id);
    assert_eq!(found.code, "stored_value_invalid");
    let told = found.to_string();
    assert!(
        told.starts_with("thread \"t\" of `notes`") && told.ends_with("(stored_value_invalid)"),
        "{told}"
    );

    let other = GenesisMesh::new().agent("others", notes()).store(Arc::clone(&store));
    let checked = other.check_threads().await.expect("a store");
    assert_eq!(checked.unknown_agents.get("notes"), Some(&2));
    assert_eq!((checked.readable, checked.unreadable.len()), (0, 0));
}

#[tokio::test]
async fn a_mesh_waits_for_a_database_that_is_away_at_its_start_and_not_for_one_that_refuses() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let set_up = async |url: String| {
        let source = StoreSource::Postgres(url, PostgresOptions::default());
        GenesisMesh::new().agent("notes", notes()).store(source).setup().await
    };
    cluster.stop().await.expect("a stop");
    let (mesh, started) = tokio::join!(set_up(cluster.url()), cluster.start_again());
    started.expect("a start");
    run(&mesh.expect("a mesh"), &[(Some("t"), "a")]).await;
    let nowhere = format!("{}nowhere", cluster.url().trim_end_matches("postgres"));
    // Were it waited for, this would take as long as no test may.
    let refused = set_up(nowhere).await.expect_err("there is no such database").to_string();
    assert!(
        refused.contains("the store refuses this program") && refused.contains("make the database"),
        "{refused}"
    );
}

/// All that a mesh tells of what it keeps.
async fn told(mesh: &Mesh) -> Vec<Value> {
    let mut told = Vec::new();
    for thread in ["t", "u"] {
        told.push(mesh.thread_state("notes", thread).await.expect("a state"));
        told.extend(mesh.thread_history("notes", thread, HistoryQuery::default()).await.expect("a history"));
    }
    for run in mesh.runs(RunQuery::default()).await.expect("runs") {
        told.push(json!(format!("{run:?}")));
        for event in mesh.store().events(run.id, 0, 999).await.expect("events") {
            told.push(json!(format!("{event:?}")));
        }
    }
    told
}

#[tokio::test]
async fn a_mesh_goes_on_with_its_threads_on_another_database_and_back() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = |name: &str| StoreSource::Sqlite(folder.path().join(name), SqliteOptions::default());
    let postgres = StoreSource::Postgres(cluster.url(), PostgresOptions::default());
    let first = mesh(sqlite("first.db")).await;
    run(&first, &[(Some("t"), "a"), (Some("t"), "b"), (Some("u"), "c")]).await;
    let before = told(&first).await;
    drop(first);

    let copy = async |from: StoreSource, to: StoreSource| -> Counts {
        let from = from.open_to_carry().await.expect("a store");
        let to = to.open_to_carry().await.expect("a store");
        carry(&from, &to, |_| {}).await.expect("carried")
    };
    let counts = copy(sqlite("first.db"), postgres.clone()).await;
    assert_eq!((counts.threads, counts.runs), (2, 3));
    let second = mesh(postgres.clone()).await;
    assert_eq!(told(&second).await, before);
    run(&second, &[(Some("t"), "d")]).await;
    let before = told(&second).await;
    assert_eq!(before[0]["values"]["log"], json!(["a", "a", "b", "b", "d", "d"]));
    drop(second);

    copy(postgres, sqlite("last.db")).await;
    let last = mesh(sqlite("last.db")).await;
    assert_eq!(told(&last).await, before);
    run(&last, &[(Some("t"), "e")]).await;
    assert_eq!(last.check_threads().await.expect("a store").readable, 2);
}
