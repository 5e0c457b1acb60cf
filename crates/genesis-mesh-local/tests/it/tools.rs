//! Tool calls of the real model: valid whatever it draws, found while they are made, and never a marker in the text.

use crate::model::{local, stream, text_of};
use futures_util::StreamExt;
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Grammar, Message, Model, ModelError, ModelEvent, Prompt, Role, Sampling,
    ToolCall, ToolCallDelta, ToolChoice, ToolSpec,
};
use genesis_mesh_local::{LocalModel, LocalOptions};
use serde_json::{Value, json};

type Events = Vec<Result<ModelEvent, ModelError>>;

fn tool(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters }
}

fn object(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn tools() -> Vec<ToolSpec> {
    vec![
        tool(
            "get_weather",
            "Says the weather in a city.",
            object(&json!({ "city": { "type": "string", "maxLength": 20 } })),
        ),
        tool(
            "add",
            "Adds two numbers.",
            object(&json!({ "a": { "type": "number" }, "b": { "type": "number" } })),
        ),
        tool("get_time", "Says what time it is.", object(&json!({}))),
    ]
}

/// The schema of the `index`th forced call: no two are the same.
fn schema(index: u64) -> Value {
    let text = json!({ "type": "string", "maxLength": 4 + index });
    let value = match index % 5 {
        0 => json!({ "enum": ["red", "green", index] }),
        1 => json!({ "type": "integer", "minimum": 0, "maximum": index * 10 }),
        2 => {
            json!({ "type": "array", "items": { "type": "boolean" }, "minItems": 1, "maxItems": 1 + index % 4 })
        }
        3 => json!({ "type": "number" }),
        _ => object(&json!({ "inner": text.clone(), "flag": { "type": "boolean" } })),
    };
    object(&json!({ format!("field_{index}"): value, "note": text }))
}

fn ask(text: &str, seed: u64, tools: Vec<ToolSpec>, tool_choice: ToolChoice) -> GenerateRequest {
    GenerateRequest {
        prompt: Prompt::Messages(vec![Message::new(Role::User, text)]),
        max_tokens: Some(400),
        sampling: Sampling { temperature: 1.0, seed: Some(seed), ..Sampling::default() },
        tools,
        tool_choice,
        ..GenerateRequest::default()
    }
}

async fn events(model: &LocalModel, request: GenerateRequest) -> Events {
    stream(model, request).await.collect().await
}

async fn all(model: &LocalModel, requests: impl IntoIterator<Item = GenerateRequest>) -> Vec<Events> {
    futures_util::future::join_all(requests.into_iter().map(|request| events(model, request))).await
}

fn calls(events: &Events) -> Vec<ToolCall> {
    let call = |event: &Result<ModelEvent, ModelError>| match event {
        Ok(ModelEvent::ToolCall(call)) => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn deltas(events: &Events) -> Vec<ToolCallDelta> {
    let delta = |event: &Result<ModelEvent, ModelError>| match event {
        Ok(ModelEvent::ToolCallDelta(delta)) => Some(delta.clone()),
        _ => None,
    };
    events.iter().filter_map(delta).collect()
}

#[track_caller]
fn reason(events: &Events) -> FinishReason {
    let Some(Ok(ModelEvent::Done { finish_reason, .. })) = events.last() else { panic!("{events:?}") };
    *finish_reason
}

/// Each call is one of `tools`, valid, and was told in pieces before.
#[track_caller]
fn assert_valid(events: &Events, tools: &[ToolSpec]) {
    let text = text_of(events);
    assert!(!text.contains("<tool_call>") && !text.contains("\"arguments\""), "{text}");
    for call in calls(events) {
        let tool = tools.iter().find(|tool| tool.name == call.name).expect("a tool of the request");
        let value: Value =
            serde_json::from_str(&call.arguments).unwrap_or_else(|error| panic!("{error}: {call:?}"));
        assert!(jsonschema::is_valid(&tool.parameters, &value), "{call:?}");
        let own = deltas(events).into_iter().filter(|delta| delta.id == call.id && delta.name == call.name);
        assert_eq!(own.map(|delta| delta.arguments).collect::<String>(), call.arguments);
    }
}

#[tokio::test]
async fn fifty_forced_calls_at_temperature_1_parse_and_validate() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let request = |seed: u64| {
        let tools = vec![
            tool("note_it", "Takes a note.", schema(seed)),
            tool("look_up", "Looks.", schema(seed + 50)),
        ];
        let request = ask("Take a note about the sea.", seed, tools, ToolChoice::Required);
        GenerateRequest { is_single_tool_call: true, ..request }
    };
    for (seed, answer) in (0..).zip(all(&model, (0..50).map(request)).await) {
        let made = calls(&answer);
        assert!(matches!(made.as_slice(), [_]), "{seed}: {answer:?}");
        assert_eq!((reason(&answer), text_of(&answer).as_str()), (FinishReason::ToolCalls, ""));
        assert_valid(&answer, &request(seed).tools);
    }
}

#[tokio::test]
async fn a_named_tool_is_the_one_that_is_called_and_required_may_call_several() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let named = |name: &str, seed| {
        ask("What is the weather in Rome?", seed, tools(), ToolChoice::Named(name.to_owned()))
    };
    let names = ["get_weather", "add", "get_time"];
    let requests = names.iter().flat_map(|name| (0..4).map(|seed| named(name, seed)));
    for (index, answer) in all(&model, requests).await.into_iter().enumerate() {
        let made = calls(&answer);
        assert!(matches!(made.as_slice(), [call] if call.name == names[index / 4]), "{answer:?}");
        assert_valid(&answer, &tools());
    }
    let required = |seed| {
        ask("What is the weather in Rome and in Paris? What is 1 + 2?", seed, tools(), ToolChoice::Required)
    };
    let answers = all(&model, (0..8).map(required)).await;
    assert!(answers.iter().any(|answer| calls(answer).len() > 1), "one call each: {answers:?}");
    for answer in answers {
        assert!(!calls(&answer).is_empty());
        assert_valid(&answer, &tools());
    }
}

/// A conversation in which the model has called a tool each time, so that it calls it again.
///
/// `has_results`: with the results and what the model said of them; then it goes on in words.
fn after_calls(seed: u64, has_results: bool) -> GenerateRequest {
    let mut messages = Vec::new();
    for (city, weather) in [("Paris", "sunny"), ("Oslo", "rainy"), ("Cairo", "hot")] {
        messages.push(Message::new(Role::User, format!("What is the weather in {city}?")));
        let arguments = json!({ "city": city }).to_string();
        let call = ToolCall { id: format!("call_{city}"), name: "get_weather".to_owned(), arguments };
        messages.push(Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") });
        if has_results {
            let tool_call_id = Some(format!("call_{city}"));
            messages.push(Message { tool_call_id, ..Message::new(Role::Tool, weather) });
            messages.push(Message::new(Role::Assistant, format!("It is {weather} in {city}.")));
        }
    }
    messages.push(Message::new(Role::User, "What is the weather in Rome?"));
    GenerateRequest { prompt: Prompt::Messages(messages), ..ask("", seed, tools(), ToolChoice::Auto) }
}

#[tokio::test]
async fn a_model_that_may_call_makes_valid_calls_or_plain_text() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let answers = all(&model, (0..32).map(|seed| after_calls(seed, seed % 4 == 0))).await;
    let mut called = 0;
    for answer in &answers {
        let made = calls(answer).len();
        called += usize::from(made > 0);
        match reason(answer) {
            FinishReason::ToolCalls => assert!(made > 0),
            FinishReason::Stop => assert!(made == 0 && deltas(answer).is_empty(), "{answer:?}"),
            other => assert_eq!(other, FinishReason::Length),
        }
        assert_valid(answer, &tools());
    }
    assert!(
        called >= 8,
        "{called} of 32 called: {:?}",
        answers.iter().map(|answer| text_of(answer)).collect::<Vec<_>>()
    );
    // What it may not do it does not.
    let silent =
        (0..8).map(|seed| GenerateRequest { tool_choice: ToolChoice::None, ..after_calls(seed, false) });
    for answer in all(&model, silent).await {
        assert!(calls(&answer).is_empty() && deltas(&answer).is_empty());
    }
}

#[tokio::test]
async fn a_seeded_call_repeats_with_its_id() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let request = || ask("What is 2 + 3?", 5, tools(), ToolChoice::Required);
    assert_eq!(events(&model, request()).await, events(&model, request()).await);
    let other = events(&model, ask("What is 2 + 3?", 6, tools(), ToolChoice::Required)).await;
    assert_ne!(calls(&other)[0].id, calls(&events(&model, request()).await)[0].id);
}

#[tokio::test]
async fn a_call_that_is_cancelled_or_cut_is_no_call() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let long = || {
        let text = object(&json!({ "text": { "type": "string", "minLength": 3000 } }));
        ask("Write a story.", 1, vec![tool("write", "Writes.", text)], ToolChoice::Required)
    };
    let cut = events(&model, GenerateRequest { max_tokens: Some(60), ..long() }).await;
    assert_eq!(reason(&cut), FinishReason::Length);
    assert!(calls(&cut).is_empty() && deltas(&cut).len() > 10 && text_of(&cut).is_empty(), "{cut:?}");
    let mut open = stream(&model, GenerateRequest { max_tokens: Some(2000), ..long() }).await;
    let first = open.next().await;
    assert!(
        matches!(&first, Some(Ok(ModelEvent::ToolCallDelta(delta))) if delta.name == "write"),
        "{first:?}"
    );
    open.cancel_handle().cancel();
    let rest: Events = open.collect().await;
    assert_eq!(reason(&rest), FinishReason::Cancelled);
    assert!(calls(&rest).is_empty() && text_of(&rest).is_empty());
}

#[tokio::test]
async fn stop_strings_and_log_probabilities_are_of_text_alone() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let request =
        ask("What is the weather in Rome?", 3, tools(), ToolChoice::Named("get_weather".to_owned()));
    let answer =
        events(&model, GenerateRequest { stop: vec!["\"".to_owned()], logprobs: Some(2), ..request }).await;
    assert_eq!((calls(&answer).len(), reason(&answer)), (1, FinishReason::ToolCalls));
    let request =
        GenerateRequest { tools: tools(), ..ask("Count to ten: 1, 2,", 3, tools(), ToolChoice::Auto) };
    let mut answer = stream(&model, GenerateRequest { logprobs: Some(0), ..request }).await;
    while let Some(event) = answer.next().await {
        if let ModelEvent::Text { logprobs, .. } = event.unwrap() {
            assert!(!logprobs.is_empty());
        }
    }
}

#[tokio::test]
async fn with_a_response_format_the_answer_has_it_or_is_calls() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let format = object(&json!({ "answer": { "type": "string", "maxLength": 30 } }));
    let request = |seed, choice| GenerateRequest {
        grammar: Some(Grammar::JsonSchema(format.clone())),
        ..ask("What is the weather in Rome?", seed, tools(), choice)
    };
    for answer in all(&model, (0..8).map(|seed| request(seed, ToolChoice::Auto))).await {
        assert_valid(&answer, &tools());
        if calls(&answer).is_empty() {
            let value: Value = serde_json::from_str(&text_of(&answer)).unwrap();
            assert!(jsonschema::is_valid(&format, &value));
        } else {
            assert_eq!(text_of(&answer), "");
        }
    }
    let regex =
        GenerateRequest { grammar: Some(Grammar::Regex("a".to_owned())), ..request(1, ToolChoice::Auto) };
    let error = model.generate(regex).await.map(drop);
    assert!(
        matches!(&error, Err(ModelError::InvalidRequest { param: Some(param), .. }) if param == "response_format")
    );
}

#[tokio::test]
async fn a_mistake_in_a_tool_is_told_before_anything_is_computed() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let bad = object(&json!({ "x": { "type": "string", "pattern": "(" } }));
    let request = ask("x", 1, [tools(), vec![tool("bad", "", bad)]].concat(), ToolChoice::Auto);
    let error = model.generate(request).await.map(drop);
    let expected = "tools[3].function.parameters";
    assert!(
        matches!(&error, Err(ModelError::InvalidRequest { param: Some(param), .. }) if param == expected),
        "{error:?}"
    );
    assert_eq!(model.current_load().unwrap().running, 0);
}
