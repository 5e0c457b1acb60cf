//! Runs as logs: what a socket adds for them, reading on from a cursor, threads and questions, and the same over HTTP.

use crate::access;
use crate::desk::{Client, Desk};
use crate::puppet::Puppet;
use genesis_mesh::graph::{Context, END, Graph, NodeError, START};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenesisMesh, MemoryStore, Parser, Pipeline, State};
use genesis_mesh_server::{Scope, ServeOptions};
use serde_json::{Value, json};

/// All updates of the run that goes on, as they are, to its end.
async fn rest(client: &mut Client) -> Vec<Value> {
    let mut updates = Vec::new();
    loop {
        let update = client.next_logged().await;
        let is_end = update["type"] == "done" || update["type"] == "error";
        updates.push(update);
        if is_end {
            return updates;
        }
    }
}

fn id_of(updates: &[Value]) -> String {
    assert_eq!(updates[0]["type"], "run", "{updates:?}");
    updates[0]["run_id"].as_str().expect("an id").to_owned()
}

fn is_contiguous(updates: &[Value], first: u64) {
    for (update, seq) in updates.iter().zip(first..) {
        assert_eq!(update["seq"], seq, "{updates:?}");
    }
}

#[tokio::test]
async fn every_update_has_its_number_and_any_cursor_reads_the_rest() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "echo abcdef"})).await;
    let told = rest(&mut client).await;
    is_contiguous(&told, 1);
    let run = id_of(&told);
    for after in 0..told.len() {
        client.send(json!({"type": "resume", "run_id": run, "after": after})).await;
        assert_eq!(rest(&mut client).await, told[after..].to_vec(), "after {after}");
        let (status, _, page) = desk.get(&format!("/v1/runs/{run}/events?after={after}")).await;
        assert_eq!((status, &page["data"]), (200, &json!(told[after..])), "after {after}");
        assert_eq!((&page["status"], &page["has_more"]), (&json!("succeeded"), &json!(false)));
    }
    client.send(json!({"type": "resume", "run_id": run, "after": 99})).await;
    assert_eq!(client.error().await, "cursor_ahead");
    client.send(json!({"type": "resume", "run_id": run.replace('7', "8"), "after": 0})).await;
    assert_eq!(client.error().await, "run_not_found");
    client.send(json!({"type": "resume", "run_id": "x"})).await;
    assert_eq!(client.error().await, "invalid_input");
    let mut other = desk.client("lines").await;
    other.send(json!({"type": "resume", "run_id": run})).await;
    assert_eq!(other.error().await, "run_not_found", "a socket reads the runs of its agent");
}

#[tokio::test]
async fn a_client_that_comes_back_reads_on_and_one_that_stays_away_decides_what_becomes_of_its_run() {
    let desk = Desk::open().await;
    for (query, is_stopped) in
        [("?on_disconnect=continue", false), ("", true), ("?on_disconnect=grace=0s", true)]
    {
        let mut client = desk.client(&format!("puppet{query}")).await;
        client.send(json!({"prompt": "wait"})).await;
        let run = id_of(&[client.next_logged().await]);
        let cursor = client.next_logged().await["seq"].clone();
        desk.puppet.live(1).await;
        drop(client);
        let mut client = if is_stopped {
            desk.puppet.live(0).await;
            desk.client("puppet").await
        } else {
            let client = desk.client("puppet").await;
            desk.puppet.live(1).await;
            client
        };
        client.send(json!({"type": "resume", "run_id": run, "after": cursor})).await;
        if !is_stopped {
            client.send(json!({"type": "cancel"})).await;
        }
        let end = client.next_logged().await;
        assert_eq!((&end["type"], &end["finish_reason"]), (&json!("done"), &json!("cancelled")), "{query}");
        desk.puppet.live(0).await;
    }
}

#[tokio::test]
async fn a_client_within_its_grace_keeps_its_run() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet?on_disconnect=grace=60s").await;
    client.send(json!({"prompt": "wait"})).await;
    let run = id_of(&[client.next_logged().await]);
    client.next_logged().await;
    drop(client);
    let mut client = desk.client("puppet").await;
    client.send(json!({"type": "resume", "run_id": run, "after": 2})).await;
    desk.puppet.live(1).await;
    client.send(json!({"type": "cancel"})).await;
    assert_eq!(client.next_logged().await["seq"], 3);
    desk.puppet.live(0).await;
}

#[tokio::test]
async fn one_idempotency_key_is_one_run() {
    let desk = Desk::open().await;
    let headers = [("idempotency-key", "k1")];
    let mut first = desk.client_with("puppet", &headers).await;
    first.send(json!({"prompt": "echo hi"})).await;
    let told = rest(&mut first).await;
    let mut again = desk.client("puppet?idempotency_key=k1").await;
    again.send(json!({"prompt": "echo hi"})).await;
    assert_eq!(rest(&mut again).await, told);
    let mut other = desk.client_with("puppet", &headers).await;
    other.send(json!({"prompt": "echo else"})).await;
    assert_eq!(other.error().await, "idempotency_key_reused");
    // The key is that of one request: the next one on the socket is another run.
    again.send(json!({"prompt": "echo hi"})).await;
    assert_ne!(id_of(&rest(&mut again).await), id_of(&told));
}

#[tokio::test]
async fn a_run_that_is_not_logged_has_no_numbers() {
    let desk = Desk::open().await;
    let mut client = desk.client("puppet?log=false").await;
    client.send(json!({"prompt": "echo a"})).await;
    assert_eq!(client.next_logged().await, json!({"type": "delta", "text": "a"}));
    assert_eq!(desk.get("/v1/runs").await.2["data"], json!([]));
    let (status, _, refused) = desk.get("/ws/puppet?log=false&thread_id=t").await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_query")));
}

/// A graph that asks, and notes what it is answered.
#[derive(Debug, Clone, Default, State)]
struct Asking {
    q: Option<String>,
    answer: Option<String>,
}

async fn ask(state: Snapshot<Asking>, context: Context) -> Result<AskingUpdate, NodeError> {
    Ok(Asking::update().answer(context.interrupt::<Option<String>>(state.q.clone())?))
}

pub(crate) async fn asking() -> Desk {
    let graph = Graph::builder("ask").node("ask", ask).sequence([START, "ask", END]).build();
    let puppet = Puppet::new();
    let mesh = GenesisMesh::new().model("puppet", puppet.clone()).agent("ask", graph.expect("a graph"));
    Desk::of(mesh, puppet, ServeOptions::default()).await
}

#[tokio::test]
async fn a_thread_waits_for_its_answer_and_is_told_over_http() {
    let desk = asking().await;
    let mut client = desk.client("ask?thread_id=t1").await;
    client.send(json!({"q": "why?"})).await;
    let told = rest(&mut client).await;
    is_contiguous(&told, 1);
    assert_eq!(told[0]["thread_id"], "t1");
    assert!(told.iter().any(|update| update["type"] == "interrupt"), "{told:?}");
    let run = desk.get(&format!("/v1/runs/{}", id_of(&told))).await.2;
    assert_eq!(
        (&run["status"], &run["thread_id"], &run["agent"]),
        (&json!("interrupted"), &json!("t1"), &json!("ask"))
    );
    let thread = desk.get("/v1/threads/t1").await.2;
    assert_eq!(thread["state"]["interrupts"][0]["value"], "why?", "{thread}");
    assert_eq!(thread["state"]["next"], json!(["ask"]));

    let mut other = desk.client("ask").await;
    other.send(json!({"type": "answer", "value": "x"})).await;
    assert_eq!(other.error().await, "invalid_input", "an answer needs a thread");
    let mut other = desk.client("ask?thread_id=t1").await;
    other.send(json!({"type": "answer", "value": "because"})).await;
    let told = rest(&mut other).await;
    let output = told.iter().find(|update| update["type"] == "output").expect("an output");
    assert_eq!(output["value"]["answer"], "because");
    let runs = desk.get("/v1/runs?thread_id=t1").await.2;
    assert_eq!(runs["data"].as_array().map(Vec::len), Some(2));
    let history = desk.get("/v1/threads/t1/history").await.2;
    assert_eq!(history["data"][0]["values"]["answer"], "because", "{history}");
    assert_eq!(desk.get("/v1/threads").await.2["data"][0]["thread_id"], "t1");
    let (status, _, deleted) =
        desk.http("DELETE /v1/threads/t1 HTTP/1.1\nHost: x\nConnection: close\n\n").await;
    assert_eq!((status, &deleted["deleted"]), (200, &json!(true)));
    assert_eq!(desk.get("/v1/threads/t1").await.0, 404);
    assert_eq!(desk.get("/v1/runs?thread_id=t1").await.2["data"], json!([]));
}

#[tokio::test]
async fn null_is_an_answer_on_a_socket_and_over_http() {
    let desk = asking().await;
    for thread in ["socket", "http"] {
        let mut client = desk.client(&format!("ask?thread_id={thread}")).await;
        client.send(json!({"q": "which, if any?"})).await;
        rest(&mut client).await;
        client.send(json!({"type": "answer"})).await;
        assert_eq!(client.error().await, "invalid_input", "no answer is none");
        let told = if thread == "socket" {
            client.send(json!({"type": "answer", "value": null})).await;
            rest(&mut client).await
        } else {
            let body = json!({"agent": "ask", "thread_id": thread, "answer": null});
            let (status, run) = post(&desk, "/v1/runs", "", &body).await;
            assert_eq!(status, 202, "{run}");
            client.send(json!({"type": "resume", "run_id": run["run_id"]})).await;
            rest(&mut client).await
        };
        let output = told.iter().find(|update| update["type"] == "output").expect("an output");
        assert_eq!(output["value"]["answer"], json!(null), "{told:?}");
        assert_eq!(desk.get(&format!("/v1/threads/{thread}")).await.2["state"]["interrupts"], json!([]));
    }
    let both = json!({"agent": "ask", "thread_id": "http", "answer": null, "go_on": true});
    assert_eq!(post(&desk, "/v1/runs", "", &both).await.1["error"]["code"], "invalid_input");
}

#[tokio::test]
async fn an_agent_that_cannot_go_on_names_the_field_that_asked_for_it() {
    let desk = Desk::open().await;
    for (field, value) in [("answer", json!(5)), ("answers", json!({})), ("go_on", json!(true))] {
        let mut body = json!({"agent": "puppet", "thread_id": "t"});
        body[field] = value;
        let (status, refused) = post(&desk, "/v1/runs", "", &body).await;
        let error = &refused["error"];
        assert_eq!((status, &error["code"], &error["param"]), (400, &json!("invalid_input"), &json!(field)));
    }
    let mut client = desk.client("puppet?thread_id=t").await;
    for message in [json!({"type": "answer", "value": 5}), json!({"type": "go_on"})] {
        client.send(message).await;
        let refused = client.next().await;
        assert_eq!(
            (&refused["error"]["code"], &refused["error"]["param"]),
            (&json!("invalid_input"), &json!("type"))
        );
    }
}

#[tokio::test]
async fn a_key_that_lost_the_right_to_an_agent_reads_nothing_of_its_runs_any_more() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let desk = async |scopes: &[Scope]| {
        let puppet = Puppet::new();
        let pipeline = Pipeline::new("puppet").prompt("echo {{ topic }}").parse(Parser::lines());
        let mesh = GenesisMesh::new().model("puppet", puppet.clone()).agent("lines", pipeline);
        let mut options = ServeOptions::default();
        options.keys = vec![access::key("one", scopes)];
        Desk::of(mesh.store(std::sync::Arc::clone(&store)), puppet, options).await
    };
    let key = "Authorization: Bearer gm_one\n";
    let before = desk(&[]).await;
    let mut paths = Vec::new();
    let mut runs = Vec::new();
    for (agent, input) in [
        ("puppet", json!({"prompt": "echo a"})),
        ("lines", json!({"topic": "a"})),
        ("lines", json!({"topic": "b"})),
    ] {
        let body = json!({"agent": agent, "input": input, "thread_id": agent});
        let (status, run) = post(&before, "/v1/runs", key, &body).await;
        assert_eq!(status, 202, "{run}");
        let run = run["run_id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/runs/{run}");
        runs.push(run);
        paths = vec![path.clone(), format!("{path}/events"), format!("{path}/events?stream=true")];
    }
    paths.extend(["/v1/threads/lines".to_owned(), "/v1/threads/lines/history".to_owned()]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\n{key}\n");
    for path in &paths {
        assert_eq!(before.http(&get(path)).await.0, 200, "{path}");
    }
    before.stopped().await;
    let after = desk(&[Scope::Agent("puppet".into())]).await;
    for path in &paths {
        let (status, _, refused) = after.http(&get(path)).await;
        assert_eq!((status, &refused["error"]["code"]), (403, &json!("scope_missing")), "{path}");
    }
    let listed = after.http(&get("/v1/runs?limit=1")).await.2;
    assert_eq!((&listed["data"][0]["run_id"], &listed["has_more"]), (&json!(runs[0]), &json!(false)));
    assert_eq!(after.http(&get(&format!("/v1/runs/{}", runs[0]))).await.0, 200);
    // It may still be rid of them.
    let delete = format!("DELETE {} HTTP/1.1\nHost: x\nConnection: close\n{key}\n", paths[0]);
    assert_eq!(after.http(&delete).await.0, 200);
}

/// Posts JSON and gives the status and the answer.
pub(crate) async fn post(desk: &Desk, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\nHost: x\nConnection: close\nContent-Type: application/json\n\
         Content-Length: {}\n{headers}\n{body}",
        body.len()
    );
    let (status, _, answer) = desk.http(&head).await;
    (status, answer)
}

#[tokio::test]
async fn a_run_is_begun_followed_cancelled_tried_again_and_deleted_over_http() {
    let desk = Desk::open().await;
    let body =
        json!({"agent": "puppet", "input": {"prompt": "wait"}, "metadata": {"a": 1}, "ttl_seconds": 60});
    let (status, run) = post(&desk, "/v1/runs", "Idempotency-Key: k\n", &body).await;
    assert_eq!((status, &run["metadata"]), (202, &json!({"a": 1})), "{run}");
    assert_eq!(post(&desk, "/v1/runs", "Idempotency-Key: k\n", &body).await.1["run_id"], run["run_id"]);
    let other = json!({"agent": "puppet", "input": {"prompt": "echo a"}});
    let (status, refused) = post(&desk, "/v1/runs", "Idempotency-Key: k\n", &other).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("idempotency_key_reused")));
    assert!(refused["error"]["message"].as_str().expect("words").contains("key `k`"), "{refused}");
    let path = format!("/v1/runs/{}", run["run_id"].as_str().expect("an id"));
    desk.puppet.live(1).await;
    let (status, cancelled) = post(&desk, &format!("{path}/cancel"), "", &json!({})).await;
    assert_eq!(status, 202, "{cancelled}");
    // As a stream, from the first event to the last.
    let head = format!(
        "GET {path}/events?after=0 HTTP/1.1\nHost: x\nConnection: close\nAccept: text/event-stream\n\n"
    );
    let mut stream = tokio::net::TcpStream::connect(desk.addr).await.expect("a server");
    let mut told = String::new();
    {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.expect("a request");
        stream.read_to_string(&mut told).await.expect("an answer");
    }
    for part in
        ["id: 1\ndata: {\"type\":\"run\"", "\"text\":\"started\",\"seq\":2}", "id: 3\n", "\"cancelled\""]
    {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    desk.puppet.live(0).await;
    assert_eq!(desk.get(&path).await.2["status"], "cancelled");
    let (status, again) = post(&desk, &format!("{path}/retry"), "", &json!({})).await;
    assert_eq!(status, 202, "{again}");
    assert_ne!(again["run_id"], run["run_id"]);
    assert_eq!((&run["ttl_seconds"], &again["ttl_seconds"]), (&json!(60), &json!(60)));
    desk.puppet.live(1).await;
    let other = format!("/v1/runs/{}", again["run_id"].as_str().expect("an id"));
    let delete = |path: &str| format!("DELETE {path} HTTP/1.1\nHost: x\nConnection: close\n\n");
    assert_eq!(desk.http(&delete(&other)).await.0, 200);
    assert_eq!(desk.get(&other).await.0, 404);
    for (body, code) in [
        (json!({"agent": "nobody", "input": {}}), "agent_not_found"),
        (json!({"agent": "puppet"}), "invalid_input"),
        (json!({"agent": "puppet", "input": {"prompt": 5}}), "invalid_input"),
        (json!({"agent": "puppet", "answer": 5}), "invalid_input"),
        (json!({"agent": "puppet", "input": {"prompt": "x"}, "thread_id": "_x"}), "invalid_input"),
    ] {
        assert_eq!(post(&desk, "/v1/runs", "", &body).await.1["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn a_stored_completion_is_a_run_of_its_id() {
    let desk = Desk::open().await;
    let mut body =
        json!({"model": "puppet", "store": true, "messages": [{"role": "user", "content": "echo hey"}]});
    let (status, answer) = post(&desk, "/v1/chat/completions", "", &body).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hey")));
    let path = format!("/v1/runs/{}/events", answer["id"].as_str().expect("an id"));
    let log = desk.get(&path).await.2;
    let text: String =
        log["data"].as_array().expect("events").iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!((text.as_str(), &log["status"]), ("hey", &json!("succeeded")));
    body["store"] = json!(false);
    let (_, answer) = post(&desk, "/v1/chat/completions", "", &body).await;
    assert_eq!(desk.get(&format!("/v1/runs/{}", answer["id"].as_str().expect("an id"))).await.0, 404);
    // As a stream, which ends like any other.
    body["store"] = json!(true);
    body["stream"] = json!(true);
    body["messages"][0]["content"] = json!("broken a");
    let before = desk.get("/v1/runs").await.2["data"].as_array().map(Vec::len);
    post(&desk, "/v1/chat/completions", "", &body).await;
    let runs = desk.get("/v1/runs").await.2;
    assert_eq!(runs["data"].as_array().map(Vec::len), before.map(|runs| runs + 1));
    assert_eq!(
        (&runs["data"][0]["status"], &runs["data"][0]["error"]["code"]),
        (&json!("failed"), &json!("model_truncated"))
    );
}

#[tokio::test]
async fn a_stored_completion_fails_with_the_status_that_it_has_without_the_log() {
    let desk = Desk::open().await;
    for (prompt, status, code) in [
        ("refuse", 400, "invalid_request"),
        ("busy", 503, "model_busy"),
        ("fail", 500, "model_failed"),
        ("broken a", 502, "model_truncated"),
    ] {
        let mut told = Vec::new();
        for store in [false, true] {
            let messages = json!([{"role": "user", "content": prompt}]);
            let body = json!({"model": "puppet", "store": store, "messages": messages});
            told.push(post(&desk, "/v1/chat/completions", "", &body).await);
        }
        assert_eq!((told[0].0, &told[0].1["error"]["code"]), (status, &json!(code)), "{told:?}");
        assert_eq!(told[0], told[1]);
    }
}

#[tokio::test]
async fn runs_and_threads_are_their_keys_own() {
    let desk = access::locked().await;
    let get = |path: &str, key: &str| {
        format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer gm_{key}\n\n")
    };
    let body = json!({"agent": "puppet", "input": {"prompt": "echo a"}, "thread_id": "t"});
    let (status, run) = post(&desk, "/v1/runs", "Authorization: Bearer gm_all\n", &body).await;
    assert_eq!((status, &run["thread_id"]), (202, &json!("t")), "{run}");
    let path = format!("/v1/runs/{}", run["run_id"].as_str().expect("an id"));
    assert_eq!(desk.http(&get(&path, "all")).await.0, 200);
    for path in [path.clone(), format!("{path}/events"), "/v1/threads/t".to_owned()] {
        assert_eq!(desk.http(&get(&path, "run")).await.0, 404, "{path}");
    }
    assert_eq!(desk.http(&get("/v1/runs", "run")).await.2["data"], json!([]));
    assert_eq!(desk.http(&get("/v1/threads", "run")).await.2["data"], json!([]));
    assert_eq!(desk.http(&get("/v1/threads", "all")).await.2["data"][0]["thread_id"], "t");
    let mut other = desk.client_with("puppet", &[("authorization", "Bearer gm_run")]).await;
    other.send(json!({"type": "resume", "run_id": run["run_id"]})).await;
    assert_eq!(other.error().await, "run_not_found");
}
