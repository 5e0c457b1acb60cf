//! What a body asks of the model, field by field.

use super::speaker::saying;
use crate::desk::Desk;
use serde_json::{Value, json};

/// What the model was asked, in the debug form of the request.
async fn asked(desk: &Desk, more: Value) -> String {
    let answer = desk.chat(&saying("asked", more)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_field_reaches_the_model() {
    let desk = Desk::open().await;
    let function = json!({"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true});
    let tools = json!([{"type": "function", "function": function}]);
    let cases = [
        (json!({"max_tokens": 7}), "max_tokens: Some(7)"),
        (json!({"max_tokens": 7, "max_completion_tokens": 9}), "max_tokens: Some(9)"),
        (json!({"max_tokens": 7.0}), "max_tokens: Some(7)"),
        (json!({"temperature": 0}), "temperature: 0.0"),
        (json!({"temperature": 0.25}), "temperature: 0.25"),
        (json!({}), "temperature: 1.0"),
        (json!({"temperature": null}), "temperature: 1.0"),
        (json!({"top_p": 0.5}), "top_p: 0.5"),
        (json!({"top_p": 0}), "top_p: 1.1754944e-38"),
        (json!({"top_k": 5}), "top_k: 5"),
        (json!({"top_k": -1}), "top_k: 0"),
        (json!({"min_p": 0.5}), "min_p: 0.5"),
        (json!({"repetition_penalty": 1.5}), "repetition_penalty: 1.5"),
        (json!({"frequency_penalty": -1.5}), "frequency_penalty: -1.5"),
        (json!({"presence_penalty": 1.5}), "presence_penalty: 1.5"),
        (json!({"seed": 12}), "seed: Some(12)"),
        (json!({"seed": -1}), "seed: Some(18446744073709551615)"),
        (json!({"seed": u64::MAX}), "seed: Some(18446744073709551615)"),
        (json!({"stop": "x"}), r#"stop: ["x"]"#),
        (json!({"stop": ["x", "y"]}), r#"stop: ["x", "y"]"#),
        (json!({"stop": null}), "stop: []"),
        (json!({"logprobs": true}), "logprobs: Some(0)"),
        (json!({"logprobs": true, "top_logprobs": 3}), "logprobs: Some(3)"),
        (json!({"logprobs": false, "top_logprobs": 0}), "logprobs: None"),
        (json!({"response_format": {"type": "text"}}), "grammar: None"),
        (json!({"response_format": {"type": "json_object"}}), "grammar: Some(JsonObject)"),
        (
            json!({"response_format": {"type": "json_schema",
                "json_schema": {"name": "n", "strict": true, "schema": {"type": "null"}}}}),
            r#"grammar: Some(JsonSchema(Object {"type": String("null")}))"#,
        ),
        (json!({"response_format": {"type": "regex", "regex": "a+"}}), r#"grammar: Some(Regex("a+"))"#),
        (json!({"response_format": {"type": "grammar", "lark": "start: \"a\""}}), "grammar: Some(Lark("),
        (json!({"tools": tools}), r#"tools: [ToolSpec { name: "f", description: "d", parameters: "#),
        (json!({"tools": tools}), "tool_choice: Auto, is_single_tool_call: false"),
        (json!({"tools": tools, "tool_choice": "none"}), "tool_choice: None"),
        (json!({"tools": tools, "tool_choice": "required"}), "tool_choice: Required"),
        (
            json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
            r#"tool_choice: Named("f")"#,
        ),
        (json!({"tools": tools, "parallel_tool_calls": false}), "is_single_tool_call: true"),
        (json!({"tools": tools, "parallel_tool_calls": true}), "is_single_tool_call: false"),
    ];
    for (more, says) in cases {
        let found = asked(&desk, more.clone()).await;
        assert!(found.contains(says), "{more}: {says} is not in {found}");
    }
}

#[tokio::test]
async fn unknown_and_foreign_fields_are_ignored() {
    let desk = Desk::open().await;
    let plain = asked(&desk, json!({})).await;
    let more = json!({
        "user": "u", "metadata": {"a": "b"}, "store": false, "service_tier": "auto", "logit_bias": {"1": 2},
        "reasoning_effort": "low", "nobody_knows": [1], "functions": null, "function_call": null,
        "stream_options": null, "tools": null, "n": null, "response_format": null, "modalities": ["text"],
    });
    assert_eq!(asked(&desk, more).await, plain);
    let tool = json!([{"type": "function", "new": 1, "function": {"name": "f", "new": 2}}]);
    assert!(asked(&desk, json!({"tools": tool})).await.contains("ToolSpec"), "also within tools");
}

#[tokio::test]
async fn messages_of_every_role_reach_the_model() {
    let desk = Desk::open().await;
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([
        {"role": "developer", "content": "asked "},
        {"role": "system", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "user", "content": "hi", "name": "Ada"},
        {"role": "assistant", "content": null, "refusal": null, "audio": null, "function_call": null,
            "annotations": [], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "refusal": "never"},
    ]);
    let found = asked(&desk, json!({"messages": messages})).await;
    let says = [
        r#"Message { id: None, role: System, content: "asked ", name: None, tool_calls: [], tool_call_id: None }"#,
        r#"role: System, content: "one\ntwo""#,
        r#"role: User, content: "hi", name: Some("Ada")"#,
        r#"role: Assistant, content: "", name: None, tool_calls: [ToolCall { id: "c1", name: "f", arguments: "{}" }]"#,
        r#"role: Tool, content: "4", name: None, tool_calls: [], tool_call_id: Some("c1")"#,
        r#"role: Assistant, content: "no""#,
        r#"role: Assistant, content: "never""#,
    ];
    for says in says {
        assert!(found.contains(says), "{says} is not in {found}");
    }
}

#[tokio::test]
async fn choices_share_the_prompt_and_count_the_seed_up() {
    let desk = Desk::open().await;
    let answer = desk.chat(&saying("asked", json!({"n": 3, "seed": 40}))).await;
    let choices = answer.body["choices"].as_array().unwrap();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        let content = choice["message"]["content"].as_str().unwrap();
        assert!(content.contains(&format!("seed: Some({})", 40 + index)), "{content}");
    }
    assert_eq!(choices.len(), 3);
    // Each puppet reads one token and makes one: the prompt is counted once.
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4});
    assert_eq!(answer.body["usage"], usage);
}

#[tokio::test]
async fn a_pipeline_takes_the_last_user_message() {
    let desk = Desk::open().await;
    let body = json!({"model": "lines", "messages": [{"role": "user", "content": "cats"}]});
    let answer = desk.chat(&body).await;
    assert_eq!(answer.body["choices"][0]["message"]["content"], "cats", "{}", answer.body);
}
