//! Pages and descriptions: they come from this server alone, and what they say is so.

use crate::desk::Desk;
use genesis_mesh::Schema;
use serde_json::{Value, json};

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
    assert!(paths.len() >= 10);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let filled = path.replace("{model}", "puppet").replace("{agent}", "puppet");
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let request = client().request(method.clone(), format!("http://{}{filled}", desk.addr));
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16().to_string();
            assert!(
                operation["responses"].get(&status).is_some(),
                "{method} {path}: {status} is not described"
            );
            let body = answer.text().await.unwrap();
            assert!(!body.contains("route_not_found"), "{method} {path} does not exist");
        }
    }
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
        "$ref": "#/components/schemas/Update", "components": document["components"],
    });
    let update = Schema::compile(update).unwrap();
    loop {
        let message = client.next().await;
        update.check(&message).unwrap();
        if message["type"] == "done" {
            break;
        }
    }
    desk.stop();
}
