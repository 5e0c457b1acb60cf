//! What a server tells operators: metrics that count what was done, ids on every answer, readiness, information.

use crate::desk::Desk;
use crate::puppet::Puppet;
use genesis_mesh::{
    BoxFuture, GenerateRequest, GenesisMesh, Model, ModelError, ModelInfo, ModelLoad, ModelStream,
};
use genesis_mesh_server::{ApiKey, ServeOptions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The head and the body of the answer to `request`, whose lines end with `\n`.
async fn exchange(desk: &Desk, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A socket that was upgraded stays open: its head is enough.
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the answer was cut");
    }
    if !answer.starts_with(b"HTTP/1.1 101") {
        stream.read_to_end(&mut answer).await.unwrap();
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The samples of `/metrics`, after a check of the text's form.
async fn metrics(desk: &Desk) -> BTreeMap<String, f64> {
    let (head, text) = exchange(desk, "GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n").await;
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut families, mut samples) = (Vec::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split(' ').next().unwrap().to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            assert!(families.iter().any(|family| bare.starts_with(family.as_str())), "{line} has no type");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line} comes twice");
        }
    }
    samples
}

fn run(agent: &str, outcome: &str) -> String {
    format!("genesis_runs_total{{agent=\"{agent}\",surface=\"plain_socket\",outcome=\"{outcome}\"}}")
}

#[tokio::test]
async fn the_metrics_count_exactly_what_was_done() {
    let desk = Desk::open().await;
    let before = metrics(&desk).await;
    assert_eq!(
        before["genesis_tokens_total{agent=\"lines\",direction=\"output\"}"], 0.0,
        "known from the start"
    );
    let mut client = desk.client("puppet").await;
    for prompt in ["echo hey", "echo you", "fail now", "busy"] {
        client.ask(prompt).await;
    }
    client.send(json!({"prompt": 5})).await;
    client.next().await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    assert_eq!(metrics(&desk).await["genesis_runs_in_flight{agent=\"puppet\"}"], 1.0);
    client.send(json!({"type": "cancel"})).await;
    client.next().await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    let now = metrics(&desk).await;
    assert_eq!((now["genesis_websockets_open"], now["genesis_runs_in_flight{agent=\"puppet\"}"]), (1.0, 1.0));
    assert!(now["genesis_http_connections_open"] >= 1.0, "the one that asks");
    drop(client);
    desk.puppet.live(0).await;
    let mut client = desk.client("lines").await;
    client.send(json!({"topic": "a"})).await;
    while client.next().await["type"] != "done" {}

    let now = metrics(&desk).await;
    for (agent, outcome, count) in [
        ("puppet", "finished", 2.0),
        // Of a logged run the model is asked after it was accepted: that it is busy is the run's end.
        ("puppet", "failed", 2.0),
        ("puppet", "refused", 1.0),
        ("puppet", "cancelled", 1.0),
        ("puppet", "dropped", 1.0),
        ("lines", "finished", 1.0),
    ] {
        assert_eq!(now[&run(agent, outcome)], count, "{agent} {outcome}");
    }
    let puppet = |name: &str, more: &str| now[&format!("genesis_{name}{{agent=\"puppet\"{more}}}")];
    // Finished and cancelled ones say 1 and 1; the dropped one had said one piece, the failed one nothing.
    assert_eq!(puppet("tokens_total", ",direction=\"input\""), 3.0);
    assert_eq!(puppet("tokens_total", ",direction=\"output\""), 4.0);
    assert_eq!(puppet("runs_in_flight", ""), 0.0);
    assert_eq!(puppet("time_to_first_token_seconds_count", ""), 4.0, "all that spoke");
    assert_eq!(puppet("inter_token_gap_seconds_count", ""), 0.0, "no piece was waited for after the first");
    assert_eq!(puppet("run_duration_seconds_count", ""), 7.0);
    for code in ["model_failed", "model_busy", "invalid_input"] {
        assert_eq!(puppet("run_errors_total", &format!(",code=\"{code}\"")), 1.0, "{code}");
    }
    assert!(now["process_resident_memory_bytes"] > 1e6 && now["process_cpu_seconds_total"] >= 0.0);
    assert_eq!(now["genesis_build_info{version=\"0.1.0\"}"], 1.0);
}

#[tokio::test]
async fn requests_are_counted_by_template_and_paths_that_lead_nowhere_share_a_label() {
    let desk = Desk::open().await;
    for request in [
        "GET /health",
        "GET /health",
        "DELETE /health",
        "GET /a",
        "BREW /b?key=c",
        "GET /ws/puppet",
        "GET /ws/x",
    ] {
        exchange(&desk, &format!("{request} HTTP/1.1\nHost: x\nConnection: close\n\n")).await;
    }
    let _client = desk.client("puppet").await;
    let now = metrics(&desk).await;
    let count = |route: &str, method: &str, status: u16| {
        now[&format!(
            "genesis_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        )]
    };
    assert_eq!(count("/health", "GET", 200), 2.0);
    assert_eq!(count("/health", "DELETE", 405), 1.0);
    assert_eq!((count("unmatched", "GET", 404), count("unmatched", "other", 404)), (1.0, 1.0));
    assert_eq!(count("/ws/{agent}", "GET", 426), 1.0);
    assert_eq!(count("/ws/{agent}", "GET", 404), 1.0);
    assert_eq!(count("/ws/{agent}", "GET", 101), 1.0);
    assert_eq!(now["genesis_http_request_duration_seconds_count{route=\"/ws/{agent}\"}"], 3.0);
}

#[tokio::test]
async fn every_answer_carries_the_clients_id_or_a_new_one() {
    let desk = Desk::open().await;
    let upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
    let requests = [
        ("GET /health", "Connection: close\n", 200),
        ("GET /nothing", "Connection: close\n", 404),
        ("DELETE /health", "Connection: close\n", 405),
        ("GET /ws/puppet", "Connection: close\n", 426),
        ("GET /ws/nobody", "Connection: close\n", 404),
        ("GET /ws/puppet", upgrade, 101),
    ];
    let mut made = Vec::new();
    for (line, headers, status) in requests {
        for id in ["trace-me_1.2", "no spaces", "\"quoted\"", "", &"x".repeat(129)] {
            let request = format!("{line} HTTP/1.1\nHost: x\nX-Request-Id: {id}\n{headers}\n");
            let (head, _) = exchange(&desk, &request).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {head}");
            let echoed: Vec<&str> =
                head.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
            assert_eq!(echoed.len(), 1, "{head}");
            if id == "trace-me_1.2" {
                assert_eq!(echoed, [id]);
            } else {
                assert!(echoed[0].starts_with("req_") && echoed[0].len() == 28, "{head}");
                made.push(echoed[0].to_owned());
            }
        }
    }
    let count = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), count, "all new ids differ");
}

#[tokio::test]
async fn a_streamed_answer_over_http_carries_the_id_and_ends_with_its_last_byte() {
    let desk = Desk::open().await;
    let (_, _, body) = desk.get("/v1/models").await;
    assert_eq!(body["object"], "list");
    let chat = |prompt: &str| {
        let body = json!({
            "model": "puppet",
            "stream": true,
            "messages": [{"role": "user", "content": prompt}],
        });
        let body = body.to_string();
        format!(
            "POST /v1/chat/completions HTTP/1.1\nHost: x\nX-Request-Id: chat-1\nConnection: close\n\
             Content-Type: application/json\nContent-Length: {}\n\n{body}",
            body.len()
        )
    };
    let (head, body) = exchange(&desk, &chat("echo abc")).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("x-request-id: chat-1"), "{head}");
    assert!(body.contains("[DONE]"), "{body}");
    let count = |now: &BTreeMap<String, f64>, status: u16| {
        let labels = format!("route=\"/v1/chat/completions\",method=\"POST\",status=\"{status}\"");
        now.get(&format!("genesis_http_requests_total{{{labels}}}")).copied().unwrap_or(0.0)
    };
    let run = |now: &BTreeMap<String, f64>, outcome: &str| {
        let labels = format!("agent=\"puppet\",surface=\"chat_completions\",outcome=\"{outcome}\"");
        now.get(&format!("genesis_runs_total{{{labels}}}")).copied().unwrap_or(0.0)
    };
    let now = metrics(&desk).await;
    assert_eq!((count(&now, 200), run(&now, "finished")), (1.0, 1.0));

    let mut stream = TcpStream::connect(desk.addr).await.unwrap();
    stream.write_all(chat("wait").replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("started") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the stream goes on");
    }
    let now = metrics(&desk).await;
    assert_eq!((count(&now, 200), now["genesis_runs_in_flight{agent=\"puppet\"}"]), (1.0, 1.0), "it goes on");
    drop(stream);
    desk.puppet.live(0).await;
    let now = metrics(&desk).await;
    assert_eq!((count(&now, 200), run(&now, "dropped")), (2.0, 1.0));
}

#[tokio::test]
async fn runs_that_nobody_waits_for_are_counted_once_where_they_are_driven() {
    let desk = Desk::open().await;
    let count = |now: &BTreeMap<String, f64>, outcome: &str| {
        let labels = format!("agent=\"puppet\",surface=\"runs\",outcome=\"{outcome}\"");
        now.get(&format!("genesis_runs_total{{{labels}}}")).copied().unwrap_or(0.0)
    };
    let begin = async |prompt: &str| {
        let body = json!({"agent": "puppet", "input": {"prompt": prompt}});
        let (status, run) = crate::logs::post(&desk, "/v1/runs", "", &body).await;
        assert_eq!(status, 202, "{run}");
        format!("/v1/runs/{}", run["run_id"].as_str().unwrap())
    };
    // To read its log to the end is to wait for it, and no run of its own.
    let ended = async |path: &str| {
        exchange(&desk, &format!("GET {path}/events?stream=true HTTP/1.1\nHost: x\nConnection: close\n\n"))
            .await
    };
    let run = begin("echo hey").await;
    ended(&run).await;
    let now = metrics(&desk).await;
    assert_eq!((count(&now, "finished"), now["genesis_runs_in_flight{agent=\"puppet\"}"]), (1.0, 0.0));
    assert_eq!(now["genesis_tokens_total{agent=\"puppet\",direction=\"output\"}"], 1.0);
    assert_eq!(now["genesis_time_to_first_token_seconds_count{agent=\"puppet\"}"], 1.0);
    let (status, again) = crate::logs::post(&desk, &format!("{run}/retry"), "", &json!({})).await;
    assert_eq!(status, 202);
    ended(&format!("/v1/runs/{}", again["run_id"].as_str().unwrap())).await;
    ended(&begin("fail").await).await;
    let waits = begin("wait").await;
    desk.puppet.live(1).await;
    assert_eq!(metrics(&desk).await["genesis_runs_in_flight{agent=\"puppet\"}"], 1.0);
    crate::logs::post(&desk, &format!("{waits}/cancel"), "", &json!({})).await;
    ended(&waits).await;
    let refused = json!({"agent": "puppet", "input": {"prompt": 5}});
    assert_eq!(crate::logs::post(&desk, "/v1/runs", "", &refused).await.0, 400);
    let now = metrics(&desk).await;
    let counts =
        ["finished", "failed", "cancelled", "refused", "dropped"].map(|outcome| count(&now, outcome));
    assert_eq!(counts, [2.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(now["genesis_run_errors_total{agent=\"puppet\",code=\"model_failed\"}"], 1.0);
}

#[tokio::test]
async fn a_preflight_and_a_refused_request_are_told_too() {
    let mut options = ServeOptions::default();
    options.origins = vec!["https://page.example".to_owned()];
    options.keys = vec![ApiKey::new("team-a", [7; 32])];
    let desk = Desk::with(options).await;
    let id = "X-Request-Id: told-1\nConnection: close\n";
    for (request, status) in [
        (
            format!(
                "OPTIONS /v1/models HTTP/1.1\nHost: x\nOrigin: https://page.example\nAccess-Control-Request-Method: GET\n{id}\n"
            ),
            200,
        ),
        (format!("GET /v1/models HTTP/1.1\nHost: x\n{id}\n"), 401),
        (format!("GET /metrics HTTP/1.1\nHost: x\n{id}\n"), 401),
        (format!("GET /ready HTTP/1.1\nHost: x\n{id}\n"), 200),
    ] {
        let (head, _) = exchange(&desk, &request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}{head}");
        assert!(head.to_lowercase().contains("x-request-id: told-1"), "{head}");
    }
}

/// A model with a queue whose length the test decides.
#[derive(Debug)]
struct Queued {
    puppet: Puppet,
    load: Arc<Mutex<ModelLoad>>,
}

impl Model for Queued {
    fn info(&self) -> &ModelInfo {
        self.puppet.info()
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        self.puppet.generate(request)
    }

    fn current_load(&self) -> Option<ModelLoad> {
        Some(*self.load.lock().unwrap())
    }
}

#[tokio::test]
async fn a_server_is_ready_until_a_queue_is_full_or_it_stops_and_says_which() {
    let load = ModelLoad {
        running: 2,
        running_max: 8,
        waiting: 1,
        waiting_max: 4,
        kv_bytes: 1 << 20,
        kv_bytes_max: 1 << 29,
    };
    let load = Arc::new(Mutex::new(load));
    let (puppet, queue) = (Puppet::new(), Arc::clone(&load));
    let mesh = GenesisMesh::new().model("queued", Queued { puppet: puppet.clone(), load: queue });
    let mut desk = Desk::of(mesh, puppet, ServeOptions::default()).await;
    let (status, _, body) = desk.get("/ready").await;
    assert_eq!((status, body), (200, json!({"status": "ready", "reasons": []})));
    let now = metrics(&desk).await;
    for (name, value) in [
        ("running", 2.0),
        ("running_max", 8.0),
        ("waiting", 1.0),
        ("waiting_max", 4.0),
        ("kv_bytes", 1_048_576.0),
        ("kv_max_bytes", 536_870_912.0),
    ] {
        assert_eq!(now[&format!("genesis_model_{name}{{model=\"queued\"}}")], value, "{name}");
    }
    load.lock().unwrap().waiting = 4;
    let (status, _, body) = desk.get("/ready").await;
    assert_eq!((status, &body["status"]), (503, &json!("not_ready")));
    let reason = json!({
        "code": "model_busy",
        "model": "queued",
        "message": "the queue of `queued` is full: 4 of 4 wait",
    });
    assert_eq!(body["reasons"], json!([reason]));
    load.lock().unwrap().waiting = 3;
    assert_eq!(desk.get("/ready").await.0, 200);

    let mut idle = desk.client("queued").await;
    let mut client = desk.client("queued").await;
    client.send(json!({"prompt": "wait"})).await;
    client.next().await;
    desk.stop();
    assert_eq!(idle.closed().await, 1012);
    let (status, _, body) = desk.get("/ready").await;
    assert_eq!((status, &body["reasons"][0]["code"]), (503, &json!("stopping")));
    client.send(json!({"type": "cancel"})).await;
    client.next().await;
    desk.stopped().await;
}

#[tokio::test]
async fn a_model_without_a_queue_has_no_gauges_and_is_ready() {
    let desk = Desk::open().await;
    assert_eq!(desk.get("/ready").await.0, 200);
    assert!(!metrics(&desk).await.keys().any(|name| name.starts_with("genesis_model_")));
}

#[tokio::test]
async fn information_names_agents_models_and_limits_and_its_links_lead_somewhere() {
    let desk = Desk::open().await;
    let (status, _, info) = desk.get("/info").await;
    assert_eq!(status, 200);
    assert_eq!(info["name"], "genesis-mesh");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["uptime_seconds"].is_u64());
    let agents: Vec<&str> =
        info["agents"].as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(agents, ["lines", "puppet"]);
    assert_eq!(info["agents"][0]["model"], "puppet");
    assert_eq!(info["agents"][1]["socket_url"], "/ws/puppet");
    assert_eq!(info["models"][0]["name"], "puppet");
    assert_eq!(info["limits"]["message_bytes_max"], 1024 * 1024);
    assert_eq!(info["features"], json!({"keys": false, "tls": false, "otlp": false}));
    let schema = desk.get(info["agents"][1]["input_schema_url"].as_str().unwrap()).await;
    assert_eq!(schema.0, 200);
    assert!(schema.2["properties"]["prompt"].is_object(), "{}", schema.2);
    let (status, _, body): (u16, String, Value) = desk.get("/agents/nobody/input-schema").await;
    assert_eq!((status, body["error"]["code"].as_str()), (404, Some("agent_not_found")));
}
