//! Requests: what is sent, and what is not.

use super::*;
use serde_json::json;

fn asked(edit: impl FnOnce(&mut GenerateRequest)) -> Result<Value, ModelError> {
    let mut request = GenerateRequest {
        prompt: Prompt::Messages(vec![Message::new(Role::User, "hi")]),
        ..Default::default()
    };
    edit(&mut request);
    body(&request, "m").map(|body| serde_json::from_slice(&body).expect("JSON"))
}

/// The fields that `edit` adds to the smallest request.
fn added(edit: impl FnOnce(&mut GenerateRequest)) -> Value {
    let mut body = asked(edit).expect("a body");
    let fields = body.as_object_mut().expect("an object");
    for (name, value) in smallest().as_object().expect("an object") {
        assert_eq!(fields.remove(name).as_ref(), Some(value), "{name}");
    }
    body
}

fn smallest() -> Value {
    json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": true,
        "stream_options": {"include_usage": true},
        "temperature": 0.0,
    })
}

fn tool() -> ToolSpec {
    let parameters = json!({"type": "object"});
    ToolSpec { name: "look".to_owned(), description: "Looks.".to_owned(), parameters }
}

fn param(result: Result<Value, ModelError>) -> Option<String> {
    match result {
        Err(ModelError::InvalidRequest { param, .. }) => param,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_request_has_the_temperature_and_nothing_that_is_not_set() {
    assert_eq!(asked(|_| {}), Ok(smallest()));
}

#[test]
fn limits_and_sampling_are_sent_under_their_names_if_they_are_set() {
    let fields = added(|request| {
        request.max_tokens = Some(7);
        request.stop = vec!["END".to_owned()];
        request.logprobs = Some(3);
        request.sampling = Sampling {
            top_k: 40,
            top_p: 0.9,
            min_p: 0.1,
            repetition_penalty: 1.1,
            frequency_penalty: 0.5,
            presence_penalty: -0.5,
            seed: Some(u64::MAX),
            ..Sampling::default()
        };
    });
    let expected = json!({
        "max_completion_tokens": 7,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "seed": 18_446_744_073_709_551_615_u64,
        "stop": ["END"],
        "logprobs": true,
        "top_logprobs": 3,
    });
    assert_eq!(fields, expected);
    assert_eq!(added(|request| request.logprobs = Some(0)), json!({"logprobs": true}));
}

#[test]
fn a_conversation_keeps_names_calls_and_results() {
    let body = asked(|request| {
        let mut call = Message::new(Role::Assistant, "");
        call.tool_calls =
            vec![ToolCall { id: "c1".to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() }];
        let mut result = Message::new(Role::Tool, "blue");
        result.tool_call_id = Some("c1".to_owned());
        let mut user = Message::new(Role::User, "");
        user.name = Some("ann".to_owned());
        request.prompt = Prompt::Messages(vec![Message::new(Role::System, "be brief"), user, call, result]);
    });
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "", "name": "ann"},
        {"role": "assistant", "content": null, "tool_calls":
            [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "content": "blue", "tool_call_id": "c1"},
    ]);
    assert_eq!(body.expect("a body")["messages"], expected);
}

#[test]
fn tools_and_choices_are_sent_unless_they_are_the_default() {
    let tools = json!([{"type": "function", "function":
        {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}]);
    let choice = |choice: ToolChoice| {
        added(|request| {
            request.tools = vec![tool()];
            request.tool_choice = choice;
        })
    };
    assert_eq!(choice(ToolChoice::Auto), json!({"tools": tools}));
    assert_eq!(choice(ToolChoice::None), json!({"tools": tools, "tool_choice": "none"}));
    assert_eq!(choice(ToolChoice::Required), json!({"tools": tools, "tool_choice": "required"}));
    let named = json!({"type": "function", "function": {"name": "look"}});
    assert_eq!(choice(ToolChoice::Named("look".to_owned())), json!({"tools": tools, "tool_choice": named}));
    let single = added(|request| {
        request.tools = vec![tool()];
        request.is_single_tool_call = true;
    });
    assert_eq!(single, json!({"tools": tools, "parallel_tool_calls": false}));
    assert_eq!(added(|request| request.is_single_tool_call = true), json!({}));
    assert_eq!(added(|request| request.tool_choice = ToolChoice::None), json!({}));
    let required = asked(|request| request.tool_choice = ToolChoice::Required);
    assert_eq!(param(required).as_deref(), Some("tool_choice"));
}

#[test]
fn forms_of_json_are_sent_and_others_are_refused() {
    let grammar = |grammar: Grammar| asked(|request| request.grammar = Some(grammar));
    let format = |given: Grammar| grammar(given).expect("a body")["response_format"].clone();
    assert_eq!(format(Grammar::JsonObject), json!({"type": "json_object"}));
    let schema = json!({"type": "object"});
    assert_eq!(
        format(Grammar::JsonSchema(schema.clone())),
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}})
    );
    for refused in [Grammar::Lark("start: \"a\"".to_owned()), Grammar::Regex("a".to_owned())] {
        assert_eq!(param(grammar(refused)).as_deref(), Some("response_format"));
    }
}

#[test]
fn a_raw_prompt_is_refused() {
    let raw = asked(|request| request.prompt = Prompt::Text("x".to_owned()));
    assert_eq!(param(raw).as_deref(), Some("raw_prompt"));
}

#[test]
fn a_cut_answer_can_not_go_on() {
    assert_eq!(param(asked(|request| request.made = vec![1])).as_deref(), Some("made"));
    assert_eq!(added(|request| request.tells_tokens = true), json!({}));
}
