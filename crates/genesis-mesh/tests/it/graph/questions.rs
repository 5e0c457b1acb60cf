//! Questions: interrupts, their answers, and breakpoints.

use super::ground::{Count, Log, LogUpdate, data, kept, read, signs};
use genesis_mesh::graph::{Command, Context, Graph, GraphRunError, NodeError, START, StreamMode};
use genesis_mesh::state::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Asked = Result<LogUpdate, NodeError>;

/// A node that asks once, and counts how often it runs.
fn asks(
    name: &'static str,
    count: &Count,
) -> impl Fn(Snapshot<Log>, Context) -> std::future::Ready<Asked> + Send + Sync + 'static {
    let count = count.clone();
    move |_, context| {
        count.one();
        let answer = context.interrupt::<String>(json!({"ask": name}));
        std::future::ready(answer.map(|answer| Log::update().log([format!("{name}={answer}")])))
    }
}

fn parallel(counts: &[Count; 3]) -> Graph<Log> {
    let free = counts[2].clone();
    let free = move |_: Snapshot<Log>| {
        free.one();
        std::future::ready(Log::update().log(["free"]))
    };
    let graph: Graph<Log> = Graph::builder("parallel")
        .node("a", asks("a", &counts[0]))
        .node("b", asks("b", &counts[1]))
        .node("free", free)
        .node("end", signs("end"))
        .edge(START, "a")
        .edge(START, "b")
        .edge(START, "free")
        .join(["a", "b", "free"], "end")
        .build()
        .unwrap();
    kept(graph)
}

fn questions<S>(outcome: &genesis_mesh::graph::Outcome<S>) -> Vec<&str> {
    outcome.interrupts().iter().map(|asked| asked.value.get("ask").and_then(Value::as_str).unwrap()).collect()
}

#[tokio::test]
async fn a_node_stops_at_its_question_and_runs_again_from_its_beginning_with_the_answer() {
    let count = Count::default();
    let graph: Graph<Log> = Graph::builder("one").node("a", asks("a", &count)).entry("a").build().unwrap();
    let graph = kept(graph);
    let asked = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!((questions(&asked), asked.is_done()), (vec!["a"], false));
    assert_eq!(read(&asked.state().unwrap()), "");
    let outcome = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "a=yes");
    assert_eq!((outcome.is_done(), outcome.interrupts().len(), count.get()), (true, 0, 2));
}

#[tokio::test]
async fn several_questions_of_a_node_are_answered_in_the_order_in_which_it_asks() {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let first: String = context.interrupt("first?")?;
        let second: u32 = context.interrupt(format!("after {first}?"))?;
        Ok(Log::update().log([format!("{first} {second}")]))
    };
    let graph: Graph<Log> = Graph::builder("two").node("a", node).entry("a").build().unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let asked = graph.resume("one").thread("t").await.unwrap();
    assert_eq!(asked.interrupts()[0].value, json!("after one?"));
    let outcome = graph.resume(2).thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "one 2");
}

#[tokio::test]
async fn tasks_beside_a_question_end_and_are_not_run_again_and_answers_come_by_id() {
    let counts = <[Count; 3]>::default();
    let graph = parallel(&counts);
    let asked = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!(questions(&asked), ["a", "b"]);
    assert_eq!(asked.values().unwrap()["log"], json!(["free"]), "what ended is seen while the others wait");

    let error = graph.resume("both?").thread("t").await.unwrap_err();
    let GraphRunError::AmbiguousAnswer { pending } = &error else { panic!("{error:?}") };
    assert_eq!(pending.len(), 2);

    let b = asked.interrupts()[1].id.clone();
    let answers = BTreeMap::from([(b, json!("B"))]);
    let asked = graph.resume_each(answers).thread("t").await.unwrap();
    assert_eq!(questions(&asked), ["a"]);
    let outcome = graph.resume("A").thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "a=A b=B free end");
    assert_eq!(counts.each_ref().map(Count::get), [3, 2, 1]);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_refused_and_the_question_stays_open() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Verdict {
        ok: bool,
    }
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let verdict: Verdict = context.interrupt_typed("ok?")?;
        Ok(Log::update().log([verdict.ok.to_string()]))
    };
    let graph: Graph<Log> = Graph::builder("typed").node("a", node).entry("a").build().unwrap();
    let graph = kept(graph);
    let asked = graph.run(json!({})).thread("t").await.unwrap();
    let schema = asked.interrupts()[0].response_schema.clone().unwrap();
    assert_eq!(schema["properties"]["ok"]["type"], "boolean");
    for wrong in [json!("yes"), json!({"ok": "yes"}), json!(null)] {
        let error = graph.resume(wrong).thread("t").await.unwrap_err();
        let GraphRunError::NodeFailed { failure, .. } = &error else { panic!("{error:?}") };
        assert_eq!(failure.error, "InvalidAnswer");
        let open = graph.thread("t").state().await.unwrap();
        assert_eq!(open.interrupts().len(), 1, "{open:?}");
    }
    let outcome = graph.resume(json!({"ok": true})).thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "true");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_can_be_read_in_another_way() {
    let node = async |_: Snapshot<Log>, context: Context| -> Asked {
        let word = match context.interrupt::<u32>("how many?") {
            Ok(number) => format!("number {number}"),
            Err(_) => format!("word {}", context.interrupt::<String>("how many?")?),
        };
        Ok(Log::update().log([word]))
    };
    let graph: Graph<Log> = Graph::builder("lenient").node("a", node).entry("a").build().unwrap();
    let graph = kept(graph);
    for (answer, wanted) in [(json!(3), "number 3"), (json!("three"), "word three")] {
        let thread = answer.to_string();
        graph.run(json!({})).thread(&thread).await.unwrap();
        let outcome = graph.resume(answer).thread(&thread).await.unwrap();
        assert_eq!(read(&outcome.state().unwrap()), wanted);
    }
}

#[tokio::test]
async fn an_answer_needs_a_thread_and_going_on_needs_a_run_before() {
    let graph: Graph<Log> =
        Graph::builder("none").node("a", asks("a", &Count::default())).entry("a").build().unwrap();
    assert_eq!(graph.resume("yes").await.unwrap_err().code(), "no_thread");
    assert_eq!(graph.run(json!({})).thread("t").await.unwrap_err().code(), "no_thread");
    let graph = kept(graph);
    assert_eq!(graph.resume("yes").thread("new").await.unwrap_err().code(), "empty_input");
    assert_eq!(graph.go_on().thread("new").await.unwrap_err().code(), "empty_input");
}

#[tokio::test]
async fn a_new_input_leaves_open_questions_behind() {
    let count = Count::default();
    let graph: Graph<Log> = Graph::builder("new").node("a", asks("a", &count)).entry("a").build().unwrap();
    let graph = kept(graph);
    let first = graph.run(json!({})).thread("t").await.unwrap();
    let second = graph.run(json!({"x": 1})).thread("t").await.unwrap();
    assert_ne!(first.interrupts()[0].id, second.interrupts()[0].id);
    let outcome = graph.resume("yes").thread("t").await.unwrap();
    assert_eq!((read(&outcome.state().unwrap()).as_str(), outcome.state().unwrap().x), ("a=yes", 1));
}

#[tokio::test]
async fn a_run_stops_before_and_after_the_nodes_that_it_is_told_and_then_goes_on() {
    let graph: Graph<Log> = Graph::builder("breaks")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .node("c", signs("c"))
        .sequence([START, "a", "b", "c"])
        .interrupt_before(["b"])
        .build()
        .unwrap();
    let graph = kept(graph);
    let stopped = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!((read(&stopped.state().unwrap()).as_str(), stopped.is_done()), ("a", false));
    assert!(stopped.interrupts().is_empty());
    let done = graph.go_on().thread("t").await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), done.is_done()), ("a b c", true));

    let each = graph.run(json!({})).thread("u").interrupt_after(["*"]).interrupt_before(["c"]).await.unwrap();
    assert_eq!(read(&each.state().unwrap()), "a");
    let told = data(graph.go_on().thread("u").interrupt_after(["*"]).stream([StreamMode::Updates])).await;
    assert_eq!(told, [json!({"b": {"log": ["b"]}}), json!({"__interrupt__": []})]);
    let unknown = graph.run(json!({})).interrupt_before(["d"]).await.unwrap_err();
    assert_eq!(unknown.code(), "invalid_input");
}

#[tokio::test]
async fn a_caller_can_write_and_go_elsewhere_when_it_answers() {
    let count = Count::default();
    let node = asks("a", &count);
    let graph: Graph<Log> = Graph::builder("command")
        .node("a", node)
        .node("other", signs("other"))
        .edge(START, "a")
        .branch_to(START, |_: &Log| Vec::<&str>::new(), ["other"])
        .build()
        .unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    let command = Command::update(Log::update().word("told")).and_goto("other");
    let outcome = graph.resume("yes").and_command(command).thread("t").await.unwrap();
    let log = outcome.state().unwrap();
    assert_eq!((log.word.as_str(), read(&log).as_str()), ("told", "a=yes other"));
}

#[tokio::test]
async fn streams_tell_a_question_where_it_is_asked() {
    let graph: Graph<Log> =
        Graph::builder("told").node("a", asks("a", &Count::default())).entry("a").build().unwrap();
    let modes = [StreamMode::Updates, StreamMode::Values];
    let told = data(kept(graph).run(json!({"x": 1})).thread("t").stream(modes)).await;
    let asked: Vec<&Value> = told.iter().filter_map(|part| part.get("__interrupt__")).collect();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked[0]["value"] == json!({"ask": "a"})), "{told:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_refused_and_the_question_stays_open() {
    let graph: Graph<Log> =
        Graph::builder("odd").node("a", asks("a", &Count::default())).entry("a").build().unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap();
    // JSON has text alone as keys.
    let refused = graph.resume(BTreeMap::from([(vec![1], "x")])).thread("t").await.unwrap_err();
    assert_eq!(refused.code(), "invalid_input");
    assert_eq!(graph.thread("t").state().await.unwrap().interrupts().len(), 1);
}
