//! Graphs whose process ends at any commit: what comes of them is what would have come without.

use super::faulty::{Fault, FaultyStore};
use super::world::{LONG_ENOUGH, Working, World, count, done, error, messages, update};
use crate::graph::ground::{Count, Log, signs};
use genesis_mesh::graph::{Context, END, Graph, NodeError, START, Send, Sent};
use genesis_mesh::log::{LogEvent, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{Ask, FinishReason, GenesisMesh, Submission, Update, Usage};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A plan, three tasks beside each other that speak and tell, a graph within the graph that speaks, and an end.
pub(super) fn trip(begun: &Count) -> Graph<Log> {
    let works = {
        let begun = begun.clone();
        move |sent: Sent<u32>, context: Context| {
            let begun = begun.clone();
            async move {
                begun.one();
                context.write(json!({"began": *sent})).await?;
                say(&context, &format!("work {} is done", *sent), u64::from(*sent) * 7).await;
                Ok::<_, NodeError>(Log::update().log([format!("work {}", *sent)]))
            }
        }
    };
    let speaks = async |_: Snapshot<Log>, context: Context| {
        say(&context, "deep inside", 5).await;
        Ok::<_, NodeError>(Log::update().word("deep"))
    };
    let inner: Graph<Log> = Graph::builder("inner")
        .node("first", async |_: Snapshot<Log>| Log::update().x(1))
        .node("speaks", speaks)
        .node("last", async |log: Snapshot<Log>| Log::update().x(log.x + 1))
        .sequence([START, "first", "speaks", "last"])
        .build()
        .unwrap();
    Graph::builder("trip")
        .node("plan", signs("plan"))
        .node("work", works)
        .subgraph_mapped(
            "inner",
            &inner,
            |log: &Log| Log::update().x(log.x),
            |inner: Snapshot<Log>| Log::update().word(inner.word.clone()).x(inner.x),
        )
        .node("end", signs("end"))
        .edge(START, "plan")
        .branch_to("plan", |_: &Log| [1_u32, 2, 3].map(|n| Send::to("work", n)).to_vec(), ["work"])
        .edge("work", "inner")
        .edge("inner", "end")
        .build()
        .unwrap()
}

/// Says words one after the other.
async fn say(context: &Context, words: &str, every_ms: u64) {
    let mut message = context.message();
    for word in words.split_inclusive(' ') {
        message.text(word).await;
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
    }
    message.done(Usage::new(1, 3), FinishReason::Stop).await;
}

fn agents(begun: &Count) -> GenesisMesh {
    GenesisMesh::new().agent("trip", trip(begun))
}

/// Which node wrote what, in some order.
pub(super) fn written(log: &[LogEvent]) -> Vec<(String, Value)> {
    let mut written: Vec<_> = log
        .iter()
        .filter_map(|event| match update(event) {
            Update::Written { node, values, .. } => Some((node, values)),
            _ => None,
        })
        .collect();
    written.sort_by_key(|(node, values)| format!("{node} {values}"));
    written
}

pub(super) fn output(log: &[LogEvent]) -> Value {
    let output = log.iter().find_map(|event| match serde_json::from_str(&event.data) {
        Ok(Update::Output { value }) => Some(value),
        _ => None,
    });
    output.unwrap_or_else(|| panic!("no output: {log:#?}"))
}

/// The texts of all messages that stand.
fn texts(log: &[LogEvent]) -> Vec<String> {
    let mut texts: Vec<_> = messages(log).into_values().collect();
    texts.sort();
    texts
}

async fn undisturbed(thread: Option<&str>) -> (Vec<LogEvent>, usize) {
    let (world, begun) = (World::new(), Count::default());
    let store = FaultyStore::new(&world.store);
    let working = Working::on(world.mesh_over(agents(&begun), &store).await).await;
    let mut submission = Submission::new("trip", json!({}));
    submission.thread = thread.map(str::to_owned);
    let run = working.submit(submission).await;
    (working.log(run).await, store.count("commit"))
}

#[tokio::test(start_paused = true)]
async fn a_graph_that_is_cut_at_any_commit_comes_to_the_same_end_and_tells_each_update_once() {
    for thread in [None, Some("t")] {
        let (wanted, commits) = undisturbed(thread).await;
        assert!(commits > 15, "{commits}");
        assert_eq!(texts(&wanted).len(), 4);
        for cut in 0..=commits {
            let (world, begun) = (World::new(), Count::default());
            let store = FaultyStore::dies_after(&world.store, cut);
            let dying = Working::on(world.mesh_over(agents(&begun), &store).await).await;
            let mut submission = Submission::new("trip", json!({}));
            submission.thread = thread.map(str::to_owned);
            let run = dying.submit(submission).await;
            tokio::time::sleep(LONG_ENOUGH).await;
            dying.kill().await;
            let working = Working::on(world.mesh(agents(&begun)).await).await;
            let log = working.log(run).await;
            assert_eq!(output(&log), output(&wanted), "cut after {cut}");
            assert_eq!(written(&log), written(&wanted), "cut after {cut}");
            assert_eq!(texts(&log), texts(&wanted), "cut after {cut}: {log:#?}");
            assert_eq!(working.row(run).await.status, RunStatus::Succeeded);
            assert!(begun.get() <= 6, "a task that had ended ran again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_graph_whose_every_second_commit_loses_its_answer_tells_all_once() {
    let (wanted, _) = undisturbed(None).await;
    for fault in [Fault::Before, Fault::After] {
        let (world, begun) = (World::new(), Count::default());
        let store = FaultyStore::with(&world.store, move |call, number| {
            if call == "commit" && number % 2 == 1 { fault } else { Fault::None }
        });
        let working = Working::on(world.mesh_over(agents(&begun), &store).await).await;
        let run = working.submit(Submission::new("trip", json!({}))).await;
        let log = working.log(run).await;
        assert_eq!((output(&log), written(&log)), (output(&wanted), written(&wanted)));
        assert_eq!((texts(&log), begun.get()), (texts(&wanted), 3));
        assert_eq!((count(&log, "reset"), working.row(run).await.epoch), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_message_is_taken_back_and_one_that_was_whole_is_not() {
    let (world, begun) = (World::new(), Count::default());
    let working = Working::on(world.mesh(agents(&begun)).await).await;
    let run = working.submit(Submission::new("trip", json!({}))).await;
    // The first of the three ends after 28 ms, the others are cut.
    tokio::time::sleep(Duration::from_millis(30)).await;
    working.kill().await;
    let working = Working::on(world.mesh(agents(&begun)).await).await;
    let log = working.log(run).await;
    assert_eq!((count(&log, "reset"), begun.get()), (2, 5));
    let mut texts: Vec<String> = messages(&log).into_values().collect();
    texts.sort();
    assert_eq!(texts, ["deep inside", "work 1 is done", "work 2 is done", "work 3 is done"]);
    // The usage is that of what this process has asked for.
    assert_eq!(done(&log).0, FinishReason::Stop);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_comes_no_further_is_begun_five_times_and_then_fails() {
    let hangs = async |_: Snapshot<Log>| {
        std::future::pending::<()>().await;
        Log::update()
    };
    let agents = || {
        let graph: Graph<Log> = Graph::builder("stuck").node("hangs", hangs).entry("hangs").build().unwrap();
        GenesisMesh::new().agent("stuck", graph)
    };
    let world = World::new();
    let mut working = Working::on(world.mesh(agents()).await).await;
    let run = working.submit(Submission::new("stuck", json!({}))).await;
    // The first attempt comes further: it keeps the input.
    for attempt in 1..=5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        working.kill().await;
        working = Working::on(world.mesh(agents()).await).await;
        assert_eq!(working.row(run).await.attempt, attempt);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(working.row(run).await.status, RunStatus::Running);
    working.kill().await;
    let working = Working::on(world.mesh(agents()).await).await;
    let log = working.log(run).await;
    assert_eq!(error(&log), "run_poisoned");
    let row = working.row(run).await;
    assert_eq!((row.status, row.attempt, row.epoch), (RunStatus::Failed, 6, 7));
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_steps_goes_on_counting_after_a_crash() {
    let steps = Count::default();
    let agents = || {
        let counted = steps.clone();
        let turns = move |log: Snapshot<Log>| {
            counted.one();
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Log::update().x(log.x + 1)
            }
        };
        let graph = Graph::builder("round").node("turns", turns).edge(START, "turns").branch_to(
            "turns",
            |log: &Log| if log.x < 1_000 { "turns" } else { END },
            ["turns", END],
        );
        GenesisMesh::new().agent("round", graph.build().unwrap().with_recursion_limit(10))
    };
    // With an input, on a new thread and on one that has a past, and where that one stands: then no step is the input's.
    let world = World::new();
    let asks: [(Ask, u32, u32); 4] =
        [(json!({}).into(), 0, 10), (json!({}).into(), 3, 10), (Ask::GoOn, 0, 12), (Ask::GoOn, 3, 12)];
    for (ask, crashes, limit) in asks {
        let before = steps.get();
        let mut working = Working::on(world.mesh(agents()).await).await;
        let run = working.submit(Submission::new("round", ask).thread("t")).await;
        for _ in 0..crashes {
            tokio::time::sleep(Duration::from_millis(250)).await;
            working.kill().await;
            working = Working::on(world.mesh(agents()).await).await;
        }
        assert_eq!(error(&working.log(run).await), "recursion_limit");
        // A task that was cut runs again.
        assert_eq!(steps.get() - before, limit + crashes, "after {crashes} crashes");
        working.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_thread_of_a_run_that_was_given_none_is_deleted_with_it() {
    let (world, begun) = (World::new(), Count::default());
    let working = Working::on(world.mesh(agents(&begun)).await).await;
    let run = working.submit(Submission::new("trip", json!({}))).await;
    let log = working.log(run).await;
    assert_eq!(&*log[0].data, format!("{{\"type\":\"run\",\"run_id\":\"{run}\"}}"));
    let row = working.row(run).await;
    let thread = row.thread.clone().expect("a graph has a thread");
    let again = Submission::again(&row).expect("it can be read");
    assert_eq!((again.thread, again.ask), (None, Ask::Input { value: json!({}) }));
    assert_eq!(working.mesh.thread_state("trip", &thread).await.unwrap()["values"], output(&log));
    assert!(working.mesh.delete_run(run).await.unwrap());
    assert_eq!(format!("{:?}", Arc::clone(&world.store)), "MemoryStore { threads: 0, runs: 0 }");
}
