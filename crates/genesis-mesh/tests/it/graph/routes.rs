//! Routes: branches, sends, commands, joins, deferred nodes, and the bound on steps.

use super::ground::{Count, Log, LogUpdate, read, signs};
use genesis_mesh::graph::{
    Command, Context, END, Fallible, Goto, Graph, NodeError, NodeSettings, START, Send, Sent,
};
use genesis_mesh::state::Snapshot;
use serde_json::json;

#[tokio::test]
async fn a_branch_sees_what_its_own_node_wrote_and_nothing_of_the_nodes_beside_it() {
    let writes = async |_: Snapshot<Log>| Log::update().x(5).log(["own"]);
    let graph: Graph<Log> = Graph::builder("fresh")
        .node("own", writes)
        .node("beside", signs("beside"))
        .node("seen", signs("seen"))
        .node("blind", signs("blind"))
        .edge(START, "own")
        .edge(START, "beside")
        .branch_to(
            "own",
            |log| if log.x == 5 && read(log) == "own" { "seen" } else { "blind" },
            ["seen", "blind"],
        )
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "beside own seen");
}

#[tokio::test]
async fn sends_run_beside_each_other_in_the_order_of_their_sending_also_several_to_one_node() {
    let work = async |sent: Sent<u32>| Log::update().log([format!("{}", *sent)]);
    let sends = |_: &Log| [3_u32, 1, 1, 2].map(|n| Send::to("work", n)).to_vec();
    let graph: Graph<Log> = Graph::builder("sends")
        .node("plan", signs("plan"))
        .node("work", work)
        .node("end", signs("end"))
        .edge(START, "plan")
        .branch_to("plan", sends, ["work"])
        .edge("work", "end")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "plan 3 1 1 2 end");
}

#[tokio::test]
async fn a_send_gives_a_node_of_the_state_a_state_of_its_own() {
    let node = async |log: Snapshot<Log>| Log::update().log([format!("{}{}", log.word, log.x)]);
    let sends = |_: &Log| {
        vec![
            Send::to("node", Log { word: "typed".into(), x: 1, ..Log::default() }),
            Send::to("node", json!({"word": "json", "x": 2})),
        ]
    };
    let graph: Graph<Log> =
        Graph::builder("private").node("node", node).branch_to(START, sends, ["node"]).build().unwrap();
    let outcome = graph.run(json!({"word": "shared", "x": 9})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "typed1 json2");
}

#[tokio::test]
async fn what_was_sent_and_does_not_fit_fails_the_task() {
    let graph: Graph<Log> = Graph::builder("misfit")
        .node("work", async |_: Sent<u32>| ())
        .branch_to(START, |_: &Log| Send::to("work", "no number"), ["work"])
        .build()
        .unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    assert_eq!(error.code(), "node_failed");
    assert!(error.to_string().contains("`work`"), "{error}");
}

#[tokio::test]
async fn a_command_writes_and_goes_beside_the_edges_of_its_node() {
    let node = async |_: Snapshot<Log>| {
        let more = Goto::from(Send::to("sent", 7_u32));
        Command::update(Log::update().log(["node"])).and_goto(["there"]).and_goto([more])
    };
    let graph: Graph<Log> = Graph::builder("command")
        .node_with("node", node, NodeSettings::new().ends(["there", "sent"]))
        .node("edge", signs("edge"))
        .node("there", signs("there"))
        .node("sent", async |n: Sent<u32>| Log::update().log([format!("sent {}", *n)]))
        .edge(START, "node")
        .edge("node", "edge")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "node edge there sent 7");
}

#[tokio::test]
async fn names_that_do_not_exist_are_passed_over_when_they_come_from_code() {
    let graph: Graph<Log> = Graph::builder("nowhere")
        .node("a", async |_: Snapshot<Log>| Command::<Log>::goto("nowhere"))
        .node("b", signs("b"))
        .edge(START, "a")
        .edge("a", "b")
        .branch("b", |_: &Log| "nowhere either")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert!(outcome.is_done());
    assert_eq!(read(&outcome.state().unwrap()), "b");
}

#[tokio::test]
async fn a_label_without_a_path_and_a_branch_that_fails_are_failures_of_the_node_before() {
    let labels: Graph<Log> = Graph::builder("labels")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .edge(START, "a")
        .branch_labels("a", |_: &Log| "left", [("right", "b")])
        .build()
        .unwrap();
    let error = labels.run(json!({})).await.unwrap_err().to_string();
    assert!(error.contains("`a`") && error.contains("`left`"), "{error}");
    let fails = |_: &Log| Fallible::<&'static str>(Err(NodeError::new("NoRoute", "no way")));
    let graph: Graph<Log> = Graph::builder("fails")
        .node("a", signs("a"))
        .edge(START, "a")
        .branch_to("a", fails, [END])
        .build()
        .unwrap();
    let error = graph.run(json!({})).await.unwrap_err().to_string();
    assert!(error.contains("`a`") && error.contains("no way"), "{error}");
}

#[tokio::test]
async fn a_join_waits_for_all_and_runs_once_where_edges_run_for_each() {
    let graph = |is_join: bool| {
        let builder = Graph::<Log>::builder("join")
            .node("short", signs("short"))
            .node("long1", signs("long1"))
            .node("long2", signs("long2"))
            .node("end", signs("end"))
            .edge(START, "short")
            .sequence([START, "long1", "long2"]);
        match is_join {
            true => builder.join(["short", "long2"], "end"),
            false => builder.edge("short", "end").edge("long2", "end"),
        }
    };
    let run = async |is_join| {
        let outcome = graph(is_join).build().unwrap().run(json!({})).await.unwrap();
        read(&outcome.state().unwrap())
    };
    assert_eq!(run(true).await, "long1 short long2 end");
    assert_eq!(run(false).await, "long1 short end long2 end");
}

#[tokio::test]
async fn a_join_in_a_loop_waits_for_all_again_each_time_around() {
    let end = async |log: Snapshot<Log>| Log::update().x(log.x + 1).log(["end"]);
    let graph: Graph<Log> = Graph::builder("again")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .node("end", end)
        .edge(START, "a")
        .edge(START, "b")
        .join(["a", "b"], "end")
        .branch_to("end", |log| if log.x < 2 { vec!["a", "b"] } else { vec![END] }, ["a", "b", END])
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "a b end a b end");
}

#[tokio::test]
async fn a_deferred_node_runs_once_when_nothing_else_can() {
    let graph: Graph<Log> = Graph::builder("deferred")
        .node("short", signs("short"))
        .node("long1", signs("long1"))
        .node("long2", signs("long2"))
        .node_with("last", signs("last"), NodeSettings::new().deferred())
        .edge(START, "short")
        .sequence([START, "long1", "long2", "last"])
        .edge("short", "last")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "long1 short long2 last");
}

#[tokio::test]
async fn a_loop_without_an_end_stops_at_the_limit_and_nodes_see_it_coming() {
    let counts = Count::default();
    let node = {
        let counts = counts.clone();
        move |_: Snapshot<Log>, context: Context| {
            counts.one();
            let told =
                format!("{}{}", context.remaining_steps(), if context.is_last_step() { "!" } else { "" });
            std::future::ready(Log::update().log([told]))
        }
    };
    let graph: Graph<Log> = Graph::builder("endless")
        .node("a", node)
        .edge(START, "a")
        .branch_to("a", |log| if read(log).ends_with('!') && log.x == 1 { END } else { "a" }, ["a", END])
        .build()
        .unwrap();
    let error = graph.run(json!({})).recursion_limit(4).await.unwrap_err();
    assert_eq!((error.code(), counts.get()), ("recursion_limit", 4));
    let seen = graph.run(json!({"x": 1})).recursion_limit(3).await.unwrap();
    assert_eq!(read(&seen.state().unwrap()), "2 1!");
    let default = graph.run(json!({})).await.unwrap_err();
    assert!(default.to_string().contains("25"), "{default}");
    assert_eq!(graph.run(json!({})).recursion_limit(0).await.unwrap_err().code(), "invalid_input");
}

#[tokio::test]
async fn a_run_gives_its_nodes_a_context_a_thread_and_an_id() {
    struct User(&'static str);
    let node = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
        let user = context.context::<User>().ok_or_else(|| NodeError::new("NoUser", "nobody asks"))?;
        assert!(context.context::<String>().is_none());
        Ok(Log::update().log([format!("{} {} {}", user.0, context.run_id(), context.name())]))
    };
    let graph: Graph<Log> = Graph::builder("context").node("a", node).entry("a").build().unwrap();
    let outcome = graph.run(json!({})).context(User("Ada")).run_id("run-1").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "Ada run-1 a");
    let error = graph.run(json!({})).await.unwrap_err();
    assert!(error.to_string().contains("nobody asks"), "{error}");
}
