//! Answers in one piece, and the list of models.

use super::speaker::saying;
use crate::desk::Desk;
use genesis_mesh_server::{ApiKey, Scope, ServeOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_answer_has_every_field_that_clients_read() {
    let desk = Desk::open().await;
    let answer = desk.chat(&saying("echo hi there", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let body = &answer.body;
    let fields = ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"];
    assert_eq!(keys(body), fields);
    let id = body["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-") && id.len() == 41, "{id}");
    assert_eq!((body["object"].as_str(), body["model"].as_str()), (Some("chat.completion"), Some("puppet")));
    assert!(body["created"].as_u64().unwrap() > 1_700_000_000);
    let message = json!({"role": "assistant", "content": "hi there", "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    assert_eq!(body["choices"], json!([choice]));
    assert_eq!(body["usage"], json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}));
    let other = desk.chat(&saying("echo hi there", json!({}))).await;
    assert_ne!(other.body["id"], body["id"]);
    desk.stopped().await;
}

#[tokio::test]
async fn tool_calls_come_with_null_content() {
    let desk = Desk::open().await;
    let answer = desk.chat(&saying(r#"call {"city":"Köln"}"#, json!({}))).await;
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls = [call("call_1", "get_weather", r#"{"city":"Köln"}"#), call("call_2", "now", "{}")];
    let message = json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls});
    assert_eq!(answer.body["choices"][0]["message"], message);
    assert_eq!(answer.body["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn log_probabilities_come_with_bytes_and_rivals() {
    let desk = Desk::open().await;
    let answer = desk.chat(&saying("likely ab", json!({"logprobs": true, "top_logprobs": 2}))).await;
    let rival = json!({"token": "ü", "logprob": -9999.0, "bytes": [195, 188]});
    let entry = |token: &str, byte: u8| {
        let own = json!({"token": token, "logprob": -0.5, "bytes": [byte]});
        json!({"token": token, "logprob": -0.5, "bytes": [byte], "top_logprobs": [own, rival]})
    };
    let logprobs = json!({"content": [entry("a", 97), entry("b", 98)], "refusal": null});
    assert_eq!(answer.body["choices"][0]["logprobs"], logprobs);
    let without = desk.chat(&saying("likely ab", json!({}))).await;
    assert_eq!(without.body["choices"][0]["logprobs"], Value::Null);
}

#[tokio::test]
async fn every_reason_to_end_has_its_name() {
    let desk = Desk::open().await;
    for reason in ["stop", "length", "tool_calls", "content_filter"] {
        let answer = desk.chat(&saying(&format!("end {reason}"), json!({}))).await;
        assert_eq!(answer.body["choices"][0]["finish_reason"], reason);
    }
    // Who was stopped has no whole answer to give.
    let answer = desk.chat(&saying("end cancelled", json!({}))).await;
    assert_eq!((answer.status, answer.code()), (503, "stopping"));
}

#[tokio::test]
async fn models_are_the_agents() {
    let desk = Desk::open().await;
    let (status, _, list) = desk.get("/v1/models").await;
    assert_eq!((status, list["object"].as_str()), (200, Some("list")));
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["lines", "puppet"]);
    let (status, _, one) = desk.get("/v1/models/puppet").await;
    assert_eq!((status, &one), (200, &list["data"][1]));
    assert_eq!(keys(&one), ["id", "object", "created", "owned_by"]);
    assert_eq!((one["object"].as_str(), one["owned_by"].as_str()), (Some("model"), Some("genesis-mesh")));
    assert!(one["created"].as_u64().unwrap() > 1_700_000_000);
    for (path, status, code) in
        [("/v1/models/nobody", 404, "agent_not_found"), ("/v1/models/%FF", 400, "invalid_path")]
    {
        let (found, _, body) = desk.get(path).await;
        assert_eq!((found, body["error"]["code"].as_str()), (status, Some(code)), "{body}");
    }
}

#[tokio::test]
async fn a_key_sees_the_models_that_it_opens_and_no_others() {
    let mut options = ServeOptions::default();
    let mut key = ApiKey::new("one", Sha256::digest("gm_one").into());
    key.scopes = vec![Scope::Agent("puppet".into())];
    options.keys = vec![key];
    let desk = Desk::with(options).await;
    let get = |path| {
        let head =
            format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer gm_one\n\n");
        let desk = &desk;
        async move { desk.http(&head).await }
    };
    let (_, _, list) = get("/v1/models").await;
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["puppet"]);
    assert_eq!(get("/v1/models/puppet").await.0, 200);
    let (status, _, body) = get("/v1/models/lines").await;
    assert_eq!((status, body["error"]["code"].as_str()), (403, Some("scope_missing")), "{body}");
    let headers = "content-type: application/json\nauthorization: Bearer gm_one\n";
    let allowed = saying("echo hi", json!({})).to_string();
    assert_eq!(desk.post(headers, allowed.as_bytes()).await.status, 200);
    let refused = desk.post(headers, allowed.replace("puppet", "lines").as_bytes()).await;
    assert_eq!((refused.status, refused.code()), (403, "scope_missing"));
}
