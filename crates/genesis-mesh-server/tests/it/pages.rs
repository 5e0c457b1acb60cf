//! Pages and descriptions: they come from this server alone, and what they say is so.

use crate::desk::Desk;
use genesis_mesh::Schema;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn client() -> reqwest::Client {
    // An error means that another test was first.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

/// The answer to GET: status, head and body as text.
async fn text(desk: &Desk, path: &str) -> (u16, String, String) {
    let answer = client().get(format!("http://{}{path}", desk.addr)).send().await.unwrap();
    let status = answer.status().as_u16();
    let head = format!("{:?}", answer.headers());
    (status, head, answer.text().await.unwrap())
}

async fn document(desk: &Desk, path: &str) -> Value {
    let (status, _, body) = text(desk, path).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

/// Every `$ref` in `value`.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(target)) => vec![target.clone()],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let desk = Desk::open().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
        ("/docs", "text/html"),
        ("/docs/start.js", "text/javascript"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
    ] {
        let (status, head, body) = text(&desk, path).await;
        assert_eq!(status, 200, "{path}");
        assert!(
            head.contains(kind) && head.contains("default-src 'none'") && head.contains("nosniff"),
            "{head}"
        );
        assert!(body.len() > 100, "{path}");
        if !path.contains("swagger") {
            assert!(!body.contains("http://") && !body.contains("https://"), "{path} names another host");
        }
    }
    assert_eq!(text(&desk, "/docs/index.html").await.0, 404);
}

#[tokio::test]
async fn descriptions_are_whole() {
    let desk = Desk::open().await;
    for path in ["/openapi.json", "/asyncapi.json"] {
        let document = document(&desk, path).await;
        let references = references(&document);
        // Those in an agent's own schema are relative to that schema.
        let foreign =
            |target: &&String| target.starts_with("#/components") || target.starts_with("#/channels");
        assert!(references.iter().filter(foreign).count() > 5);
        for target in references.iter().filter(foreign) {
            assert!(document.pointer(&target[1..]).is_some(), "{path}: {target} leads nowhere");
        }
    }
}

#[tokio::test]
async fn every_described_operation_is_answered_as_described() {
    let desk = Desk::open().await;
    let document = document(&desk, "/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 18);
    let mut client = desk.client("puppet?thread_id=t").await;
    client.send(json!({"prompt": "echo a"})).await;
    let run = client.next_logged().await["run_id"].as_str().unwrap().to_owned();
    let mut operations: Vec<_> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(name, told)| (path, name, told))
        })
        .collect();
    // What is there is asked for before it is deleted.
    operations.sort_by_key(|(_, method, _)| *method == "delete");
    let mut statuses = BTreeMap::new();
    for (path, method, operation) in operations {
        let filled = path.replace("{model}", "puppet").replace("{agent}", "puppet");
        let filled = filled.replace("{run}", &run).replace("{thread}", "t");
        let method: reqwest::Method = method.to_uppercase().parse().unwrap();
        let request = self::client().request(method.clone(), format!("http://{}{filled}", desk.addr));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16().to_string();
        assert!(operation["responses"].get(&status).is_some(), "{method} {path}: {status} is not described");
        let body = answer.text().await.unwrap();
        assert!(!body.contains("route_not_found"), "{method} {path} does not exist");
        statuses.insert(operation["operationId"].as_str().unwrap().to_owned(), status);
    }
    for (id, status) in [
        ("createRun", "415"),
        ("readRun", "200"),
        ("cancelRun", "202"),
        ("retryRun", "202"),
        ("deleteRun", "200"),
        ("deleteThread", "200"),
    ] {
        assert_eq!(statuses[id], status, "{id}");
    }
}

/// Holds a JSON answer to what the document says of it.
fn check(document: &Value, operation: &Value, status: &str, answer: &Value) {
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    let schema = json!({"allOf": [schema], "components": document["components"]});
    let held = Schema::compile(schema).unwrap().check(answer);
    held.unwrap_or_else(|error| panic!("{answer} is not as described: {error}"));
}

#[tokio::test]
async fn a_run_and_its_log_are_as_described() {
    let desk = Desk::open().await;
    let document = document(&desk, "/openapi.json").await;
    let paths = &document["paths"];
    let example = &paths["/v1/runs"]["post"]["requestBody"]["content"]["application/json"]["examples"]["plain"]
        ["value"];
    let mut body = example.clone();
    body["agent"] = json!("puppet");
    body["thread_id"] = json!("t");
    let url = format!("http://{}/v1/runs", desk.addr);
    let request = client().post(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let run: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    check(&document, &paths["/v1/runs"]["post"], "202", &run);
    let id = run["run_id"].as_str().unwrap();
    let (_, _, whole) = text(&desk, &format!("/v1/runs/{id}/events?stream=true")).await;
    let last = whole.trim_end().rsplit("data: ").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["type"], "done", "{whole}");
    for (path, filled) in [
        ("/v1/runs", "/v1/runs".to_owned()),
        ("/v1/runs/{run}", format!("/v1/runs/{id}")),
        ("/v1/runs/{run}/events", format!("/v1/runs/{id}/events")),
        ("/v1/threads", "/v1/threads".to_owned()),
        ("/v1/threads/{thread}", "/v1/threads/t".to_owned()),
        ("/v1/threads/{thread}/history", "/v1/threads/t/history".to_owned()),
    ] {
        let (status, _, body) = text(&desk, &filled).await;
        assert_eq!(status, 200, "{filled}: {body}");
        check(&document, &paths[path]["get"], "200", &serde_json::from_str(&body).unwrap());
    }
    assert_eq!(text(&desk, "/v1/runs/%FF").await.0, 400);
    assert_eq!(text(&desk, "/v1/threads/%FF").await.0, 400);
}

#[tokio::test]
async fn the_examples_of_a_chat_request_run() {
    let desk = Desk::open().await;
    let document = document(&desk, "/openapi.json").await;
    let examples =
        &document["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"];
    let examples = examples["examples"].as_object().unwrap();
    assert_eq!(examples.len(), 3);
    for (name, example) in examples {
        let url = format!("http://{}/v1/chat/completions", desk.addr);
        let body = example["value"].to_string();
        let request = client().post(url).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        assert!(!answer.text().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn sockets_are_described_by_the_agents_own_schemas() {
    let mut desk = Desk::open().await;
    let document = document(&desk, "/asyncapi.json").await;
    let channels = document["channels"].as_object().unwrap();
    assert_eq!(channels.keys().collect::<Vec<_>>(), ["lines", "puppet"]);
    let input = &document["components"]["messages"]["input.lines"]["payload"];
    let schema = Schema::compile(input.clone()).unwrap();
    schema.check(&json!({"topic": "cats"})).unwrap();
    schema.check(&json!({"subject": "cats"})).unwrap_err();
    let mut client = desk.client("puppet").await;
    client.send(json!({"prompt": "echo one two"})).await;
    let update = json!({
        "allOf": [document["components"]["messages"]["update"]["payload"]], "components": document["components"],
    });
    let update = Schema::compile(update).unwrap();
    loop {
        let message = client.next_logged().await;
        update.check(&message).unwrap();
        assert!(message["seq"].is_u64(), "{message}");
        if message["type"] == "done" {
            break;
        }
    }
    desk.stop();
}
