//! Functions: entrypoints, tasks, and calls that are kept.

use super::ground::{Count, Log, LogUpdate, data, kept, read, retryable};
use genesis_mesh::graph::{Context, Final, Graph, NoState, NodeError, RetryPolicy, START, StreamMode};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{entrypoint, task};
use serde_json::{Value, json};
use std::time::Duration;

#[task]
async fn double(n: i64) -> Result<i64, NodeError> {
    Ok(n * 2)
}

/// Can't fail, and names its parts.
#[task(name = "sum")]
async fn add((a, b): (i64, i64), mut more: Vec<i64>) -> i64 {
    more.extend([a, b]);
    more.into_iter().sum()
}

#[task]
async fn shout(context: Context, count: Count, word: String) -> Result<String, NodeError> {
    count.one();
    context.write(json!({"task": context.name()})).await?;
    Ok(word.to_uppercase())
}

#[task]
async fn ask(context: &Context, question: String) -> Result<String, NodeError> {
    context.interrupt(question)
}

#[task(retry = 3)]
async fn flaky(count: Count) -> Result<u32, NodeError> {
    match count.one() {
        attempt @ 1..3 => Err(retryable(&attempt.to_string())),
        attempt => Ok(attempt),
    }
}

#[task(retry = RetryPolicy::attempts(2).on(|_| true), timeout = Duration::from_millis(50))]
async fn slow(count: Count) -> Result<u32, std::fmt::Error> {
    if count.one() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(count.get())
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Order {
    a: i64,
    b: i64,
}

#[entrypoint]
async fn sums(order: Order, context: Context) -> Result<i64, NodeError> {
    let (a, b) = tokio::try_join!(double(&context, order.a), double(&context, order.b))?;
    add(&context, (a, b), vec![100]).await
}

#[entrypoint(name = "plain name")]
async fn plain(mut words: Vec<String>) -> String {
    words.sort();
    words.join(" ")
}

#[entrypoint]
async fn parses(text: String, context: &Context) -> Result<i64, std::num::ParseIntError> {
    assert_eq!(context.name(), "parses");
    text.parse()
}

#[tokio::test]
async fn an_entrypoint_is_a_graph_of_its_function() {
    let graph: Graph<NoState> = sums().unwrap();
    let outcome = graph.run(json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!((outcome.returned::<i64>().unwrap(), outcome.values().unwrap()), (106, json!(106)));
    assert!(outcome.is_done());
    let error = graph.run(json!({"a": "one"})).await.unwrap_err();
    assert_eq!(error.code(), "node_failed");
}

#[tokio::test]
async fn an_entrypoint_needs_no_context_and_no_result_and_its_errors_are_of_any_type() {
    let graph = plain().unwrap();
    assert_eq!(graph.name(), "plain name");
    let outcome = graph.run(json!(["b", "a"])).await.unwrap();
    assert_eq!(outcome.returned::<String>().unwrap(), "a b");
    assert_eq!(parses().unwrap().run(json!("7")).await.unwrap().returned::<i64>().unwrap(), 7);
    let error = parses().unwrap().run(json!("seven")).await.unwrap_err();
    assert!(error.to_string().contains("invalid digit"), "{error}");
}

#[tokio::test]
async fn calls_are_told_by_their_names_with_what_they_returned() {
    let told = data(sums().unwrap().run(json!({"a": 1, "b": 2})).stream([StreamMode::Updates])).await;
    assert_eq!(told, [json!({"double": 2}), json!({"double": 4}), json!({"sum": 106}), json!({"sums": 106})]);
}

#[tokio::test]
async fn a_call_is_not_made_again_when_its_caller_runs_again_after_a_question_or_a_failure() {
    let (runs, calls) = (Count::default(), Count::default());
    let body = {
        let (runs, calls) = (runs.clone(), calls.clone());
        move |word: String, context: Context| {
            let (run, calls) = (runs.one(), calls.clone());
            async move {
                let loud = shout(&context, calls.clone(), word).await?;
                let answer = ask(&context, format!("{loud}?")).await?;
                if run == 2 {
                    return Err(NodeError::new("Second", "the second run fails"));
                }
                let end = shout(&context, calls, "end".to_owned()).await?;
                Ok(format!("{loud} {answer} {end}"))
            }
        }
    };
    let graph = kept(Graph::function("calls", body).unwrap());
    let asked = graph.run(json!("hey")).thread("t").await.unwrap();
    assert_eq!(asked.interrupts()[0].value, json!("HEY?"));
    graph.resume("yes").thread("t").await.unwrap_err();
    let done = graph.go_on().thread("t").await.unwrap();
    assert_eq!(done.returned::<String>().unwrap(), "HEY yes END");
    assert_eq!((runs.get(), calls.get()), (3, 2));
}

#[tokio::test]
async fn the_order_of_calls_is_that_of_calling_whichever_ends_first() {
    let counts = [Count::default(), Count::default()];
    let body = {
        let counts = counts.clone();
        move |_: Value, context: Context| {
            let [first, second] = counts.clone();
            async move {
                let later = context.call("later", move |_| {
                    let first = first.clone();
                    async move {
                        tokio::task::yield_now().await;
                        tokio::task::yield_now().await;
                        first.one();
                        Ok::<_, NodeError>("later".to_owned())
                    }
                });
                let sooner = context.call("sooner", move |_| {
                    let second = second.clone();
                    async move {
                        second.one();
                        Ok::<_, NodeError>("sooner".to_owned())
                    }
                });
                let (sooner, later) = tokio::try_join!(sooner, later)?;
                let answer: String = context.interrupt("?")?;
                Ok(vec![later, sooner, answer])
            }
        }
    };
    let graph = kept(Graph::function("order", body).unwrap());
    graph.run(json!(null)).thread("t").await.unwrap();
    let done = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!(done.returned::<Vec<String>>().unwrap(), ["later", "sooner", "yes"]);
    assert_eq!(counts.each_ref().map(Count::get), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_tried_and_timed_as_its_attribute_says() {
    let counts = [Count::default(), Count::default()];
    let body = {
        let counts = counts.clone();
        move |_: Value, context: Context| {
            let [a, b] = counts.clone();
            async move { Ok((flaky(&context, a).await?, slow(&context, b).await?)) }
        }
    };
    let outcome = Graph::function("tries", body).unwrap().run(json!(null)).await.unwrap();
    assert_eq!(outcome.returned::<(u32, u32)>().unwrap(), (3, 2));
}

#[tokio::test]
async fn a_node_of_a_graph_makes_calls_too() {
    let calls = Count::default();
    let node = {
        let calls = calls.clone();
        move |log: Snapshot<Log>, context: Context| {
            let calls = calls.clone();
            async move {
                let loud = shout(&context, calls, log.word.clone()).await?;
                let answer: String = context.interrupt("?")?;
                Ok::<LogUpdate, NodeError>(Log::update().log([loud, answer]))
            }
        }
    };
    let graph: Graph<Log> = Graph::builder("calls").node("a", node).edge(START, "a").build().unwrap();
    let graph = kept(graph);
    graph.run(json!({"word": "hey"})).thread("t").await.unwrap();
    let done = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), calls.get()), ("HEY yes", 1));
}

#[tokio::test]
async fn what_a_function_saves_its_next_run_on_the_thread_finds() {
    let body = |n: i64, context: Context| async move {
        let before = context.previous::<i64>();
        Ok(Final { value: format!("{n} after {before:?}"), save: n })
    };
    let graph = kept(Graph::function("saves", body).unwrap());
    let run = async |n: i64, thread: &str| {
        graph.run(json!(n)).thread(thread).await.unwrap().returned::<String>().unwrap()
    };
    assert_eq!(run(1, "t").await, "1 after None");
    assert_eq!(run(2, "t").await, "2 after Some(1)");
    assert_eq!(run(3, "u").await, "3 after None");
}

#[tokio::test]
async fn a_call_that_fails_gives_its_error_to_its_caller_which_may_go_on() {
    let body = |text: String, context: Context| async move {
        let parsed = context.call("parse", move |_| {
            let text = text.clone();
            async move { text.parse::<i64>() }
        });
        Ok(parsed.await.unwrap_or(-1))
    };
    let graph = Graph::function("caught", body).unwrap();
    assert_eq!(graph.run(json!("7")).await.unwrap().returned::<i64>().unwrap(), 7);
    assert_eq!(graph.run(json!("seven")).await.unwrap().returned::<i64>().unwrap(), -1);
}
