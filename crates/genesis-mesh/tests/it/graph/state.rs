//! State: reducers, parts, conflicts, and values that live one step.

use super::ground::{Log, LogUpdate, kept, signs};
use genesis_mesh::graph::{Graph, START};
use genesis_mesh::state::{MessageChange, Snapshot};
use genesis_mesh::{Message, Part, Role, State};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, State)]
struct Blog {
    title: String,
    #[reduce(append)]
    log: Vec<String>,
    #[reduce(add)]
    words: u32,
    #[reduce(merge)]
    counts: BTreeMap<String, u32>,
    #[reduce(messages)]
    chat: Vec<Message>,
    #[reduce(u32::max)]
    best: u32,
    #[channel(ephemeral)]
    hint: Option<String>,
    #[channel(topic)]
    news: Vec<String>,
    #[channel(untracked)]
    handle: Option<u32>,
}

#[derive(Part)]
#[part(of = Blog)]
struct Titled {
    title: String,
    words: u32,
}

#[tokio::test]
async fn writes_of_parallel_tasks_are_folded_in_the_order_of_their_names_whoever_ends_first() {
    let slow = async |_: Snapshot<Log>| {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        Log::update().log(["a"])
    };
    let graph: Graph<Log> = Graph::builder("fold")
        .node("c", signs("c"))
        .node("b", signs("b"))
        .node("a", slow)
        .edge(START, "c")
        .edge(START, "b")
        .edge(START, "a")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(outcome.state().unwrap().log, ["a", "b", "c"]);
}

#[tokio::test]
async fn each_reducer_folds_what_nodes_and_inputs_write() {
    let first = async |_: Snapshot<Blog>| {
        let said = Message { id: Some("1".into()), ..Message::new(Role::User, "hello") };
        Blog::update().log(["first"]).words(2).counts([("a".to_owned(), 1)]).chat([said]).best(7)
    };
    let second = async |_: Snapshot<Blog>| {
        let corrected = Message { id: Some("1".into()), ..Message::new(Role::User, "good day") };
        let changes = [corrected.into(), MessageChange::from(Message::new(Role::Assistant, "hi"))];
        Blog::update().log(["second"]).words(3).counts([("a".to_owned(), 2)]).chat(changes).best(5)
    };
    let graph: Graph<Blog> = Graph::builder("blog")
        .node("first", first)
        .node("second", second)
        .sequence([START, "first", "second"])
        .build()
        .unwrap();
    let outcome = graph.run(Blog::update().log(["input"]).words(1)).await.unwrap();
    let blog = outcome.state().unwrap();
    assert_eq!(blog.log, ["input", "first", "second"]);
    assert_eq!((blog.words, blog.counts["a"], blog.best), (6, 2, 7));
    let said: Vec<_> = blog.chat.iter().map(|said| said.content.as_str()).collect();
    assert_eq!(said, ["good day", "hi"]);
    assert!(blog.chat.iter().all(|said| said.id.is_some()), "messages without an id get one");
}

#[tokio::test]
async fn two_writes_of_one_step_to_a_channel_that_keeps_the_last_are_an_error_that_names_both_nodes() {
    let one = async |_: Snapshot<Log>| Log::update().x(1);
    let graph: Graph<Log> = Graph::builder("conflict")
        .node("left", one)
        .node("right", one)
        .edge(START, "left")
        .edge(START, "right")
        .build()
        .unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    assert_eq!(error.code(), "invalid_update");
    let text = error.to_string();
    assert!(text.contains("`x`") && text.contains("left") && text.contains("right"), "{text}");
}

#[tokio::test]
async fn an_overwrite_goes_past_the_reducer_and_of_two_in_a_step_one_too_many_is_told() {
    let cut = async |_: Snapshot<Log>| Log::update().overwrite_log(vec!["cut".to_owned()]);
    let graph =
        |name: &str| Graph::<Log>::builder(name).node("cut", cut).node("also", cut).edge(START, "cut");
    let outcome =
        graph("one").edge("cut", "also").build().unwrap().run(json!({"log": ["a", "b"]})).await.unwrap();
    assert_eq!(outcome.state().unwrap().log, ["cut"]);
    let twice = graph("two").edge(START, "also").build().unwrap();
    assert_eq!(twice.run(json!({})).await.unwrap_err().code(), "invalid_update");
}

#[tokio::test]
async fn a_node_takes_the_state_a_copy_of_it_or_a_part() {
    let graph: Graph<Blog> = Graph::builder("inputs")
        .node("shared", async |blog: Snapshot<Blog>| Blog::update().log([format!("shared {}", blog.title)]))
        .node("copied", async |blog: Blog| Blog::update().log([format!("copied {}", blog.title)]))
        .node("part", async |part: Titled| {
            Blog::update().log([format!("part {} {}", part.title, part.words)])
        })
        .sequence([START, "shared", "copied", "part"])
        .build()
        .unwrap();
    let outcome = graph.run(json!({"title": "Rust", "words": 4})).await.unwrap();
    assert_eq!(outcome.state().unwrap().log, ["shared Rust", "copied Rust", "part Rust 4"]);
}

#[tokio::test]
async fn ephemeral_values_and_topics_are_gone_after_one_step_and_untracked_ones_are_never_kept() {
    let write =
        async |_: Snapshot<Blog>| Blog::update().hint(Some("now".into())).news(["a", "b"]).handle(Some(7));
    let see = async |blog: Snapshot<Blog>| {
        Blog::update().log([format!("{:?} {} {:?}", blog.hint, blog.news.join("+"), blog.handle)])
    };
    let graph: Graph<Blog> = Graph::builder("short")
        .node("write", write)
        .node("next", see)
        .node("later", see)
        .sequence([START, "write", "next", "later"])
        .build()
        .unwrap();
    let graph = kept(graph);
    let outcome = graph.run(json!({})).thread("t").await.unwrap();
    assert_eq!(outcome.state().unwrap().log, [r#"Some("now") a+b Some(7)"#, "None  Some(7)"]);
    let kept = graph.thread("t").state().await.unwrap();
    assert_eq!(kept.view.values.get("handle"), None);
    assert_eq!(kept.view.values["log"][0], json!(r#"Some("now") a+b Some(7)"#));
}

#[tokio::test]
async fn a_branch_sees_a_value_that_lives_one_step_only_if_its_node_wrote_it() {
    let write = async |_: Snapshot<Blog>| Blog::update().hint(Some("left".into()));
    let sign = |name: &'static str| move |_: Snapshot<Blog>| std::future::ready(Blog::update().log([name]));
    let route = |blog: &Blog| if blog.hint.is_some() { "left" } else { "right" };
    let graph: Graph<Blog> = Graph::builder("hints")
        .node("write", write)
        .node("quiet", sign("quiet"))
        .node("left", sign("left"))
        .node("right", sign("right"))
        .edge(START, "write")
        .edge("write", "quiet")
        .branch_to("write", route, ["left", "right"])
        .branch_to("quiet", route, ["left", "right"])
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(outcome.state().unwrap().log, ["left", "quiet", "right"]);
}

#[tokio::test]
async fn a_node_that_returns_nothing_an_option_or_several_updates_writes_just_that() {
    let several = async |_: Snapshot<Log>| vec![Log::update().log(["a"]), Log::update().log(["b"])];
    let nothing = async |_: Snapshot<Log>| None::<LogUpdate>;
    let graph: Graph<Log> = Graph::builder("returns")
        .node("several", several)
        .node("unit", async |_: Snapshot<Log>| ())
        .node("nothing", nothing)
        .sequence([START, "several", "unit", "nothing"])
        .build()
        .unwrap();
    assert_eq!(graph.run(json!({})).await.unwrap().state().unwrap().log, ["a", "b"]);
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_with_all_that_does_not() {
    let graph: Graph<Log> = Graph::builder("strict").node("a", signs("a")).entry("a").build().unwrap();
    let error = graph.run(json!({"x": "one", "log": 3})).await.unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    let text = error.to_string();
    assert!(text.contains("`x`") && text.contains("`log`"), "{text}");
    assert_eq!(graph.run(json!([1])).await.unwrap_err().code(), "invalid_input");
}

#[tokio::test]
async fn inputs_and_outputs_can_be_narrowed_to_some_channels() {
    let graph: Graph<Log> = Graph::builder("narrow")
        .node("a", async |state: Snapshot<Log>| Log::update().log([format!("x is {}", state.x)]))
        .entry("a")
        .input(["x"])
        .output(["log"])
        .build()
        .unwrap();
    let outcome = graph.run(json!({"x": 2, "word": "refused", "log": ["refused"]})).await.unwrap();
    assert_eq!(outcome.values().unwrap(), json!({"log": ["x is 2"]}));
    assert_eq!(outcome.state().unwrap().word, "");
    let keys = |schema: serde_json::Value| {
        schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(graph.input_schema()), ["x"]);
    assert_eq!(keys(graph.output_schema()), ["log"]);
}
