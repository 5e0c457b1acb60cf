//! Effects on the world outside, and runs that are dropped in the middle of them: one key, once at most.

use super::zoo::{Shaky, now};
use crate::graph::ground::{Count, Log, LogUpdate, kept, poll_once, read, retryable, signs};
use genesis_mesh::graph::{
    CallOptions, Command, Context, Durability, Effect, Graph, GraphRunError, Interrupt, Keep, NodeError,
    NodeSettings, Outcome, START, TimeoutPolicy,
};
use genesis_mesh::state::Snapshot;
use genesis_mesh::task;
use genesis_mesh::testing::RecordedModel;
use genesis_mesh_core::{GenerateRequest, Message, Prompt, Role, ToolCall};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

type Asked = Result<LogUpdate, NodeError>;

/// What happened outside, by the keys that it was told.
#[derive(Debug, Clone, Default)]
struct World(Arc<Mutex<BTreeMap<String, Deeds>>>);

#[derive(Debug, Clone, Default)]
struct Deeds {
    call: String,
    begun: u32,
    done: u32,
}

impl World {
    /// Does a thing that takes a while, and may be stopped before, in and after the middle of it.
    async fn act(self, context: Context) -> Result<String, NodeError> {
        let key = context.idempotency_key();
        let call = context.name().to_owned();
        let change = |change: fn(&mut Deeds)| {
            let mut deeds = self.0.lock().unwrap();
            let deeds = deeds.entry(key.clone()).or_default();
            deeds.call.clone_from(&call);
            change(deeds);
        };
        change(|deeds| deeds.begun += 1);
        tokio::task::yield_now().await;
        change(|deeds| deeds.done += 1);
        tokio::task::yield_now().await;
        Ok(format!("{call}!"))
    }

    /// Keys, and how often the thing was begun and done, by the name of the call.
    fn of(&self, call: &str) -> (usize, u32, u32) {
        let deeds = self.0.lock().unwrap();
        let of_call = || deeds.values().filter(|deeds| deeds.call == call);
        (of_call().count(), of_call().map(|it| it.begun).sum(), of_call().map(|it| it.done).sum())
    }

    fn is_done(&self, key: &str) -> bool {
        self.0.lock().unwrap().get(key).is_some_and(|deeds| deeds.done > 0)
    }
}

fn acting(
    context: &Context,
    world: &World,
    name: &str,
    effect: Effect,
) -> impl Future<Output = Result<String, NodeError>> + Send + use<> {
    let world = world.clone();
    let options = CallOptions::default().effect(effect);
    context.call_with(name, options, move |context| world.clone().act(context))
}

const ONCE: [&str; 5] = ["first", "second", "within", "below", "handler"];

/// Calls beside each other, within another, in a subgraph, and in the handler of a failure.
fn graph(world: &World) -> Graph<Log> {
    let here = world.clone();
    let calls = move |_: Snapshot<Log>, context: Context| {
        let world = here.clone();
        async move {
            let once = |name| acting(&context, &world, name, Effect::AtMostOnce);
            let keyed = acting(&context, &world, "keyed", Effect::Idempotent);
            // `try_join!` would drop what is in the middle when another asks.
            let (first, keyed, second) = tokio::join!(once("first"), keyed, once("second"));
            let (first, keyed, second) = (first?, keyed?, second?);
            let inner = world.clone();
            let within = context.call("outer", move |context: Context| {
                acting(&context, &inner, "within", Effect::AtMostOnce)
            });
            let said: String = context.interrupt("and?")?;
            Asked::Ok(Log::update().log([first, keyed, second, within.await?, said]))
        }
    };
    let below = acts(world, "below");
    let child: Graph<Log> = Graph::builder("child")
        .node("pass", signs("pass"))
        .node("below", below)
        .sequence([START, "pass", "below"])
        .output(["word"])
        .build()
        .unwrap();
    let fails = async |_: Snapshot<Log>| -> Asked {
        tokio::task::yield_now().await;
        Err(NodeError::new("Wrong", "for good"))
    };
    Graph::builder("effects")
        .node("calls", calls)
        .node("fails", fails)
        .error_handler("fails", acts(world, "handler"))
        .subgraph("child", &child)
        .node("end", signs("end"))
        .edge(START, "calls")
        .edge(START, "fails")
        .edge(START, "child")
        .join(["calls", "child"], "end")
        .build()
        .unwrap()
}

fn acts(
    world: &World,
    name: &'static str,
) -> impl Fn(Snapshot<Log>, Context) -> genesis_mesh_core::BoxFuture<'static, Asked> + Clone + Send + Sync + 'static
{
    let world = world.clone();
    move |_, context| {
        let act = acting(&context, &world, name, Effect::AtMostOnce);
        Box::pin(async move { Ok(Log::update().log([act.await?])) })
    }
}

fn told<'a>(asked: &'a Interrupt, field: &str) -> Option<&'a str> {
    asked.value.get(field).and_then(Value::as_str)
}

/// How a person answers.
type Person = fn(&World, &Interrupt) -> Value;

/// Looks what happened.
fn honest(world: &World, asked: &Interrupt) -> Value {
    let (Some(key), Some(call)) = (told(asked, "idempotency_key"), told(asked, "call")) else {
        return json!("A");
    };
    assert_eq!(told(asked, "question"), Some("outcome_unknown"));
    match world.is_done(key) {
        true => json!({"outcome": "done", "value": format!("{call}!")}),
        false => json!({"outcome": "not_done"}),
    }
}

/// Wants nothing to happen again.
fn timid(_: &World, asked: &Interrupt) -> Value {
    match told(asked, "call") {
        Some(call) => json!({"outcome": "done", "value": format!("{call}!")}),
        None => json!("A"),
    }
}

/// Begins, answers or goes on; then the run is dropped after so many polls, as if its process had died.
async fn step(
    graph: &Graph<Log>,
    world: &World,
    person: Person,
    polls: usize,
) -> Result<Option<Outcome<Log>>, GraphRunError> {
    let state = graph.thread("t").state().await?;
    let open = state.interrupts();
    let request = if state.checkpoint.is_none() {
        graph.run(json!({"x": 0}))
    } else if open.is_empty() {
        graph.go_on()
    } else {
        graph.resume_each(open.into_iter().map(|asked| (asked.id.clone(), person(world, &asked))).collect())
    };
    let mut run = request.thread("t").into_future();
    for _ in 0..polls {
        if let Poll::Ready(ended) = poll_once(&mut run).await {
            return ended.map(Some);
        }
        tokio::task::yield_now().await;
    }
    Ok(None)
}

async fn settle(graph: &Graph<Log>, world: &World, person: Person) -> Result<String, GraphRunError> {
    for _ in 0..30 {
        if let Some(outcome) = step(graph, world, person, 100_000).await?
            && outcome.is_done()
        {
            let words: BTreeSet<_> = read(&outcome.state().unwrap()).split(' ').map(str::to_owned).collect();
            return Ok(words.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
    panic!("the thread does not come to its end: {:?}", graph.thread("t").state().await);
}

const WANTED: &str = "A end first! handler! keyed! second! within!";

async fn attack(person: Person, check: fn(&World, &str)) {
    let mut asked = 0;
    for durability in [Durability::Sync, Durability::Async] {
        for (first, second) in (0..70).flat_map(|first| [0, 9, 17, 26, 40].map(|second| (first, second))) {
            let world = World::default();
            let graph = graph(&world).with_store(Arc::new(Shaky::default())).with_durability(durability);
            let place = format!("{durability:?}, dropped after {first} and {second} polls");
            for polls in [first, second] {
                drop(step(&graph, &world, person, polls).await.unwrap_or_else(|e| panic!("{place}: {e}")));
            }
            let state = graph.thread("t").state().await.unwrap();
            asked += state.interrupts().iter().filter(|asked| asked.value.is_object()).count();
            let ended = settle(&graph, &world, person).await.unwrap_or_else(|e| panic!("{place}: {e}"));
            assert_eq!(ended, WANTED, "{place}");
            assert_eq!(world.of("keyed").0, 1, "{place}: {world:?}");
            check(&world, &place);
        }
    }
    assert!(asked > 0, "nobody was ever asked");
}

#[tokio::test]
async fn with_a_person_who_looks_each_effect_is_there_once_wherever_the_process_dies() {
    attack(honest, |world, place| {
        for call in ONCE {
            let (keys, _, done) = world.of(call);
            assert_eq!((keys, done), (1, 1), "{place}, {call}: {world:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_word_that_it_was_not_done_nothing_begins_twice_wherever_the_process_dies() {
    attack(timid, |world, place| {
        for call in ONCE {
            let (keys, begun, _) = world.of(call);
            assert!(keys <= 1 && begun <= 1, "{place}, {call}: {world:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_doubles_no_effect() {
    for durability in [Durability::Sync, Durability::Async] {
        for does_first in [false, true] {
            for fails_at in 1..80 {
                let world = World::default();
                let store = Shaky { left: fails_at.into(), does_first, ..Shaky::default() };
                let graph = graph(&world).with_store(Arc::new(store)).with_durability(durability);
                let place = format!("{durability:?} {does_first} {fails_at}");
                let mut ended = settle(&graph, &world, honest).await;
                for _ in 0..3 {
                    if ended.is_err() {
                        ended = settle(&graph, &world, honest).await;
                    }
                }
                assert_eq!(ended.unwrap_or_else(|e| panic!("{place}: {e}")), WANTED, "{place}");
                for call in ONCE {
                    assert_eq!(world.of(call).2, 1, "{place}, {call}: {world:?}");
                }
            }
        }
    }
}

/// A graph of one node with this code.
fn one<F, Fut>(code: F) -> Graph<Log>
where
    F: Fn(Context) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Asked> + Send + 'static,
{
    Graph::builder("one")
        .node_with(
            "one",
            move |_: Snapshot<Log>, context: Context| code(context),
            NodeSettings::new().retry(now(3)),
        )
        .sequence([START, "one"])
        .build()
        .unwrap()
}

/// A graph whose one call runs `code`, told how often it has run.
fn once<F, Fut>(count: &Count, options: CallOptions, code: F) -> Graph<Log>
where
    F: Fn(Context, u32) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<u32, NodeError>> + Send + 'static,
{
    let count = count.clone();
    one(move |context: Context| {
        let (count, code) = (count.clone(), code.clone());
        let options = options.clone().effect(Effect::AtMostOnce);
        let call = context.call_with("pay", options, move |context| code(context, count.one()));
        async move { Ok(Log::update().log([call.await?.to_string()])) }
    })
}

/// Does not come to an end the first time that it is run.
async fn hangs_once(runs: u32) -> Result<u32, NodeError> {
    if runs == 1 {
        std::future::pending::<()>().await;
    }
    Ok(runs)
}

fn question(outcome: &Outcome<Log>) -> Interrupt {
    let [asked] = outcome.interrupts() else { panic!("{outcome:?}") };
    asked.clone()
}

#[tokio::test]
async fn a_panic_and_a_timeout_are_unknown_and_asked_about_without_another_try() {
    let panics: fn(Context, u32) -> genesis_mesh_core::BoxFuture<'static, Result<u32, NodeError>> =
        |_, _| Box::pin(async { panic!("the line went dead") });
    let hangs: fn(Context, u32) -> genesis_mesh_core::BoxFuture<'static, Result<u32, NodeError>> =
        |_, _| Box::pin(std::future::pending());
    for (code, says) in [(panics, "the line went dead"), (hangs, "did not end within 20 ms")] {
        let count = Count::default();
        let timeout = TimeoutPolicy { run: Some(Duration::from_millis(20)), ..TimeoutPolicy::default() };
        let options = CallOptions { retry: vec![now(3).on(|_| true)], timeout, ..CallOptions::default() };
        let graph = kept(once(&count, options, code));
        let first = question(&graph.run(json!({})).thread("t").await.unwrap());
        assert_eq!((first.value["call"].as_str(), count.get()), (Some("pay"), 1));
        assert!(first.value["error"].as_str().is_some_and(|error| error.contains(says)), "{first:?}");
        // An answer that does not fit can be given again.
        let wrong = graph.resume(json!({"outcome": "done", "value": "much"})).thread("t").await;
        assert!(wrong.is_err() && count.get() == 1, "{wrong:?}");
        // Not done: it runs again, is stopped again, and asks again, with another question and the same key.
        let second = question(&graph.resume(json!({"outcome": "not_done"})).thread("t").await.unwrap());
        assert_eq!(count.get(), 2);
        assert_ne!(first.id, second.id);
        assert_eq!(first.value["idempotency_key"], second.value["idempotency_key"]);
        // The old answer again answers nothing, and so does none.
        let old = BTreeMap::from([(first.id.clone(), json!({"outcome": "not_done"}))]);
        assert_eq!(question(&graph.resume_each(old).thread("t").await.unwrap()).id, second.id);
        assert_eq!(question(&graph.go_on().thread("t").await.unwrap()).id, second.id);
        assert_eq!(count.get(), 2);
        let done = graph.resume(json!({"outcome": "done", "value": 7})).thread("t").await.unwrap();
        assert_eq!((read(&done.state().unwrap()).as_str(), count.get()), ("7", 2));
    }
}

#[tokio::test]
async fn an_error_that_the_call_returns_is_known_and_tried_again() {
    let count = Count::default();
    let options = CallOptions { retry: vec![now(3)], ..CallOptions::default() };
    let graph = kept(once(&count, options, |_, runs| async move {
        if runs < 3 { Err(retryable("busy")) } else { Ok(runs) }
    }));
    let done = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!(read(&done.state().unwrap()), "3");
    // Also by the node, after a call that may not be tried again.
    let count = Count::default();
    let graph = kept(once(&count, CallOptions::default(), |_, runs| async move {
        if runs < 2 { Err(retryable("busy")) } else { Ok(runs) }
    }));
    assert_eq!(read(&graph.run(json!({})).thread("t").await.unwrap().state().unwrap()), "2");
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_taken_for_what_came_of_a_call() {
    let paid = Count::default();
    let graph = {
        let paid = paid.clone();
        let asks = async |_: Snapshot<Log>, context: Context| -> Asked {
            let said: Value = context.interrupt("which?")?;
            Ok(Log::update().log([said["outcome"].as_str().unwrap_or_default()]))
        };
        let pays = move |_: Snapshot<Log>, context: Context| {
            let paid = paid.clone();
            let options = CallOptions::default().effect(Effect::AtMostOnce);
            let call = context.call_with("pay", options, move |_| hangs_once(paid.one()));
            async move { Asked::Ok(Log::update().log([call.await?.to_string()])) }
        };
        kept(
            Graph::builder("two")
                .node("pays", pays)
                .node("which", asks)
                .edge(START, "pays")
                .edge(START, "which")
                .build()
                .unwrap(),
        )
    };
    let mut run = graph.run(json!({})).thread("t").into_future();
    for _ in 0..10 {
        assert!(poll_once(&mut run).await.is_pending());
        tokio::task::yield_now().await;
    }
    drop(run);
    // One question is open, and its answer reads like one about the call, which has not asked yet.
    let outcome = graph.resume(json!({"outcome": "not_done"})).thread("t").await.unwrap();
    assert_eq!((question(&outcome).value["call"].as_str(), paid.get()), (Some("pay"), 1));
    let done = graph.resume(json!({"outcome": "done", "value": 5})).thread("t").await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), paid.get()), ("5 not_done", 1));
}

#[tokio::test]
async fn a_call_of_a_node_that_a_command_went_to_is_kept_with_the_command() {
    for durability in [Durability::Sync, Durability::Async] {
        let paid = Count::default();
        let graph = {
            let paid = paid.clone();
            let pays = move |_: Snapshot<Log>, context: Context| {
                let paid = paid.clone();
                let options = CallOptions::default().effect(Effect::AtMostOnce);
                let call = context.call_with("pay", options, move |_| hangs_once(paid.one()));
                async move { Asked::Ok(Log::update().log([call.await?.to_string()])) }
            };
            let goes = NodeSettings::new().ends(["pays"]);
            let builder =
                Graph::builder("command").node_with("first", signs("first"), goes).node("pays", pays);
            kept(builder.edge(START, "first").build().unwrap()).with_durability(durability)
        };
        assert!(graph.run(json!({})).thread("t").await.unwrap().is_done());
        let mut run = graph.command(Command::goto("pays")).thread("t").into_future();
        for _ in 0..10 {
            assert!(poll_once(&mut run).await.is_pending());
            tokio::task::yield_now().await;
        }
        drop(run);
        let outcome = graph.go_on().thread("t").await.unwrap();
        assert_eq!(
            (question(&outcome).value["call"].as_str(), paid.get()),
            (Some("pay"), 1),
            "{durability:?}"
        );
    }
}

#[tokio::test]
async fn without_a_thread_it_is_once_within_the_process() {
    let (paid, tried) = (Count::default(), Count::default());
    let graph = {
        let (paid, tried) = (paid.clone(), tried.clone());
        one(move |context: Context| {
            let (paid, tried) = (paid.clone(), tried.clone());
            let options = CallOptions::default().effect(Effect::AtMostOnce);
            let call = context.call_with("pay", options, move |_| {
                let paid = paid.clone();
                async move { Ok::<_, NodeError>(paid.one()) }
            });
            async move {
                let paid = call.await?;
                if tried.one() < 3 {
                    Err(retryable("later"))
                } else {
                    Ok(Log::update().log([paid.to_string()]))
                }
            }
        })
    };
    let done = graph.run(json!({})).await.unwrap();
    assert_eq!((read(&done.state().unwrap()).as_str(), paid.get(), tried.get()), ("1", 1, 3));
}

#[track_caller]
fn assert_fails(ended: Result<Outcome<Log>, GraphRunError>, kind: &str) {
    match ended {
        Err(GraphRunError::NodeFailed { failure, .. }) => assert_eq!(failure.error, kind, "{failure}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_the_promise_can_not_be_held_the_call_is_refused() {
    let world = World::default();
    let late = kept(graph(&world)).with_durability(Durability::Exit);
    assert_fails(late.run(json!({})).thread("t").await, "IntentNotKept");
    for effect in [Effect::Idempotent, Effect::AtMostOnce] {
        let here = world.clone();
        let code = move |context: Context| {
            let act = acting(&context, &here, "act", effect);
            async move { Ok(Log::update().log([act.await?])) }
        };
        let child = one(code);
        let outer = |keep| {
            let builder = Graph::builder("outer").subgraph_with("child", &child, keep, NodeSettings::new());
            builder.sequence([START, "child"]).build().unwrap()
        };
        assert_fails(kept(outer(Keep::Nothing)).run(json!({})).thread("t").await, "IntentNotKept");
        assert_fails(outer(Keep::Inherit).run(json!({})).await, "IntentNotKept");
        assert!(kept(outer(Keep::Inherit)).run(json!({})).thread("t").await.unwrap().is_done());
    }
    let count = Count::default();
    let asks = once(&count, CallOptions::default(), |context, _| async move { context.interrupt("sure?") });
    assert_fails(kept(asks).run(json!({})).thread("t").await, "QuestionInOnce");
}

#[task(effect = "at_most_once", timeout = Duration::from_millis(10))]
async fn pay(count: Count) -> Result<u32, NodeError> {
    count.one();
    std::future::pending().await
}

#[task(effect = "idempotent")]
async fn send(context: Context) -> Result<String, NodeError> {
    Ok(context.idempotency_key())
}

#[tokio::test]
async fn a_task_says_its_effect_in_its_attribute() {
    let count = Count::default();
    let graph = {
        let count = count.clone();
        kept(one(move |context: Context| {
            let (sent, paid) = (send(&context), pay(&context, count.clone()));
            async move { Ok(Log::update().log([sent.await?, paid.await?.to_string()])) }
        }))
    };
    assert_eq!(question(&graph.run(json!({})).thread("t").await.unwrap()).value["call"], "pay");
    let done = graph.resume(json!({"outcome": "done", "value": 3})).thread("t").await.unwrap();
    assert!(read(&done.state().unwrap()).ends_with(" 3"));
    assert_eq!(count.get(), 1);
}

#[tokio::test]
async fn a_call_of_a_tool_that_a_stop_left_open_is_answered_before_a_model_reads_of_it() {
    let model = RecordedModel::script("[[rule]]\ntext = 'I see.'").unwrap();
    let graph = {
        let model = model.clone();
        one(move |context: Context| {
            let model = model.clone();
            async move {
                let call =
                    ToolCall { id: "c".to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() };
                let called = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
                let messages = vec![called, Message::new(Role::User, "and?")];
                let prompt = Prompt::Messages(messages);
                let request = GenerateRequest { prompt, ..GenerateRequest::default() };
                let answer = context.generate(&model, request).await?;
                Ok(Log::update().log([answer.message.content]))
            }
        })
    };
    let done = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&done.state().unwrap()), "I see.");
    let requests = model.requests();
    let [GenerateRequest { prompt: Prompt::Messages(messages), .. }] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let [_, answer, _] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((answer.role, answer.tool_call_id.as_deref()), (Role::Tool, Some("c")));
    assert_eq!(answer.content, r#"{"error":"interrupted"}"#);
}
