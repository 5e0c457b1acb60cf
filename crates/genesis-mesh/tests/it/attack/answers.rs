//! Answers that come late, twice, to the wrong question, or before a crash.

use super::zoo::now;
use crate::graph::ground::{Count, Log, LogUpdate, kept, read, retryable};
use genesis_mesh::graph::{Context, Graph, InterruptId, Keep, NodeError, NodeSettings, START};
use genesis_mesh::state::Snapshot;
use serde_json::json;
use std::collections::BTreeMap;

type Asked = Result<LogUpdate, NodeError>;

#[tokio::test]
async fn an_answer_that_nobody_took_in_its_step_answers_no_later_question() {
    let count = Count::default();
    let once = {
        let count = count.clone();
        move |_: Snapshot<Log>, context: Context| {
            let asked =
                if count.one() == 1 { context.interrupt::<String>("harmless?") } else { Ok(String::new()) };
            std::future::ready(asked.map(|_| Log::update().log(["once"])))
        }
    };
    let danger = async |_: Snapshot<Log>, context: Context| -> Asked {
        Ok(Log::update().log([format!("danger {}", context.interrupt::<String>("delete all?")?)]))
    };
    let graph: Graph<Log> = Graph::builder("leak")
        .node("once", once)
        .node("danger", danger)
        .sequence([START, "once", "danger"])
        .build()
        .unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let outcome = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!(outcome.interrupts().len(), 1, "{outcome:?}");
}

#[tokio::test]
async fn an_answer_outlives_a_try_that_failed_after_it_was_read() {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let answer = context.interrupt::<String>("?")?;
        if context.attempt() == 1 { Err(retryable("again")) } else { Ok(Log::update().log([answer])) }
    };
    let graph: Graph<Log> = Graph::builder("retried")
        .node_with("a", node, NodeSettings::new().retry(now(3)))
        .entry("a")
        .build()
        .unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let outcome = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!((read(&outcome.state().unwrap()).as_str(), outcome.interrupts().len()), ("yes", 0));
}

#[tokio::test]
async fn an_answer_within_a_call_outlives_a_try_that_failed_after_it_was_read() {
    use genesis_mesh::graph::CallOptions;
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let options = CallOptions { retry: vec![now(3)], ..CallOptions::default() };
        let answer = context
            .call_with("asks", options, |context: Context| async move {
                let answer = context.interrupt::<String>("?")?;
                if context.attempt() == 1 { Err(retryable("again")) } else { Ok(answer) }
            })
            .await?;
        Ok(Log::update().log([answer]))
    };
    let graph: Graph<Log> = Graph::builder("retried").node("a", node).entry("a").build().unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let outcome = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!((read(&outcome.state().unwrap()).as_str(), outcome.interrupts().len()), ("yes", 0));
}

#[tokio::test]
async fn answers_to_wrong_questions_to_ended_threads_and_to_other_threads_change_nothing() {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        Ok(Log::update().log([context.interrupt::<String>("?")?]))
    };
    let graph: Graph<Log> = Graph::builder("one").node("a", node).entry("a").build().unwrap();
    let graph = kept(graph);
    let t = graph.run(json!({})).thread("t").await.unwrap();
    let u = graph.run(json!({})).thread("u").await.unwrap();
    let wrong = BTreeMap::from([
        (u.interrupts()[0].id.clone(), json!("other")),
        (InterruptId("not an id".to_owned()), json!("none")),
    ]);
    let asked = graph.resume_each(wrong).thread("t").await.unwrap();
    assert_eq!(asked.interrupts(), t.interrupts());
    let done = graph.resume("A").thread("t").await.unwrap();
    assert_eq!(read(&done.state().unwrap()), "A");
    let again = graph.resume("B").thread("t").await.unwrap();
    assert_eq!(read(&again.state().unwrap()), "A");
    let id = t.interrupts()[0].id.clone();
    let again = graph.resume_each(BTreeMap::from([(id, json!("C"))])).thread("t").await.unwrap();
    assert_eq!(read(&again.state().unwrap()), "A");
}

#[tokio::test]
async fn a_retried_subgraph_writes_nothing_twice() {
    let (first, flaky) = (Count::default(), Count::default());
    let a = {
        let first = first.clone();
        move |_: Snapshot<Log>| {
            first.one();
            std::future::ready(Log::update().log(["a"]))
        }
    };
    let b = {
        let flaky = flaky.clone();
        move |_: Snapshot<Log>| {
            let is_first = flaky.one() == 1;
            std::future::ready(if is_first {
                Asked::Err(retryable("again"))
            } else {
                Ok(Log::update().log(["b"]))
            })
        }
    };
    let child: Graph<Log> =
        Graph::builder("child").node("a", a).node("b", b).sequence([START, "a", "b"]).build().unwrap();
    let graph: Graph<Log> = Graph::builder("outer")
        .subgraph_with("child", &child, Keep::Inherit, NodeSettings::new().retry(now(3).on(|_| true)))
        .entry("child")
        .build()
        .unwrap();
    let outcome = kept(graph).run(json!({})).thread("t").await.unwrap();
    assert_eq!((read(&outcome.state().unwrap()).as_str(), first.get(), flaky.get()), ("a b", 2, 2));
}
