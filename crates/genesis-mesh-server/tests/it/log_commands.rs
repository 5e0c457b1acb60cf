//! `genesis-mesh runs`, `threads` and `store`, and what `check` says of a store: against servers and files.

use crate::access;
use crate::binary::{Script, program};
use crate::desk::Desk;
use crate::logs::{asking, post};
use crate::puppet::Puppet;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use genesis_mesh::graph::{END, Graph, START};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenesisMesh, State};
use genesis_mesh_server::ServeOptions;
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

async fn ask(desk: &Desk, arguments: &[&str]) -> Output {
    let url = format!("http://{}", desk.addr);
    program(arguments).args(["--url", &url]).output().await.unwrap()
}

/// What a command writes that does well.
async fn said(desk: &Desk, arguments: &[&str]) -> String {
    let output = ask(desk, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn read(desk: &Desk, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(desk, arguments).await).unwrap()
}

/// The reason of a command that fails.
async fn refused(desk: &Desk, arguments: &[&str]) -> String {
    let output = ask(desk, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Has a run accepted, and gives its id.
async fn begin(desk: &Desk, prompt: &str, thread: &str) -> String {
    let body = json!({"agent": "puppet", "input": {"prompt": prompt}, "thread_id": thread});
    let (status, run) = post(desk, "/v1/runs", "", &body).await;
    assert_eq!(status, 202, "{run}");
    run["run_id"].as_str().unwrap().to_owned()
}

const NOBODY: &str = "0192f0c1-2b3c-7d4e-8f90-123456789abc";

#[tokio::test]
async fn a_run_is_followed_to_its_end_listed_shown_and_tried_again() {
    let desk = Desk::open().await;
    let run = begin(&desk, "echo ab", "t").await;
    let log = said(&desk, &["runs", "follow", &run]).await;
    let lines: Vec<&str> = log.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 4, "{log}");
    for (line, told) in lines.iter().zip(["1  run", "2  delta           \"a\"", "3  delta", "4  done"]) {
        assert!(line.starts_with(told), "{log}");
    }
    assert!(lines[3].contains("stop, "), "{log}");
    assert_eq!(said(&desk, &["runs", "follow", &run, "--after", "3"]).await.lines().count(), 1);
    let json = said(&desk, &["runs", "follow", &run, "--json"]).await;
    let events: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[1]["text"], &events[3]["seq"]), (&json!("a"), &json!(4)));

    let table = said(&desk, &["runs", "list"]).await;
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(rows.next().unwrap(), ["RUN", "STATUS", "AGENT", "THREAD", "EVENTS", "AGE"]);
    assert_eq!(rows.next().unwrap()[..5], [&run, "succeeded", "puppet", "t", "4"]);
    let shown = said(&desk, &["runs", "show", &run]).await;
    for line in [&format!("run       {run}"), "status    succeeded", "thread    t", "events    4"] {
        assert!(shown.lines().any(|told| told == line), "{line} is not in {shown}");
    }
    assert_eq!(read(&desk, &["runs", "show", &run, "--json"]).await["status"], "succeeded");

    let again = said(&desk, &["runs", "retry", &run]).await;
    assert_ne!(again.trim(), run);
    said(&desk, &["runs", "follow", again.trim()]).await;
    let all = read(&desk, &["runs", "list", "--json"]).await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2));
    for filter in [["--thread", "u"], ["--agent", "lines"], ["--status", "failed"], ["--before", &run]] {
        let found = read(&desk, &[&["runs", "list", "--json"][..], &filter].concat()).await;
        assert_eq!(found["data"], json!([]), "{filter:?}");
    }
    let first = ask(&desk, &["runs", "list", "--limit", "1"]).await;
    assert!(String::from_utf8_lossy(&first.stderr).contains(&format!("--before {}", again.trim())));
}

#[tokio::test]
async fn a_run_is_stopped_and_the_status_says_how_runs_have_ended() {
    let desk = Desk::open().await;
    let run = begin(&desk, "wait", "t").await;
    desk.puppet.live(1).await;
    let url = format!("http://{}", desk.addr);
    let mut follower = program(&["runs", "follow", &run, "--url", &url]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("run"));
    assert!(
        lines.next_line().await.unwrap().unwrap().contains("started"),
        "it is told while the run goes on"
    );
    assert_eq!(said(&desk, &["runs", "cancel", &run]).await, format!("{run} was asked to stop\n"));
    assert!(lines.next_line().await.unwrap().unwrap().contains("cancelled"));
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(follower.wait().await.unwrap().code(), Some(1));
    assert_eq!(said(&desk, &["runs", "cancel", &run]).await, format!("{run} has ended: cancelled\n"));
    let failed = begin(&desk, "fail", "u").await;
    let output = ask(&desk, &["runs", "follow", &failed]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("(model_failed)"), "{output:?}");
    assert!(said(&desk, &["runs", "show", &failed]).await.contains("(model_failed)"));
}

/// Passes connections on to `to`; the first that carries `cut` is broken before that, and this tells its address.
async fn breaking(to: std::net::SocketAddr, cut: &'static str) -> (String, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let passing = async move {
        let has_cut = Cell::new(false);
        let mut connections = FuturesUnordered::new();
        loop {
            // A client may open the next one before it has put the last one back.
            tokio::select! {
                accepted = listener.accept() => connections.push(pass(accepted.unwrap().0, to, cut, &has_cut)),
                Some(()) = connections.next() => {}
            }
        }
    };
    (address, passing)
}

/// Passes on between a client and the server, up to the cut.
async fn pass(mut client: TcpStream, to: std::net::SocketAddr, cut: &str, has_cut: &Cell<bool>) {
    let mut server = TcpStream::connect(to).await.unwrap();
    let (mut asked, mut told) = (vec![0; 4096], vec![0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => server.write_all(&asked[..count]).await.unwrap(),
            },
            read = server.read(&mut told) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    let bytes = &told[..count];
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    match text.find(cut).filter(|_| !has_cut.get()) {
                        Some(place) => {
                            has_cut.set(true);
                            return client.write_all(&bytes[..place]).await.unwrap();
                        }
                        None => client.write_all(bytes).await.unwrap(),
                    }
                }
            },
        }
    }
}

#[tokio::test]
async fn a_log_is_read_on_where_its_connection_broke_and_no_event_is_missing_or_there_twice() {
    let desk = Desk::open().await;
    let run = begin(&desk, "echo abcdefgh", "t").await;
    said(&desk, &["runs", "follow", &run]).await;
    let (address, passing) = breaking(desk.addr, "\"text\":\"e\"").await;
    let url = format!("http://{address}");
    let mut follow = program(&["runs", "follow", &run, "--json", "--url", &url]);
    let output = tokio::select! {
        output = follow.output() => output.unwrap(),
        () = passing => unreachable!("it passes on for ever"),
    };
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let seqs: Vec<u64> = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("reading on after 5") && words.contains("(server_unreachable)"), "{words}");
}

#[tokio::test]
async fn what_is_wrong_with_a_server_a_key_or_an_id_is_told_with_its_code() {
    let desk = access::locked().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let output = program(&["runs", "list", "--url", &format!("http://{nowhere}")]).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("(server_unreachable)") && told.contains("is the server running"), "{told}");
    assert!(refused(&desk, &["runs", "list"]).await.contains("(key_missing)"));
    let with = async |key: &str, arguments: &[&str]| {
        let url = format!("http://{}", desk.addr);
        let mut command = program(arguments);
        command.env("GENESIS_MESH_KEY", key).args(["--url", &url]).output().await.unwrap()
    };
    for (key, arguments, code) in [
        ("gm_none", &["threads", "list"][..], "(key_invalid)"),
        ("gm_expired", &["runs", "list"], "(key_expired)"),
        ("gm_all", &["runs", "show", NOBODY], "(run_not_found)"),
        ("gm_all", &["runs", "follow", NOBODY], "(run_not_found)"),
        ("gm_all", &["runs", "cancel", NOBODY], "(run_not_found)"),
        ("gm_all", &["threads", "show", "a/b ü"], "(thread_not_found)"),
        ("gm_all", &["threads", "export", "x"], "(thread_not_found)"),
        ("gm_all", &["threads", "delete", "x"], "(thread_not_found)"),
    ] {
        let output = with(key, arguments).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(code), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty() && !told.contains(key), "{output:?}");
    }
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "gm_all\n").unwrap();
    said(&desk, &["runs", "list", "--key-file", key.path().to_str().unwrap()]).await;
    let output = program(&["runs", "show", "abc"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "it is a mistake on the command line");
    let output = program(&["runs", "list", "--url", "ws://x"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://HOST:PORT"), "{output:?}");
}

#[tokio::test]
async fn a_thread_is_listed_shown_exported_as_one_document_and_deleted() {
    let desk = asking().await;
    let body = json!({"agent": "ask", "input": {"q": "why?"}, "thread_id": "a/b"});
    let run = post(&desk, "/v1/runs", "", &body).await.1["run_id"].as_str().unwrap().to_owned();
    // It has ended with a question: that is no failure.
    assert!(said(&desk, &["runs", "follow", &run]).await.contains("interrupt"));
    let table = said(&desk, &["threads", "list"]).await;
    assert!(table.starts_with("THREAD") && table.contains("\na/b "), "{table}");
    let shown = said(&desk, &["threads", "show", "a/b"]).await;
    assert!(shown.contains("next       ask") && shown.contains("\"why?\""), "{shown}");
    assert_eq!(read(&desk, &["threads", "show", "a/b", "--json"]).await["agent"], "ask");
    let history = said(&desk, &["threads", "history", "a/b"]).await;
    assert!(history.starts_with("CHECKPOINT") && history.contains(&run), "{history}");
    let limited = read(&desk, &["threads", "history", "a/b", "--limit", "1", "--json"]).await;
    assert_eq!(limited["data"].as_array().map(Vec::len), Some(1));

    let document = read(&desk, &["threads", "export", "a/b"]).await;
    assert_eq!(document["thread"]["state"]["interrupts"][0]["value"], "why?");
    assert_eq!(document["runs"][0]["run_id"], json!(run));
    let events = document["runs"][0]["events"].as_array().unwrap();
    assert_eq!(events.len() as u64, document["runs"][0]["last_seq"].as_u64().unwrap());
    assert_eq!(document["history"][0]["next"], json!(["ask"]));
    assert_eq!(said(&desk, &["threads", "delete", "a/b"]).await, "a/b is deleted\n");
    assert!(refused(&desk, &["threads", "show", "a/b"]).await.contains("(thread_not_found)"));
}

/// A graph that counts.
#[derive(Debug, Clone, Default, State)]
struct Counted {
    n: u64,
}

async fn count(state: Snapshot<Counted>) -> CountedUpdate {
    Counted::update().n(state.n + 1)
}

#[tokio::test]
async fn a_history_is_read_in_pages_and_exported_whole() {
    // More than the server gives at once.
    const STEPS: u64 = 1_100;
    let graph = Graph::builder("count").node("count", count).edge(START, "count");
    let graph = graph.branch("count", |state: &Counted| if state.n < STEPS { "count" } else { END }).build();
    let puppet = Puppet::new();
    let graph = graph.expect("a graph").with_recursion_limit(2_000);
    let mesh = GenesisMesh::new().model("puppet", puppet.clone()).agent("count", graph);
    let desk = Desk::of(mesh, puppet, ServeOptions::default()).await;
    let body = json!({"agent": "count", "input": {"n": 0}, "thread_id": "t"});
    let run = post(&desk, "/v1/runs", "", &body).await.1["run_id"].as_str().unwrap().to_owned();
    said(&desk, &["runs", "follow", &run]).await;

    let first = desk.get("/v1/threads/t/history?limit=2").await.2;
    assert_eq!((&first["data"][0]["values"]["n"], &first["has_more"]), (&json!(STEPS), &json!(true)));
    let last = first["data"][1]["checkpoint_id"].as_str().unwrap().to_owned();
    let next = desk.get(&format!("/v1/threads/t/history?limit=1000&before={last}")).await.2;
    assert_eq!(next["data"][0]["values"]["n"], json!(STEPS - 2));
    let (status, _, refused) = desk.get("/v1/threads/t/history?before=x").await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_query")));

    let document = read(&desk, &["threads", "export", "t"]).await;
    let history = document["history"].as_array().unwrap();
    let counts: Vec<u64> = history.iter().filter_map(|row| row["values"]["n"].as_u64()).collect();
    // The input is the oldest.
    assert_eq!(counts, (0..=STEPS).rev().collect::<Vec<_>>());
}

/// A server that keeps its runs in `database`, which is stopped when `work` is done.
async fn with_store(script: &Script, database: &Path, work: impl AsyncFnOnce(String)) {
    let store = format!("sqlite:{}", database.display());
    let (child, address) = script.start(program(&["--port", "0", "--store", &store])).await;
    work(format!("http://{address}")).await;
    crate::binary::signal(&child, "-TERM");
    assert!(child.wait_with_output().await.unwrap().status.success());
}

async fn post_run(url: &str, thread: &str) {
    let body = json!({"agent": "my-script", "input": {"prompt": "x"}, "thread_id": thread}).to_string();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn a_store_is_migrated_when_its_server_has_stopped_into_one_that_is_empty() {
    let script = Script::new("migrate", "[[rule]]\ntext = \"hello\"");
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
    let named = |path: &Path| format!("sqlite:{}", path.display());
    let migrate = async |from: &str, to: &str| {
        program(&["store", "migrate", "--from", from, "--to", to]).output().await.unwrap()
    };
    let missing = migrate(&named(&from), &named(&to)).await;
    assert!(String::from_utf8_lossy(&missing.stderr).contains("(store_missing)"), "{missing:?}");
    assert!(!from.exists() && !to.exists(), "nothing was made");
    let mut before = String::new();
    with_store(&script, &from, async |url| {
        post_run(&url, "t").await;
        let output = program(&["threads", "export", "t", "--url", &url]).stdin(Stdio::null()).output();
        before = String::from_utf8(output.await.unwrap().stdout).unwrap();
        let busy = migrate(&named(&from), &named(&to)).await;
        assert!(String::from_utf8_lossy(&busy.stderr).contains("(store_in_use)"), "{busy:?}");
    })
    .await;
    let done = migrate(&named(&from), &named(&to)).await;
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("1 threads"), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("equal"), "{done:?}");
    let again = migrate(&named(&from), &named(&to)).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("(store_not_empty)"), "{again:?}");
    let same = migrate(&named(&from), &named(&from)).await;
    assert!(String::from_utf8_lossy(&same.stderr).contains("source and the target"), "{same:?}");
    for wrong in ["memory", "sqlite", "nats://x"] {
        assert_eq!(migrate(wrong, &named(&to)).await.status.code(), Some(2), "{wrong}");
    }
    with_store(&script, &to, async |url| {
        let output = program(&["threads", "export", "t", "--url", &url]).output().await.unwrap();
        let (before, after): (Value, Value) =
            (serde_json::from_str(&before).unwrap(), serde_json::from_slice(&output.stdout).unwrap());
        assert_eq!(after["runs"][0]["run_id"], before["runs"][0]["run_id"]);
        assert_eq!(after["thread"]["created_at_ms"], before["thread"]["created_at_ms"]);
        assert_eq!(after["runs"][0]["status"], "succeeded");
    })
    .await;
}

#[tokio::test]
async fn a_check_looks_at_the_store_and_neither_makes_one_nor_minds_a_server_that_has_it() {
    let script = Script::new("check-store", "[[rule]]\ntext = \"hello\"");
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("new").join("t.db");
    let store = format!("sqlite:{}", database.display());
    let check = async |more: &[&str]| {
        let path = script.path();
        let arguments = [&["check", "--store", &store, "--script", &path][..], more].concat();
        let output = program(&arguments).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(check(&[]).await.contains("not there yet"));
    assert!(!folder.path().join("new").exists(), "nothing was made");
    with_store(&script, &database, async |url| {
        post_run(&url, "t").await;
        assert!(check(&[]).await.contains("a server has it open"));
    })
    .await;
    let told = check(&[]).await;
    assert!(told.contains("0 threads can be read"), "the agent is no graph: {told}");
    assert!(!check(&["--no-threads"]).await.contains("can be read"));
    std::fs::write(&database, "no database at all, but some text that is long enough").unwrap();
    let output = program(&["check", "--store", &store, "--script", &script.path()]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("(store_corrupt)"), "{output:?}");
}
