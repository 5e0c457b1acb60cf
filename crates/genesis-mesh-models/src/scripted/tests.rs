//! Playing scripts, on a paused clock.

use super::*;
use futures_util::StreamExt;
use genesis_mesh_core::{
    FinishReason, Message, ModelEvent, Prompt, Role, TokenLogprob, ToolCall, ToolCallDelta, ToolChoice, Usage,
};
use std::io::Write;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

type Item = Result<ModelEvent, ModelError>;

fn model(script: &str) -> ScriptedModel {
    ScriptedModel::from_toml(script).expect("a script")
}

fn request(text: &str) -> GenerateRequest {
    GenerateRequest { prompt: Prompt::Text(text.to_owned()), ..Default::default() }
}

async fn play(script: &str, request: GenerateRequest) -> Vec<Item> {
    model(script).generate(request).await.expect("a stream").collect().await
}

fn text(text: &str) -> Item {
    Ok(ModelEvent::Text { text: text.to_owned(), logprobs: Vec::new() })
}

fn done(input: u64, output: u64, finish_reason: FinishReason) -> Item {
    Ok(ModelEvent::Done { usage: Usage::new(input, output), finish_reason })
}

fn call(id: &str, name: &str) -> Item {
    Ok(ModelEvent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
    }))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_its_pieces_and_an_end_with_words_and_pieces_counted() {
    let start = Instant::now();
    let events = play("[[rule]]\ntext = 'It is Paris.'", request("the capital of France?")).await;
    assert_eq!(events, [text("It"), text(" is"), text(" Paris."), done(4, 3, FinishReason::Stop)]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn repeat_plays_the_pieces_again() {
    let events = play("[[rule]]\npieces = ['a', 'b ']\nrepeat = 128", request("")).await;
    assert_eq!(events.len(), 257);
    assert_eq!(events[..3], [text("a"), text("b "), text("a")]);
    assert_eq!(events[256], done(0, 256, FinishReason::Stop));
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_each_token_and_a_slow_reader_does_not_add_to_it() {
    let script = "[[rule]]\npieces = ['a', 'b', 'c', 'd']\ndelay_ms = 10\ntool_calls = [{ name = 'x' }]";
    let mut stream = model(script).generate(request("")).await.expect("a stream");
    let start = Instant::now();
    for piece in ["a", "b"] {
        assert_eq!(stream.next().await, Some(text(piece)));
    }
    assert_eq!(start.elapsed(), Duration::from_millis(20));
    tokio::time::advance(Duration::from_millis(25)).await;
    assert_eq!((stream.next().await, stream.next().await), (Some(text("c")), Some(text("d"))));
    assert_eq!(start.elapsed(), Duration::from_millis(45), "both were made while nobody read");
    assert_eq!(stream.next().await, Some(call("call_1", "x")));
    assert_eq!(stream.next().await, Some(done(0, 5, FinishReason::ToolCalls)));
    assert_eq!(start.elapsed(), Duration::from_millis(50), "the end itself costs no delay");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn cancel_wakes_a_pending_delay_and_ends_with_the_usage_so_far() {
    let script = "[[rule]]\ntext = 'x'\nrepeat = 100\ndelay_ms = 1000\nusage = { output_tokens = 100 }";
    let stream = model(script).generate(request("two words")).await.expect("a stream");
    let cancel = stream.cancel_handle();
    let start = Instant::now();
    let mut readers = JoinSet::new();
    readers.spawn(stream.collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_millis(2500)).await;
    cancel.cancel();
    let events = readers.join_next().await.expect("a reader").expect("no panic");
    assert_eq!(events, [text("x"), text("x"), done(2, 2, FinishReason::Cancelled)]);
    assert_eq!(start.elapsed(), Duration::from_millis(2500));
    cancel.cancel();
}

#[tokio::test(start_paused = true)]
async fn cancel_before_the_first_poll_plays_nothing_and_after_the_end_changes_nothing() {
    for delay in ["", "delay_ms = 5"] {
        let model = model(&format!("[[rule]]\ntext = 'x'\n{delay}"));
        let mut stream = model.generate(request("")).await.expect("a stream");
        stream.cancel_handle().cancel();
        assert_eq!(stream.next().await, Some(done(0, 0, FinishReason::Cancelled)));
        assert_eq!(stream.next().await, None);
        let mut stream = model.generate(request("")).await.expect("a stream");
        assert_eq!(stream.next().await, Some(text("x")));
        assert_eq!(stream.next().await, Some(done(0, 1, FinishReason::Stop)));
        stream.cancel_handle().cancel();
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_frees_the_answer_and_the_model_goes_on() {
    let model = model("[[rule]]\ntext = 'x y'\ndelay_ms = 5");
    let asked = request("");
    let answer = Arc::clone(model.script.answer(&Asked::new(&asked)).expect("a rule"));
    let mut stream = model.generate(asked.clone()).await.expect("a stream");
    assert_eq!(stream.next().await, Some(text("x")));
    let cancel = stream.cancel_handle();
    assert_eq!(Arc::strong_count(&answer), 3);
    drop(stream);
    assert_eq!(Arc::strong_count(&answer), 2, "the stream held the third");
    cancel.cancel();
    let again: Vec<Item> = model.generate(asked).await.expect("a stream").collect().await;
    assert_eq!(again, [text("x"), text(" y"), done(0, 2, FinishReason::Stop)]);
}

#[tokio::test(start_paused = true)]
async fn max_tokens_ends_a_longer_answer_and_only_that() {
    let script = "[[rule]]\ntext = 'a b c'\ntool_calls = [{ name = 'x' }]\nusage = { output_tokens = 9 }";
    let limited = |most| GenerateRequest { max_tokens: Some(most), ..request("") };
    assert_eq!(play(script, limited(2)).await, [text("a"), text(" b"), done(0, 2, FinishReason::Length)]);
    assert_eq!(play(script, limited(3)).await.last(), Some(&done(0, 3, FinishReason::Length)));
    assert_eq!(play(script, limited(4)).await.last(), Some(&done(0, 9, FinishReason::ToolCalls)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_string_ends_the_text_also_across_pieces() {
    let stopped = |stops: &[&str]| GenerateRequest {
        stop: stops.iter().map(|&stop| stop.to_owned()).collect(),
        ..request("")
    };
    let script = "[[rule]]\npieces = ['Hé', 'l', 'lo EN', 'D', ' more']\nusage = { output_tokens = 50 }";
    let expected = [text("Hé"), text("l"), text("lo "), done(0, 4, FinishReason::Stop)];
    assert_eq!(play(script, stopped(&["never", "END"])).await, expected);
    // The stop string that is whole first wins, though the other starts earlier.
    assert_eq!(
        play(script, stopped(&["o END", "EN"])).await[2..],
        [text("lo "), done(0, 3, FinishReason::Stop)]
    );
    // A piece that only holds the stop string is not sent.
    assert_eq!(play(script, stopped(&["l"])).await, [text("Hé"), done(0, 2, FinishReason::Stop)]);
    assert_eq!(play(script, stopped(&["H"])).await, [done(0, 1, FinishReason::Stop)]);
    // What is never completed is sent, and an empty stop string stops nothing.
    assert_eq!(play(script, stopped(&["morel", ""])).await.last(), Some(&done(0, 50, FinishReason::Stop)));
    // The limit comes first.
    let both = GenerateRequest { max_tokens: Some(3), ..stopped(&["END"]) };
    assert_eq!(play(script, both).await[2..], [text("lo EN"), done(0, 3, FinishReason::Length)]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_the_stream_without_an_end() {
    let script = "[[rule]]\ntext = 'a b c'\ncut_after = 2";
    assert_eq!(play(script, request("")).await, [text("a"), text(" b"), Err(ModelError::Truncated)]);
    let limited = GenerateRequest { max_tokens: Some(1), ..request("") };
    assert_eq!(play(script, limited).await, [text("a"), done(0, 1, FinishReason::Length)]);
    assert_eq!(play("[[rule]]\ncut_after = 0", request("")).await, [Err(ModelError::Truncated)]);
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_after_the_pieces_or_instead_of_an_answer() {
    let failed = ModelError::Failed { message: "on fire".to_owned() };
    let script = "[[rule]]\ntext = 'a'\nerror = { code = 'model_failed', message = 'on fire' }";
    assert_eq!(play(script, request("")).await, [text("a"), Err(failed)]);
    for (error, expected) in [
        ("code = 'model_busy'", ModelError::Busy { queued: 1 }),
        ("code = 'model_busy', queued = 64", ModelError::Busy { queued: 64 }),
        ("code = 'model_truncated'", ModelError::Truncated),
        (
            "code = 'invalid_request', message = 'no'",
            ModelError::InvalidRequest { param: None, message: "no".to_owned() },
        ),
        (
            "code = 'invalid_request', message = 'no', param = 'stop'",
            ModelError::InvalidRequest { param: Some("stop".to_owned()), message: "no".to_owned() },
        ),
        (
            "code = 'context_length_exceeded', prompt_tokens = 9, context_tokens = 8",
            ModelError::ContextExceeded { prompt_tokens: 9, context_tokens: 8 },
        ),
    ] {
        let model = model(&format!("[[rule]]\nerror = {{ {error} }}"));
        assert_eq!(model.generate(request("")).await.err(), Some(expected), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_no_rule_matches_fails_and_names_the_script() {
    let model = model("name = 'shy'\n[[rule]]\nwhen = { contains = 'hello' }\ntext = 'x'");
    match model.generate(request("bye")).await {
        Err(ModelError::Failed { message }) => assert!(message.contains("`shy`"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn tool_calls_are_numbered_through_the_conversation() {
    let script =
        "[[rule]]\ntext = 'See'\ntool_calls = [{ name = 'a' }, { name = 'b', id = 'own' }, { name = 'c' }]";
    let mut called = Message::new(Role::Assistant, "");
    called.tool_calls = vec![ToolCall { id: "call_1".into(), name: "a".into(), arguments: "{}".into() }];
    let asked = GenerateRequest { prompt: Prompt::Messages(vec![called]), ..Default::default() };
    let expected = [
        text("See"),
        call("call_2", "a"),
        call("own", "b"),
        call("call_4", "c"),
        done(0, 4, FinishReason::ToolCalls),
    ];
    assert_eq!(play(script, asked).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_context_bounds_prompt_and_answer_together() {
    let script = "context_tokens = 5\n[[rule]]\ntext = 'a b c'";
    assert_eq!(play(script, request("1 2")).await.last(), Some(&done(2, 3, FinishReason::Stop)));
    assert_eq!(play(script, request("1 2 3")).await.last(), Some(&done(3, 2, FinishReason::Length)));
    let error = model(script).generate(request("1 2 3 4 5 6")).await.err();
    assert_eq!(error, Some(ModelError::ContextExceeded { prompt_tokens: 6, context_tokens: 5 }));
    assert_eq!(model(script).info().context_tokens, Some(5));
}

#[tokio::test(start_paused = true)]
async fn each_piece_has_its_log_probability_if_the_request_asks() {
    let asked = GenerateRequest { logprobs: Some(0), ..request("") };
    let alone =
        TokenLogprob { token: "é".into(), logprob: 0.0, bytes: "é".as_bytes().to_vec(), top: Vec::new() };
    let events = play("[[rule]]\ntext = 'é'", asked.clone()).await;
    assert_eq!(events[0], Ok(ModelEvent::Text { text: "é".into(), logprobs: vec![alone.clone()] }));
    let events = play("[[rule]]\ntext = 'é'", GenerateRequest { logprobs: Some(5), ..asked }).await;
    let with_top = TokenLogprob { top: vec![alone.clone()], ..alone };
    assert_eq!(events[0], Ok(ModelEvent::Text { text: "é".into(), logprobs: vec![with_top] }));
}

#[tokio::test(start_paused = true)]
async fn usage_of_the_script_replaces_the_counts() {
    let script = "[[rule]]\ntext = 'a b'\nusage = { input_tokens = 120, output_tokens = 17 }";
    assert_eq!(play(script, request("x")).await.last(), Some(&done(120, 17, FinishReason::Stop)));
}

#[test]
fn a_file_that_is_missing_or_wrong_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("script.toml");
    let error = ScriptedModel::from_file(&path).expect_err("no file");
    assert!(error.is_retryable() && error.to_string().contains("script.toml"));
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(b"[[rule]]\ntxet = 'x'").expect("written");
    let error = ScriptedModel::from_file(&path).expect_err("wrong");
    assert_eq!(error.code(), "script_unknown_key");
    assert!(error.to_string().contains("script.toml"));
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("line 2: unknown key `txet`; the nearest known key is `text`"));
    std::fs::write(&path, "name = 'file'\n[[rule]]\ntext = 'x'").expect("written");
    assert_eq!(ScriptedModel::from_file(&path).expect("a script").info().name, "file");
}

#[tokio::test]
async fn a_call_in_pieces_is_told_piece_by_piece_and_then_whole() {
    let script =
        "[[rule]]\ntext = 'See'\ntool_calls = [{ name = 'a', pieces = ['{\"x\"', ': 1}'] }, { name = 'b' }]";
    let delta = |arguments: &str| {
        let (id, name) = ("call_1".to_owned(), "a".to_owned());
        Ok(ModelEvent::ToolCallDelta(ToolCallDelta { id, name, arguments: arguments.to_owned() }))
    };
    let (id, name, arguments) = ("call_1".to_owned(), "a".to_owned(), "{\"x\": 1}".to_owned());
    let whole = Ok(ModelEvent::ToolCall(ToolCall { id, name, arguments }));
    let events = play(script, request("")).await;
    let expected = [text("See"), delta("{\"x\""), delta(": 1}"), whole, call("call_2", "b")];
    assert_eq!(events[..5], expected);
    assert_eq!(events[5..], [done(0, 5, FinishReason::ToolCalls)]);
    let cut = play(script, GenerateRequest { max_tokens: Some(3), ..request("") }).await;
    assert_eq!(cut[1..], [delta("{\"x\""), delta(": 1}"), done(0, 3, FinishReason::Length)]);
}

#[tokio::test]
async fn a_request_without_calls_or_with_one_gets_no_more() {
    let script = "[[rule]]\ntext = 'See'\ntool_calls = [{ name = 'a' }, { name = 'b' }]";
    let none = GenerateRequest { tool_choice: ToolChoice::None, ..request("") };
    assert_eq!(play(script, none).await, [text("See"), done(0, 1, FinishReason::Stop)]);
    let single = GenerateRequest { is_single_tool_call: true, ..request("") };
    assert_eq!(
        play(script, single).await,
        [text("See"), call("call_1", "a"), done(0, 2, FinishReason::ToolCalls)]
    );
    let named = GenerateRequest { tool_choice: ToolChoice::Named("b".to_owned()), ..request("") };
    assert_eq!(play(script, named).await.len(), 4, "as written");
}

fn tokens(events: &[Item]) -> Vec<u32> {
    let told = |event: &Item| match event {
        Ok(ModelEvent::Tokens(tokens)) => tokens.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_goes_on_wherever_it_was_cut() {
    let plain = "[[rule]]\ntext = 'One two three four'\npiece_chars = 3\n";
    let calls = "tool_calls = [{ name = 'a', pieces = ['{', '}'] }, { name = 'b' }]\n";
    let usage = "usage = { output_tokens = 40 }\n";
    let scripts = [
        plain.to_owned(),
        [plain, calls, usage].concat(),
        [plain, "delay_ms = 5\n"].concat(),
        [plain, "cut_after = 4\n"].concat(),
        [plain, "error = { code = 'model_busy' }\n"].concat(),
        "[[rule]]\npieces = ['a', 'b']\nrepeat = 3".to_owned(),
    ];
    let plain = GenerateRequest { tells_tokens: true, ..request("x y") };
    let requests = [
        plain.clone(),
        GenerateRequest { max_tokens: Some(3), logprobs: Some(1), ..plain.clone() },
        // The stop string begins in one piece and ends in another, so tokens before its end show nothing.
        GenerateRequest { stop: vec!["two thr".to_owned(), "bab".to_owned()], ..plain },
    ];
    for (script, request) in scripts.iter().flat_map(|script| requests.iter().map(move |it| (script, it))) {
        let whole = play(script, request.clone()).await;
        let silent = play(script, GenerateRequest { tells_tokens: false, ..request.clone() }).await;
        let is_event = |event: &&Item| !matches!(event, Ok(ModelEvent::Tokens(_)));
        assert_eq!(whole.iter().filter(is_event).cloned().collect::<Vec<_>>(), silent);
        for cut in (0..whole.len()).filter(|cut| matches!(whole[*cut], Ok(ModelEvent::Tokens(_)))) {
            let made = tokens(&whole[..=cut]);
            let rest = play(script, GenerateRequest { made, ..request.clone() }).await;
            assert_eq!(rest, whole[cut + 1..], "{script}, cut after {cut} of {whole:?}");
        }
        assert!(tokens(&whole).len() >= 3, "{whole:?}");
    }
}

#[tokio::test]
async fn tokens_that_a_script_did_not_make_are_refused_and_so_are_all_if_it_does_not_go_on() {
    let script = "[[rule]]\ntext = 'One two'";
    let fixed = format!("goes_on = false\n{script}");
    let ask = |made: &[u32]| GenerateRequest { made: made.to_vec(), tells_tokens: true, ..request("") };
    for (script, made) in [(script, &[1][..]), (script, &[0, 1, 2]), (script, &[1, 0]), (&*fixed, &[0])] {
        let error = model(script).generate(ask(made)).await.map(drop);
        assert!(
            matches!(&error, Err(ModelError::InvalidRequest { param: Some(param), .. }) if param == "made"),
            "{made:?}: {error:?}"
        );
    }
    assert!(model(script).goes_on() && !model(&fixed).goes_on());
    assert_eq!(play(&fixed, ask(&[])).await, [text("One"), text(" two"), done(0, 2, FinishReason::Stop)]);
}
