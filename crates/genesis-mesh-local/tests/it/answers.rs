//! Answers of the real model: right, repeatable in any company, bounded, and gone when nobody wants them.

use crate::model::{answer, idle_load, local, stream, text_of};
use futures_util::StreamExt;
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Grammar, Message, Model, ModelError, ModelEvent, Prompt, Role, Sampling,
};
use genesis_mesh_local::LocalOptions;

const PARIS: &str = "What is the capital of France? Answer in one word.";

fn ask(text: &str, max_tokens: u32) -> GenerateRequest {
    let prompt = Prompt::Messages(vec![Message::new(Role::User, text)]);
    GenerateRequest { prompt, max_tokens: Some(max_tokens), ..GenerateRequest::default() }
}

fn questions() -> Vec<GenerateRequest> {
    let topics = ["the sea", "a dog", "Rome", "rain", "bread", "chess", "the moon", "a train"];
    topics
        .iter()
        .enumerate()
        .map(|(i, topic)| {
            let mut request = ask(&format!("Tell me something about {topic}."), 24 + i as u32);
            if i % 2 == 1 {
                request.sampling =
                    Sampling { temperature: 0.9, top_p: 0.95, seed: Some(i as u64), ..Sampling::default() };
            }
            request
        })
        .collect()
}

#[tokio::test]
async fn the_capital_of_france_is_paris() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let (text, usage, reason) = answer(&model, ask(PARIS, 32)).await;
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(reason, FinishReason::Stop);
    assert!(usage.input_tokens > 10 && usage.output_tokens > 0);
    assert_eq!(usage.total_tokens, usage.input_tokens + usage.output_tokens);
}

#[tokio::test]
async fn each_answer_is_the_same_alone_and_in_company() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let mut alone = Vec::new();
    for request in questions() {
        alone.push(answer(&model, request).await);
    }
    let together =
        futures_util::future::join_all(questions().into_iter().map(|request| answer(&model, request))).await;
    assert_eq!(alone, together);
}

#[tokio::test]
async fn answers_survive_a_cache_too_small_for_all_of_them() {
    let Some(large) = local(&LocalOptions::default()) else { return };
    // Eight pages of 368,640 bytes for eight answers of four to five pages each: most are put back and redone.
    let options = LocalOptions { kv_bytes_max: 8 * 368_640, slots: 8, ..LocalOptions::default() };
    let Some(small) = local(&options) else { return };
    let requests =
        || questions().into_iter().map(|request| GenerateRequest { max_tokens: Some(40), ..request });
    let expected = futures_util::future::join_all(requests().map(|request| answer(&large, request))).await;
    let found = futures_util::future::join_all(requests().map(|request| answer(&small, request))).await;
    assert_eq!(expected, found);
    // A page that is lost ends an answer with an error, so a test that gets here has lost none at last.
    assert_eq!(idle_load(&small).await.kv_bytes, 0);
    // Alone, the eight take 300 steps of prompts and answers; what is put back is done again a few times.
    let steps = small.engine_load().steps;
    assert!(steps < 3_000, "{steps} steps");
}

#[tokio::test]
async fn a_dropped_stream_frees_its_slot_and_a_cancelled_one_ends_with_its_usage() {
    let Some(model) = local(&LocalOptions { slots: 1, ..LocalOptions::default() }) else { return };
    let long = || GenerateRequest { prompt: Prompt::Text("One two three".to_owned()), ..ask("", 4000) };
    let mut dropped = stream(&model, long()).await;
    assert!(matches!(dropped.next().await, Some(Ok(ModelEvent::Text { .. }))));
    drop(dropped);
    // The only slot is free again, or this would never begin.
    let mut cancelled = stream(&model, long()).await;
    assert!(matches!(cancelled.next().await, Some(Ok(ModelEvent::Text { .. }))));
    cancelled.cancel_handle().cancel();
    let mut last = None;
    while let Some(event) = cancelled.next().await {
        last = Some(event.unwrap());
    }
    let Some(ModelEvent::Done { usage, finish_reason: FinishReason::Cancelled }) = last else {
        panic!("{last:?}")
    };
    assert!(usage.output_tokens >= 1 && usage.output_tokens < 4000, "{usage:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_cancelled_request_leaves_it() {
    let options = LocalOptions { slots: 1, queue_max: 2, ..LocalOptions::default() };
    let Some(model) = local(&options) else { return };
    let mut running = stream(&model, ask("Count to a thousand.", 4000)).await;
    assert!(running.next().await.is_some());
    // The one that runs has left the queue; two fill it.
    let waiting = [stream(&model, ask("a", 4)).await, stream(&model, ask("b", 4)).await];
    let refused = model.generate(ask("c", 4)).await.map(drop);
    assert_eq!(refused, Err(ModelError::Busy { queued: 2 }));
    let [first, mut second] = waiting;
    drop(first);
    drop(running);
    while let Some(event) = second.next().await {
        event.unwrap();
    }
    answer(&model, ask("c", 4)).await;
}

#[tokio::test]
async fn the_load_counts_what_runs_what_waits_and_its_memory() {
    let options = LocalOptions { slots: 1, queue_max: 3, kv_bytes_max: 10 << 20, ..LocalOptions::default() };
    let Some(model) = local(&options) else { return };
    let idle = model.current_load().unwrap();
    assert_eq!((idle.running, idle.running_max, idle.waiting, idle.waiting_max), (0, 1, 0, 3));
    // Whole pages of 368,640 bytes.
    assert_eq!((idle.kv_bytes, idle.kv_bytes_max), (0, 28 * 368_640));
    let mut running = stream(&model, ask("Count to a thousand.", 300)).await;
    assert!(running.next().await.is_some());
    let waiting = [stream(&model, ask("a", 4)).await, stream(&model, ask("b", 4)).await];
    // The second token comes after the step that the numbers are of.
    assert!(running.next().await.is_some());
    let busy = model.current_load().unwrap();
    assert_eq!((busy.running, busy.waiting), (1, 2));
    assert!(
        busy.kv_bytes >= 368_640 && busy.kv_bytes % 368_640 == 0 && busy.kv_bytes <= busy.kv_bytes_max,
        "{busy:?}"
    );
    drop((running, waiting));
    answer(&model, ask("c", 2)).await;
    assert_eq!(idle_load(&model).await, idle);
}

#[tokio::test]
async fn a_penalty_keeps_an_answer_from_repeating_itself_and_greedy_stays_repeatable() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let repeat = |frequency_penalty| GenerateRequest {
        prompt: Prompt::Text("one two one two one two one two one two one two".to_owned()),
        sampling: Sampling { frequency_penalty, ..Sampling::default() },
        ..ask("", 40)
    };
    let words = |text: &str| text.split_whitespace().collect::<std::collections::HashSet<_>>().len();
    let (plain, _, _) = answer(&model, repeat(0.0)).await;
    let (varied, _, _) = answer(&model, repeat(2.0)).await;
    assert!(words(&plain) < 6 && words(&varied) > 10, "{plain} / {varied}");
    assert_eq!(answer(&model, repeat(2.0)).await.0, varied);
}

#[tokio::test]
async fn an_answer_ends_before_a_stop_string_at_its_limit_or_at_the_context() {
    let options = LocalOptions { context_tokens_max: Some(64), ..LocalOptions::default() };
    let Some(model) = local(&options) else { return };
    let count = || GenerateRequest { prompt: Prompt::Text("1 2 3 4 5 6".to_owned()), ..ask("", 1000) };
    let (text, usage, reason) = answer(&model, count()).await;
    assert_eq!((reason, usage.total_tokens), (FinishReason::Length, 64), "{text}");
    let (short, usage, reason) = answer(&model, GenerateRequest { max_tokens: Some(5), ..count() }).await;
    assert_eq!((reason, usage.output_tokens), (FinishReason::Length, 5));
    assert!(text.starts_with(&short));
    let (stopped, _, reason) =
        answer(&model, GenerateRequest { stop: vec!["9 10".to_owned()], ..count() }).await;
    assert_eq!(reason, FinishReason::Stop);
    assert_eq!(Some(stopped.as_str()), text.split("9 10").next());
    let long = GenerateRequest { prompt: Prompt::Text("word ".repeat(100)), ..count() };
    let error = model.generate(long).await.map(drop);
    assert!(matches!(error, Err(ModelError::ContextExceeded { context_tokens: 64, .. })), "{error:?}");
}

#[tokio::test]
async fn log_probabilities_come_with_each_token_and_add_up() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let request = GenerateRequest { logprobs: Some(5), ..ask(PARIS, 8) };
    let mut events = stream(&model, request).await;
    let mut seen = 0;
    while let Some(event) = events.next().await {
        let ModelEvent::Text { text, logprobs } = event.unwrap() else { continue };
        assert_eq!(logprobs.iter().map(|token| token.token.as_str()).collect::<String>(), text);
        for token in logprobs {
            // Greedy: the picked token is the most likely one.
            assert_eq!((token.top.len(), token.logprob), (5, token.top[0].logprob));
            let shown: f32 = token.top.iter().map(|rival| rival.logprob.exp()).sum();
            assert!(token.logprob <= 0.0 && shown <= 1.0001, "{token:?}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[tokio::test]
async fn a_grammar_forces_its_form_in_company_of_free_answers() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let regex = |seed| GenerateRequest {
        grammar: Some(Grammar::Regex("(yes|no), [a-z]{3,8}\\.".to_owned())),
        sampling: Sampling { temperature: 1.0, seed: Some(seed), ..Sampling::default() },
        ..ask("Is the sky blue?", 40)
    };
    let requests = (0..6).map(|seed| if seed % 2 == 0 { regex(seed) } else { ask("Hello!", 12) });
    let answers = futures_util::future::join_all(requests.map(|request| answer(&model, request))).await;
    for (text, _, reason) in answers.into_iter().step_by(2) {
        let word =
            text.strip_prefix("yes, ").or(text.strip_prefix("no, ")).and_then(|rest| rest.strip_suffix('.'));
        assert!(word.is_some_and(|word| (3..=8).contains(&word.len())), "{text}");
        assert_eq!(reason, FinishReason::Stop);
    }
    let bad = GenerateRequest { grammar: Some(Grammar::Regex("(".to_owned())), ..ask("x", 4) };
    let error = model.generate(bad).await.map(drop);
    assert!(
        matches!(&error, Err(ModelError::InvalidRequest { param: Some(param), .. }) if param == "response_format")
    );
}

#[tokio::test]
async fn text_comes_in_pieces_and_not_at_the_end() {
    let Some(model) = local(&LocalOptions::default()) else { return };
    let events: Vec<_> = stream(&model, ask("Write a sentence about rivers.", 20)).await.collect().await;
    let pieces = events.iter().filter(|event| matches!(event, Ok(ModelEvent::Text { .. }))).count();
    assert!(pieces >= 10, "{pieces} pieces: {}", text_of(&events));
}
