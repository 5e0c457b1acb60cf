//! Streams: what each mode tells, in which order, and what a dropped stream stops.

use super::ground::{Count, Log, LogUpdate, data, kept, parts, poll_once, signs};
use genesis_mesh::graph::{Context, Graph, NodeError, START, Send, Sent, StreamMode, StreamPart};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenerateRequest, Message, Prompt, Role, ScriptedModel, State};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Clone, Default, State)]
struct Chat {
    #[reduce(messages)]
    messages: Vec<Message>,
}

/// A graph of one node that asks a scripted model.
fn talks(script: &str) -> Graph<Chat> {
    let model = Arc::new(ScriptedModel::from_toml(script).unwrap());
    let node = move |chat: Snapshot<Chat>, context: Context| {
        let (model, prompt) = (Arc::clone(&model), Prompt::Messages(chat.messages.clone()));
        async move {
            let request = GenerateRequest { prompt, ..GenerateRequest::default() };
            let answer = context.generate(&*model, request).await?;
            Ok::<_, NodeError>(Chat::update().messages([answer.message]))
        }
    };
    Graph::builder("talks").node("model", node).entry("model").build().unwrap()
}

fn question() -> ChatUpdate {
    Chat::update().messages([Message::new(Role::User, "What is the capital of France?")])
}

/// Text and node of each piece of a message.
fn pieces(told: &[StreamPart]) -> Vec<(&str, &str)> {
    fn text<'a>(part: &'a StreamPart, place: &str) -> &'a str {
        part.data.pointer(place).and_then(Value::as_str).unwrap()
    }
    told.iter()
        .filter(|part| part.mode == StreamMode::Messages)
        .map(|part| (text(part, "/0/content"), text(part, "/1/langgraph_node")))
        .filter(|(text, _)| !text.is_empty())
        .collect()
}

#[tokio::test]
async fn each_mode_tells_its_view_of_the_same_run() {
    let writes = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        context.write(json!({"progress": 0.5})).await?;
        Ok(Log::update().x(1).log(["a"]))
    };
    let graph: Graph<Log> = Graph::builder("modes").node("a", writes).entry("a").build().unwrap();
    let run = |mode| data(graph.run(json!({"word": "w"})).stream([mode]));
    assert_eq!(
        run(StreamMode::Values).await,
        [json!({"word": "w", "log": []}), json!({"x": 1, "word": "w", "log": ["a"]})]
    );
    assert_eq!(run(StreamMode::Updates).await, [json!({"a": {"x": 1, "log": ["a"]}})]);
    assert_eq!(run(StreamMode::Custom).await, [json!({"progress": 0.5})]);
    let tasks = run(StreamMode::Tasks).await;
    assert_eq!((&tasks[0]["name"], &tasks[0]["input"]["word"]), (&json!("a"), &json!("w")));
    assert_eq!((&tasks[1]["id"], &tasks[1]["result"]), (&tasks[0]["id"], &json!({"x": 1, "log": ["a"]})));
    let types = run(StreamMode::Events).await;
    let types: Vec<&Value> = types.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["state_changed", "task_started", "custom", "task_ended", "state_changed"]);
    assert!(run(StreamMode::Checkpoints).await.is_empty(), "nothing is kept without a thread");
    let kept = kept(graph);
    let checkpoints = data(kept.run(json!({})).thread("t").stream([StreamMode::Checkpoints])).await;
    let steps: Vec<&Value> = checkpoints.iter().map(|told| &told["metadata"]["step"]).collect();
    assert_eq!(steps, [-1, 0, 1]);
}

#[tokio::test]
async fn a_models_answer_is_told_piece_by_piece_while_it_is_made_and_is_one_message_at_the_end() {
    let graph = talks("[[rule]]\ntext = \"It is Paris.\"");
    let mut stream = graph.run(question()).stream([StreamMode::Messages, StreamMode::Values]);
    let mut told = Vec::new();
    while let Some(part) = stream.next().await {
        told.push(part.unwrap());
    }
    assert_eq!(pieces(&told), [("It", "model"), (" is", "model"), (" Paris.", "model")]);
    let ids: Vec<&Value> = told
        .iter()
        .filter(|part| part.mode == StreamMode::Messages)
        .map(|part| &part.data[0]["id"])
        .collect();
    let chat = stream.outcome().unwrap().state().unwrap();
    let answer = chat.messages.last().unwrap();
    assert_eq!((answer.role, answer.content.as_str()), (Role::Assistant, "It is Paris."));
    assert!(ids.iter().all(|id| **id == json!(answer.id)), "pieces and message have one id: {ids:?}");
    let last = told.iter().rev().find(|part| part.mode == StreamMode::Messages).unwrap();
    assert_eq!(last.data[0]["response_metadata"]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_models_tool_call_is_told_and_part_of_the_message() {
    let script = "[[rule]]\ntool_calls = [{ name = \"add\", arguments = { a = 2 } }]";
    let mut stream = talks(script).run(question()).stream([StreamMode::Messages]);
    let mut pieces = Vec::new();
    while let Some(part) = stream.next().await {
        pieces.extend(part.unwrap().data[0].get("tool_call_chunks").and_then(|calls| calls.get(0)).cloned());
    }
    assert_eq!((&pieces[0]["name"], &pieces[0]["index"]), (&json!("add"), &json!(0)));
    let arguments: String = pieces.iter().map(|piece| piece["args"].as_str().unwrap()).collect();
    assert_eq!(arguments, r#"{"a":2}"#);
    let chat = stream.outcome().unwrap().state().unwrap();
    assert_eq!(chat.messages.last().unwrap().tool_calls[0].arguments, r#"{"a":2}"#);
}

#[tokio::test]
async fn what_a_subgraph_tells_is_told_with_its_namespace_to_those_who_want_it() {
    let graph: Graph<Chat> = Graph::builder("outer")
        .subgraph("inner", &talks("[[rule]]\ntext = \"It is Paris.\""))
        .entry("inner")
        .build()
        .unwrap();
    let modes = [StreamMode::Messages, StreamMode::Updates];
    let without = parts(graph.run(question()).stream(modes)).await;
    assert!(without.iter().all(|part| part.ns.is_root()));
    let told = parts(graph.run(question()).stream_with_subgraphs(modes)).await;
    assert_eq!(pieces(&told).len(), 3);
    let first = told.iter().find(|part| part.mode == StreamMode::Messages).unwrap();
    assert!(first.ns.as_str().starts_with("inner:"), "{}", first.ns);
    let updates: Vec<_> = told.iter().filter(|part| part.mode == StreamMode::Updates).collect();
    assert_eq!(updates.len(), 2);
    assert!(updates[0].data.get("model").is_some() && !updates[0].ns.is_root());
    assert!(updates[1].data.get("inner").is_some() && updates[1].ns.is_root());
}

#[tokio::test]
async fn tasks_of_a_step_are_told_as_they_end() {
    let work = async |turns: Sent<u32>| {
        for _ in 0..*turns {
            tokio::task::yield_now().await;
        }
        Log::update().log([turns.to_string()])
    };
    let graph: Graph<Log> = Graph::builder("ends")
        .node("work", work)
        .branch_to(START, |_: &Log| [9_u32, 0, 4].map(|turns| Send::to("work", turns)).to_vec(), ["work"])
        .build()
        .unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Updates]);
    let mut told = Vec::new();
    while let Some(part) = stream.next().await {
        told.push(part.unwrap().data["work"]["log"][0].as_str().unwrap().to_owned());
    }
    assert_eq!(told, ["0", "4", "9"]);
    assert_eq!(stream.outcome().unwrap().state().unwrap().log, ["9", "0", "4"]);
}

#[tokio::test]
async fn a_stream_that_is_dropped_stops_all_nodes_of_its_run() {
    let (started, stopped) = (Count::default(), Count::default());
    let waits = {
        let (started, stopped) = (started.clone(), stopped.clone());
        move |_: Snapshot<Log>| {
            started.one();
            let guard = stopped.guard();
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        }
    };
    let child: Graph<Log> =
        Graph::builder("child").node("waits", waits.clone()).entry("waits").build().unwrap();
    let graph: Graph<Log> = Graph::builder("dropped")
        .node("first", signs("first"))
        .node("waits", waits)
        .subgraph("child", &child)
        .sequence([START, "first", "waits"])
        .edge("first", "child")
        .build()
        .unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Updates]);
    assert!(stream.next().await.unwrap().is_ok());
    while started.get() < 2 {
        assert!(poll_once(&mut Box::pin(stream.next())).await.is_pending());
        tokio::task::yield_now().await;
    }
    drop(stream);
    while stopped.get() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!((started.get(), stopped.get()), (2, 2));
}

#[tokio::test]
async fn a_slow_reader_makes_the_run_wait_and_loses_nothing() {
    let node = async |_: Snapshot<Log>, context: Context| -> Result<(), NodeError> {
        for n in 0..1000 {
            context.write(n).await?;
        }
        Ok(())
    };
    let graph: Graph<Log> = Graph::builder("slow").node("a", node).entry("a").build().unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Custom]);
    let mut told = Vec::new();
    while let Some(part) = stream.next().await {
        told.push(part.unwrap().data.as_i64().unwrap());
        tokio::task::yield_now().await;
    }
    assert_eq!(told, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_run_that_fails_tells_what_came_before_and_then_its_error_once() {
    let graph: Graph<Log> = Graph::builder("fails")
        .node("a", signs("a"))
        .node("b", async |_: Snapshot<Log>| Err::<(), _>(NodeError::new("Wrong", "for good")))
        .sequence([START, "a", "b"])
        .build()
        .unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Updates]);
    assert_eq!(stream.next().await.unwrap().unwrap().data, json!({"a": {"log": ["a"]}}));
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), "node_failed");
    assert!(stream.next().await.is_none());
    assert!(stream.outcome().is_none());
}
