//! Answers that were cut and go on: cut anywhere, both parts together are the answer that nothing disturbed.

use crate::model::{local, stream, text_of};
use futures_util::{FutureExt, StreamExt};
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Grammar, Message, Model, ModelError, ModelEvent, Prompt, Role, Sampling,
    ToolCall, ToolChoice, ToolSpec,
};
use genesis_mesh_local::{LocalModel, LocalOptions};
use serde_json::{Value, json};

type Events = Vec<Result<ModelEvent, ModelError>>;

/// Tells its tokens. 24 of them, as each is a cut and each cut is an answer.
fn ask(text: &str) -> GenerateRequest {
    GenerateRequest {
        prompt: Prompt::Messages(vec![Message::new(Role::User, text)]),
        max_tokens: Some(24),
        tells_tokens: true,
        ..GenerateRequest::default()
    }
}

fn seeded(text: &str, seed: u64) -> GenerateRequest {
    let sampling = Sampling { temperature: 1.0, top_p: 0.95, seed: Some(seed), ..Sampling::default() };
    GenerateRequest { sampling, ..ask(text) }
}

fn with_grammar(grammar: Grammar, seed: u64) -> GenerateRequest {
    GenerateRequest { grammar: Some(grammar), max_tokens: Some(60), ..seeded("Tell me of Rome.", seed) }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "city": { "type": "string", "maxLength": 12 }, "size": { "type": "number" } },
        "required": ["city", "size"],
        "additionalProperties": false,
    })
}

fn with_tools(text: &str, seed: u64, tool_choice: ToolChoice) -> GenerateRequest {
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: schema(),
    };
    let tools = vec![tool("get_weather"), tool("get_size")];
    GenerateRequest { tools, tool_choice, max_tokens: Some(100), ..seeded(text, seed) }
}

/// A conversation in which the assistant said a word and called, so that it does so again.
fn talking_and_calling(seed: u64) -> GenerateRequest {
    let messages = ["Paris", "Oslo", "Cairo"].into_iter().flat_map(|city| {
        let arguments = json!({ "city": city, "size": 3 }).to_string();
        let call = ToolCall { id: format!("call_{city}"), name: "get_weather".to_owned(), arguments };
        let said = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "Let me look. ") };
        [Message::new(Role::User, format!("What is the weather in {city}?")), said]
    });
    let messages = messages.chain([Message::new(Role::User, "What is the weather in Rome?")]).collect();
    GenerateRequest { prompt: Prompt::Messages(messages), ..with_tools("", seed, ToolChoice::Auto) }
}

/// The answer to `request`, whose tokens must follow what they led to without a wait.
async fn events(model: &LocalModel, request: GenerateRequest) -> Events {
    let mut stream = stream(model, request).await;
    let mut events = Events::new();
    while let Some(event) = stream.next().await {
        let mut is_told = matches!(event, Ok(ModelEvent::Tokens(_) | ModelEvent::Done { .. }));
        events.push(event);
        while !is_told {
            let event = stream.next().now_or_never().expect("tokens follow at once").expect("tokens follow");
            is_told = matches!(event, Ok(ModelEvent::Tokens(_)));
            events.push(event);
        }
    }
    events
}

fn tokens(events: &[Result<ModelEvent, ModelError>]) -> Vec<u32> {
    let tokens = |event: &Result<ModelEvent, ModelError>| match event {
        Ok(ModelEvent::Tokens(tokens)) => tokens.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(tokens).collect()
}

/// Cuts the answer to `request` after each time that tokens were told, and lets it go on. Gives the whole of it.
async fn assert_goes_on(model: &LocalModel, request: GenerateRequest) -> Events {
    let whole = events(model, request.clone()).await;
    let Some(Ok(ModelEvent::Done { usage, .. })) = whole.last() else { panic!("{whole:?}") };
    assert_eq!(tokens(&whole).len() as u64, usage.output_tokens, "each token is told");
    let silent = GenerateRequest { tells_tokens: false, ..request.clone() };
    let silent: Events = stream(model, silent).await.collect().await;
    let is_told = |event: &&Result<ModelEvent, ModelError>| !matches!(event, Ok(ModelEvent::Tokens(_)));
    assert_eq!(whole.iter().filter(is_told).cloned().collect::<Events>(), silent);
    let cuts = (0..whole.len()).filter(|index| matches!(whole.get(*index), Some(Ok(ModelEvent::Tokens(_)))));
    let rests = cuts.map(|cut| {
        let (before, after) = whole.split_at(cut + 1);
        let request = GenerateRequest { made: tokens(before), ..request.clone() };
        async move { (after, events(model, request).await) }
    });
    for (expected, found) in futures_util::future::join_all(rests).await {
        assert_eq!(expected, found, "of {whole:?}");
    }
    whole
}

fn reason(events: &Events) -> FinishReason {
    let Some(Ok(ModelEvent::Done { finish_reason, .. })) = events.last() else { panic!("{events:?}") };
    *finish_reason
}

#[tokio::test]
async fn a_greedy_a_seeded_and_a_penalised_answer_go_on_after_any_cut() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    assert_goes_on(&model, ask("Tell me something about the sea.")).await;
    assert_goes_on(&model, seeded("Tell me something about rain.", 3)).await;
    let raw = GenerateRequest { prompt: Prompt::Text("one two one two one".to_owned()), ..seeded("", 4) };
    let penalised = |repetition_penalty, frequency_penalty, presence_penalty| GenerateRequest {
        sampling: Sampling { repetition_penalty, frequency_penalty, presence_penalty, ..raw.sampling },
        ..raw.clone()
    };
    let plain = assert_goes_on(&model, raw.clone()).await;
    for request in [penalised(1.3, 0.0, 0.0), penalised(1.0, 0.7, 0.3)] {
        assert_ne!(assert_goes_on(&model, request).await, plain, "the penalties do something");
    }
    let ended =
        GenerateRequest { max_tokens: Some(200), ..ask("What is 1 + 1? Answer with a number alone.") };
    assert_eq!(reason(&assert_goes_on(&model, ended).await), FinishReason::Stop);
}

#[tokio::test]
async fn stop_strings_are_found_over_a_cut_and_what_they_hold_back_is_told_once() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let count = |stop: &str| GenerateRequest {
        prompt: Prompt::Text("1 2 3 4 5 6 ".to_owned()),
        stop: vec![stop.to_owned()],
        ..ask("")
    };
    // The first is found; of the others the beginning comes again and again.
    let stopped = assert_goes_on(&model, count("9 10")).await;
    assert_eq!((reason(&stopped), text_of(&stopped).ends_with("8 ")), (FinishReason::Stop, true));
    for stop in ["1 1", "1 and", "0 11 12 13 14 15 16 17"] {
        assert_goes_on(&model, count(stop)).await;
    }
    // At some of these limits text is held back until the end; with the second stop string also beside text that is not,
    // as the second 1 of 11 brings the first one.
    for (max_tokens, stop) in (1..16).flat_map(|max_tokens| [(max_tokens, " 11 13"), (max_tokens, "1 11")]) {
        assert_goes_on(&model, GenerateRequest { max_tokens: Some(max_tokens), ..count(stop) }).await;
    }
    let logged = assert_goes_on(&model, GenerateRequest { logprobs: Some(2), ..count(" 11 13") }).await;
    let has_held = |event: &Result<ModelEvent, ModelError>| matches!(event, Ok(ModelEvent::Text { logprobs, .. }) if logprobs.len() > 1);
    assert!(logged.iter().any(has_held), "{}", text_of(&logged));
}

#[tokio::test]
async fn an_answer_in_a_form_goes_on_in_it_and_split_characters_stay_whole() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    for seed in 0..3 {
        let answer = assert_goes_on(&model, with_grammar(Grammar::JsonSchema(schema()), seed)).await;
        assert_eq!(reason(&answer), FinishReason::Stop);
        assert!(serde_json::from_str::<Value>(&text_of(&answer)).is_ok(), "{answer:?}");
        let signs =
            assert_goes_on(&model, with_grammar(Grammar::Regex("[😀-😎é]{5}".to_owned()), seed)).await;
        assert_eq!(text_of(&signs).chars().count(), 5);
        // Some of the tokens bring no whole character.
        assert!(signs.iter().any(|event| matches!(event, Ok(ModelEvent::Tokens(told)) if told.len() > 1)));
    }
}

#[tokio::test]
async fn calls_go_on_with_their_ids_after_a_cut_in_the_middle() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let text = "What are weather and size of Rome and of Paris?";
    let calls =
        |events: &Events| events.iter().filter(|event| matches!(event, Ok(ModelEvent::ToolCall(_)))).count();
    let mut most = 0;
    for seed in 0..3 {
        let answer = assert_goes_on(&model, with_tools(text, seed, ToolChoice::Required)).await;
        most = most.max(calls(&answer));
    }
    assert!(most > 1, "never more than one call");
    let mut beside_text = 0;
    for seed in 0..6 {
        let answer = assert_goes_on(&model, talking_and_calling(seed)).await;
        beside_text += usize::from(calls(&answer) > 0 && !text_of(&answer).is_empty());
    }
    assert!(beside_text > 0, "never text before a call");
    let with_stop = GenerateRequest {
        stop: vec!["look around".to_owned(), ".".to_owned()],
        logprobs: Some(1),
        ..talking_and_calling(1)
    };
    assert_goes_on(&model, with_stop).await;
}

#[tokio::test]
async fn an_answer_that_was_whole_ends_at_once_even_while_the_engine_has_no_room() {
    let options = LocalOptions { slots: 1, queue_max: 1, ..LocalOptions::default() };
    let Some(model) = local(&options) else { return };
    let request = GenerateRequest { max_tokens: Some(6), ..ask("Tell me something about chess.") };
    let whole = events(&model, request.clone()).await;
    let mut running =
        stream(&model, GenerateRequest { max_tokens: Some(4000), ..ask("Count to 1000.") }).await;
    assert!(running.next().await.is_some());
    let _waiting = stream(&model, ask("a")).await;
    let rest = events(&model, GenerateRequest { made: tokens(&whole), ..request }).await;
    assert_eq!(rest.as_slice(), &whole[whole.len() - 1..]);
}

#[tokio::test]
async fn a_cancelled_answer_tells_no_tokens_whose_text_it_gave_up_holding_back() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let request = || GenerateRequest {
        prompt: Prompt::Text("1 2 3 4 5 6".to_owned()),
        stop: vec![" 7 8 9 10 11 12 13 14 15 16 17 18 20".to_owned()],
        max_tokens: Some(2000),
        ..ask("")
    };
    let open = stream(&model, request()).await;
    open.cancel_handle().cancel();
    let cut: Events = open.collect().await;
    assert_eq!(reason(&cut), FinishReason::Cancelled);
    assert!(tokens(&cut).is_empty(), "{cut:?}");
}

#[tokio::test]
async fn tokens_that_no_equal_request_made_are_refused() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    assert!(model.goes_on());
    let json = || with_grammar(Grammar::JsonSchema(schema()), 1);
    let object = events(&model, json()).await;
    let free = events(&model, ask("Tell me something about chess.")).await;
    let ended = events(&model, GenerateRequest { max_tokens: Some(99), ..ask("Say yes.") }).await;
    assert_eq!(reason(&ended), FinishReason::Stop);
    let after = |events: &Events| [tokens(events), vec![tokens(&free)[0]]].concat();
    let stopped = GenerateRequest {
        prompt: Prompt::Text("1 2 3 4 5 6 ".to_owned()),
        stop: vec!["9 10".to_owned()],
        ..ask("")
    };
    let stopped_at = events(&model, stopped.clone()).await;
    let refused = [
        GenerateRequest { made: vec![u32::MAX], ..ask("x") },
        GenerateRequest { made: vec![49_152], ..json() },
        GenerateRequest { made: tokens(&free), ..json() },
        GenerateRequest { made: after(&object), ..json() },
        GenerateRequest { made: after(&ended), max_tokens: Some(200), ..ask("Say yes.") },
        GenerateRequest { made: after(&stopped_at), ..stopped },
        GenerateRequest { made: tokens(&free), max_tokens: Some(5), ..ask("Tell me something about chess.") },
        GenerateRequest { made: vec![1; 10_000], max_tokens: None, ..ask("x") },
    ];
    for (index, request) in refused.into_iter().enumerate() {
        let error = model.generate(request).await.map(drop);
        assert!(
            matches!(&error, Err(ModelError::InvalidRequest { param: Some(param), .. }) if param == "made"),
            "{index}: {error:?}"
        );
    }
}
