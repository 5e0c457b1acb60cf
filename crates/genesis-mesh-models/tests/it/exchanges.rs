//! Exchanges: requests as they must be sent, and answers as servers give them, in the files of `exchanges/`.
//!
//! Owns: the events that each answer becomes, however its bytes are cut.
//! Never: compares texts of JSON: the order of fields means nothing.
//! Source: the fields and the order of events of OpenAI's API; `habits.sse` has what other servers do.

use crate::upstream::*;
use futures_util::StreamExt as _;
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Grammar, Message, Model as _, ModelEvent, Prompt, Role, TokenLogprob,
    ToolCall, ToolCallDelta, ToolChoice, ToolSpec, Usage,
};
use serde_json::{Value, json};

fn ask_for(text: &str) -> GenerateRequest {
    let prompt = Prompt::Messages(vec![Message::new(Role::User, text)]);
    GenerateRequest { prompt, ..Default::default() }
}

/// What `request` becomes when the upstream answers with `body`; checks what is sent against `sent`.
async fn exchange(request: GenerateRequest, sent: Option<&str>, body: &str) -> Vec<ModelEvent> {
    let kind = if body.starts_with('{') { "application/json; charset=utf-8" } else { "text/event-stream" };
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    let whole = vec![Step::Send(head.clone().into()), Step::Send(body.into())];
    let dripped = vec![Step::Send(head.into()), Step::Drip(body.into())];
    let mut upstream = FaultUpstream::start(vec![whole, dripped]).await;
    let model = upstream.model(|options| options.headers = vec![("x-team".to_owned(), "blue".to_owned())]);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let items: Vec<Item> = model.generate(request.clone()).await.unwrap().collect().await;
        answers.push(items.into_iter().map(Result::unwrap).collect::<Vec<_>>());
        let request = upstream.request().await;
        check_head(&request.head);
        if let Some(sent) = sent {
            assert_eq!(request.body, serde_json::from_str::<Value>(sent).unwrap());
        }
    }
    let dripped = answers.pop().unwrap();
    assert_eq!(answers.pop().unwrap(), dripped, "the same in one piece and byte by byte");
    dripped
}

fn check_head(head: &str) {
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    let key = format!("authorization: bearer {KEY}");
    for line in [&key, "content-type: application/json", "x-team: blue", "user-agent: genesis-mesh/0.1.0"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Text { text: text.to_owned(), logprobs: Vec::new() }
}

fn done(input: u64, output: u64, finish_reason: FinishReason) -> ModelEvent {
    ModelEvent::Done { usage: Usage::new(input, output), finish_reason }
}

#[tokio::test]
async fn text_comes_in_whole_characters_with_the_usage_that_is_told() {
    let mut request = ask_for("Größe?");
    let Prompt::Messages(messages) = &mut request.prompt else { panic!() };
    messages.insert(0, Message::new(Role::System, "Be brief."));
    request.max_tokens = Some(64);
    request.sampling.temperature = 0.7;
    request.sampling.top_p = 0.9;
    request.sampling.seed = Some(7);
    request.stop = vec!["END".to_owned()];
    let sent = include_str!("exchanges/text.request.json");
    let events = exchange(request, Some(sent), include_str!("exchanges/text.sse")).await;
    let expected = [text("Grö"), text("ße 42 "), text("🦀."), done(19, 6, FinishReason::Stop)];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn the_habits_of_other_servers_are_understood() {
    let events = exchange(ask_for("Hi."), None, include_str!("exchanges/habits.sse")).await;
    assert_eq!(events, [text("a"), text("b"), done(1, 2, FinishReason::Length)]);
}

#[tokio::test]
async fn parallel_calls_come_as_pieces_and_whole_at_the_end() {
    let mut request = ask_for("Paris and Rome?");
    request.tools = vec![ToolSpec {
        name: "get_weather".to_owned(),
        description: "The weather of a city.".to_owned(),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    }];
    request.tool_choice = ToolChoice::Required;
    let sent = include_str!("exchanges/tools.request.json");
    let events = exchange(request, Some(sent), include_str!("exchanges/tools.sse")).await;
    let (paris, rome) = ("call_uXG6ZmNAQ5ziZOTa", "call_0tK5tuKKqxRVqOSf");
    let name = || "get_weather".to_owned();
    let piece = |id: &str, arguments: &str| {
        ModelEvent::ToolCallDelta(ToolCallDelta {
            id: id.to_owned(),
            name: name(),
            arguments: arguments.to_owned(),
        })
    };
    let whole = |id: &str, arguments: &str| {
        ModelEvent::ToolCall(ToolCall { id: id.to_owned(), name: name(), arguments: arguments.to_owned() })
    };
    let expected = [
        piece(paris, ""),
        piece(paris, "{\"ci"),
        piece(rome, ""),
        piece(rome, "{\"city\": \"Ro"),
        piece(paris, "ty\": \"Paris\"}"),
        piece(rome, "me\"}"),
        whole(paris, "{\"city\": \"Paris\"}"),
        whole(rome, "{\"city\": \"Rome\"}"),
        done(62, 41, FinishReason::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_schema_is_sent_as_a_strict_one() {
    let mut request = ask_for("The largest city?");
    request.grammar = Some(Grammar::JsonSchema(json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["city", "people"],
        "additionalProperties": false,
    })));
    let sent = include_str!("exchanges/schema.request.json");
    let events = exchange(request, Some(sent), include_str!("exchanges/schema.sse")).await;
    let texts = events.iter().filter_map(|event| match event {
        ModelEvent::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<String>(), r#"{"city":"Tokyo","people":37000000}"#);
    assert_eq!(events.last(), Some(&done(48, 13, FinishReason::Stop)));
}

#[tokio::test]
async fn a_refusal_is_text() {
    let events = exchange(ask_for("Hi."), None, include_str!("exchanges/refusal.sse")).await;
    assert_eq!(events, [text("I can't"), text(" help."), done(9, 4, FinishReason::ContentFilter)]);
}

#[tokio::test]
async fn log_probabilities_come_with_their_text() {
    let mut request = ask_for("Hi.");
    request.logprobs = Some(2);
    let sent = include_str!("exchanges/logprobs.request.json");
    let events = exchange(request, Some(sent), include_str!("exchanges/logprobs.sse")).await;
    let logprob = |token: &str, logprob: f32, top: Vec<TokenLogprob>| TokenLogprob {
        token: token.to_owned(),
        logprob,
        bytes: token.as_bytes().to_vec(),
        top,
    };
    let rivals = vec![logprob("Hello", -0.25, Vec::new()), logprob("Hi", -1.5, Vec::new())];
    let piece = |token: TokenLogprob| ModelEvent::Text { text: token.token.clone(), logprobs: vec![token] };
    let expected = [
        piece(logprob("Hello", -0.25, rivals)),
        piece(logprob(" é", -0.5, Vec::new())),
        done(8, 2, FinishReason::Stop),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_read_whole() {
    let events = exchange(ask_for("Hi."), None, include_str!("exchanges/whole.json")).await;
    assert_eq!(events, [text("All at once."), done(5, 4, FinishReason::Stop)]);
}
