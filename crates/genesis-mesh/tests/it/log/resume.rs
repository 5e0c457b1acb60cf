//! Runs that ask, and runs that answer, cut at any commit.

use super::crash::{output, written};
use super::faulty::FaultyStore;
use super::world::{LONG_ENOUGH, Working, World, count, kinds};
use crate::graph::ground::{Log, LogUpdate, signs};
use genesis_mesh::graph::{Context, Graph, NodeError, START};
use genesis_mesh::log::{LogEvent, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{Ask, GenesisMesh, RunId, Submission};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A node that asks twice between two that don't, and a graph within that asks once.
fn form() -> GenesisMesh {
    let asks = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        let first: String = context.interrupt("first?")?;
        let second: String = context.interrupt(format!("after {first}?"))?;
        Ok(Log::update().log([format!("{first} {second}")]))
    };
    let asks_once = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        Ok(Log::update().word(context.interrupt::<String>("inside?")?))
    };
    let inner: Graph<Log> = Graph::builder("inner")
        .node("before", async |_: Snapshot<Log>| Log::update().x(1))
        .node("asks_once", asks_once)
        .sequence([START, "before", "asks_once"])
        .build()
        .unwrap();
    let graph: Graph<Log> = Graph::builder("form")
        .node("begin", signs("begin"))
        .node("asks", asks)
        .subgraph_mapped(
            "inner",
            &inner,
            |_: &Log| Log::update(),
            |inner: Snapshot<Log>| Log::update().word(inner.word.clone()),
        )
        .node("end", signs("end"))
        .sequence([START, "begin", "asks", "inner", "end"])
        .build()
        .unwrap();
    GenesisMesh::new().agent("form", graph)
}

/// Two nodes, and a stop before the second and before the third.
fn stops() -> GenesisMesh {
    let graph: Graph<Log> = Graph::builder("stops")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .node("c", signs("c"))
        .sequence([START, "a", "b", "c"])
        .interrupt_before(["b", "c"])
        .build()
        .unwrap();
    GenesisMesh::new().agent("stops", graph)
}

/// Has these runs done on one thread, one after the other; the one at `place` is cut after so many commits.
async fn runs(
    agents: fn() -> GenesisMesh,
    asks: &[Ask],
    cut_at: Option<(usize, usize)>,
) -> (Vec<Vec<LogEvent>>, Vec<RunStatus>, usize) {
    let world = World::new();
    let name = if asks.contains(&Ask::GoOn) { "stops" } else { "form" };
    let (mut logs, mut statuses, mut commits) = (Vec::new(), Vec::new(), 0);
    for (place, ask) in asks.iter().enumerate() {
        let submission = Submission::new(name, ask.clone()).thread("t");
        let run: RunId = match cut_at {
            Some((at, cut)) if at == place => {
                let store = FaultyStore::dies_after(&world.store, cut);
                let dying = Working::on(world.mesh_over(agents(), &store).await).await;
                let run = dying.submit(submission).await;
                tokio::time::sleep(LONG_ENOUGH).await;
                dying.kill().await;
                run
            }
            _ => {
                let store = FaultyStore::new(&world.store);
                let working = Working::on(world.mesh_over(agents(), &store).await).await;
                let run = working.submit(submission).await;
                working.log(run).await;
                commits = commits.max(store.count("commit"));
                working.kill().await;
                run
            }
        };
        let working = Working::on(world.mesh(agents()).await).await;
        logs.push(working.log(run).await);
        statuses.push(working.row(run).await.status);
        working.kill().await;
    }
    (logs, statuses, commits)
}

fn answer(answer: &str) -> Ask {
    Ask::Answer { value: json!(answer) }
}

/// The output of a run, what its nodes wrote, and how often it asked.
type Essence = (Value, Vec<(String, Value)>, usize);

/// What of logs must be the same, whatever was cut.
fn essence(logs: &[Vec<LogEvent>]) -> Vec<Essence> {
    logs.iter().map(|log| (output(log), written(log), count(log, "interrupt"))).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_that_ask_end_as_interrupted_and_runs_that_answer_go_on() {
    let asks = [json!({}).into(), answer("a"), answer("b"), answer("c")];
    let (logs, statuses, _) = runs(form, &asks, None).await;
    use RunStatus::{Interrupted, Succeeded};
    assert_eq!(statuses, [Interrupted, Interrupted, Interrupted, Succeeded]);
    assert_eq!(kinds(&logs[0]), ["run", "update", "interrupt", "output", "done"]);
    assert_eq!(output(&logs[3]), json!({"word": "c", "log": ["begin", "a b", "end"]}));
}

#[tokio::test(start_paused = true)]
async fn an_answering_run_that_is_cut_at_any_commit_answers_each_question_once() {
    let asks = [json!({}).into(), answer("a"), answer("b"), answer("c")];
    let (wanted, statuses, commits) = runs(form, &asks, None).await;
    for place in 0..asks.len() {
        for cut in 0..=commits {
            let (logs, cut_statuses, _) = runs(form, &asks, Some((place, cut))).await;
            assert_eq!(cut_statuses, statuses, "run {place} cut after {cut}");
            assert_eq!(essence(&logs), essence(&wanted), "run {place} cut after {cut}: {:#?}", logs[place]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_at_any_commit_passes_no_breakpoint_by_itself() {
    let asks = [json!({}).into(), Ask::GoOn, Ask::GoOn];
    let (wanted, statuses, commits) = runs(stops, &asks, None).await;
    assert_eq!(output(&wanted[2]), json!({"log": ["a", "b", "c"]}));
    use RunStatus::{Interrupted, Succeeded};
    assert_eq!(statuses, [Interrupted, Interrupted, Succeeded], "a breakpoint is no end of the work");
    for place in 0..asks.len() {
        for cut in 0..=commits {
            let (logs, cut_statuses, _) = runs(stops, &asks, Some((place, cut))).await;
            assert_eq!(cut_statuses, statuses, "run {place} cut after {cut}");
            assert_eq!(essence(&logs), essence(&wanted), "run {place} cut after {cut}: {:#?}", logs[place]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_by_the_ids_of_questions_are_taken_and_a_run_that_goes_on_needs_a_thread() {
    let world = World::new();
    let working = Working::on(world.mesh(form()).await).await;
    let run = working.submit(Submission::new("form", json!({})).thread("t")).await;
    working.log(run).await;
    let state = working.mesh.thread_state("form", "t").await.unwrap();
    let id = serde_json::from_value(state["interrupts"][0]["id"].clone()).unwrap();
    let values = BTreeMap::from([(id, json!("a"))]);
    let run = working.submit(Submission::new("form", Ask::Answers { values }).thread("t")).await;
    working.log(run).await;
    let state = working.mesh.thread_state("form", "t").await.unwrap();
    assert_eq!(state["interrupts"][0]["value"], "after a?");
    let refused = working.mesh.submit(Submission::new("form", Ask::GoOn)).await.expect_err("no thread");
    assert_eq!((refused.code(), refused.param()), ("invalid_input", Some("thread_id")));
}
