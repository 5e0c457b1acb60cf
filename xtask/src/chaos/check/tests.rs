//! Hand-made evidence: good runs pass, and each kind of broken promise is found.

use super::super::breach::BreachKind;
use super::super::event::Event;
use super::super::evidence::{Effect, Evidence, RunLog, Transcript};
use super::super::work::Work;
use super::check;
use serde_json::{Value, json};

const STORY: &str = "Once upon a time.";
const STEPS: Work = Work::Steps { rounds: 1, width: 2 };

fn numbered(events: Vec<Value>) -> Vec<Event> {
    let number = |(index, mut event): (usize, Value)| {
        event["seq"] = json!(index + 1);
        Event::of(event).unwrap()
    };
    events.into_iter().enumerate().map(number).collect()
}

fn log_of(run: &str, events: Vec<Value>) -> RunLog {
    let last_seq = events.len() as u64;
    let (run, status) = (run.to_owned(), "succeeded".to_owned());
    RunLog { run, status, last_seq, attempts: 1, events: numbered(events) }
}

/// A client that saw each event of a log in a frame of its own.
fn reader(log: &RunLog, work: Work, thread: Option<&str>) -> Transcript {
    Transcript {
        key: format!("key of {}", log.run),
        work,
        thread: thread.map(str::to_owned),
        run_ids: vec![log.run.clone()],
        frames: log.events.clone(),
        visits: 1,
        refusals: Vec::new(),
    }
}

/// A story that was begun again after a crash.
fn story() -> Evidence {
    let log = log_of(
        "s1",
        vec![
            json!({"type": "run", "run_id": "s1"}),
            json!({"type": "delta", "text": "Twice"}),
            json!({"type": "reset", "attempt": 2}),
            json!({"type": "delta", "text": "Once"}),
            json!({"type": "delta", "text": " upon"}),
            json!({"type": "delta", "text": " a time."}),
            json!({"type": "done", "finish_reason": "stop"}),
        ],
    );
    let transcripts = vec![reader(&log, Work::Story, None)];
    Evidence { transcripts, logs: vec![log], story: STORY.to_owned(), ..Evidence::default() }
}

/// The events of a run of steps whose state had `before`.
fn step_events(run: &str, before: &[String]) -> Vec<Value> {
    let mut events = vec![json!({"type": "run", "run_id": run})];
    let mut done = before.to_vec();
    for step in ["plan.0", "work.0.0", "work.0.1", "join.0"] {
        let entry = format!("{run}/{step}");
        let node = step.split('.').next();
        events.push(json!({"type": "delta", "text": Work::words(step), "message": format!("m {step}")}));
        events.push(json!({"type": "update", "node": node, "values": {"done": [&entry]}}));
        done.push(entry);
    }
    events.push(json!({"type": "output", "value": {"done": done}}));
    events.push(json!({"type": "done", "finish_reason": "stop"}));
    events
}

fn effects(run: &str) -> Vec<Effect> {
    let effect = |step: String| Effect { run: run.to_owned(), key: format!("{run} {step}"), step };
    STEPS.steps().into_iter().map(effect).collect()
}

/// Two runs of steps, one after the other on one thread.
fn steps() -> Evidence {
    let first = log_of("t1", step_events("t1", &[]));
    let before: Vec<String> =
        ["plan.0", "work.0.0", "work.0.1", "join.0"].map(|step| format!("t1/{step}")).to_vec();
    let second = log_of("t2", step_events("t2", &before));
    let transcripts = [&first, &second].map(|log| reader(log, STEPS, Some("t"))).to_vec();
    let mut effects: Vec<Effect> = ["t1", "t2"].into_iter().flat_map(effects).collect();
    // A crash between the effect and its commit: the same key again.
    effects.extend(effects.last().cloned());
    Evidence { transcripts, logs: vec![first, second], effects, ..Evidence::default() }
}

#[track_caller]
fn assert_found(evidence: &Evidence, kind: BreachKind) {
    let breaches = check(evidence);
    assert!(breaches.iter().any(|breach| breach.kind == kind), "no {kind:?} in {breaches:#?}");
}

/// The log and the transcript of the first run, changed alike.
fn change(evidence: &mut Evidence, change: impl Fn(&mut Vec<Event>)) {
    change(&mut evidence.logs[0].events);
    change(&mut evidence.transcripts[0].frames);
    evidence.logs[0].last_seq = evidence.logs[0].events.last().unwrap().seq;
}

fn renumber(events: &mut [Event]) {
    events.iter_mut().zip(1..).for_each(|(event, seq)| event.seq = seq);
}

#[test]
fn good_runs_pass() {
    assert_eq!(check(&story()), []);
    assert_eq!(check(&steps()), []);
    assert_eq!(super::effects::repeats(&steps()), 1);
}

#[test]
fn deltas_may_share_a_frame() {
    let mut evidence = story();
    let frames = &mut evidence.transcripts[0].frames;
    frames.drain(3..5);
    frames[3].data["text"] = json!("Once upon a time.");
    assert_eq!(check(&evidence), []);
    evidence.transcripts[0].frames[3].data["text"] = json!("Once upon  a time.");
    assert_found(&evidence, BreachKind::Differs);
}

#[test]
fn an_accepted_run_that_is_gone_is_lost() {
    let mut evidence = story();
    evidence.logs.clear();
    assert_found(&evidence, BreachKind::Lost);
}

#[test]
fn a_run_without_an_end_is_lost() {
    let mut evidence = story();
    change(&mut evidence, |events| drop(events.pop()));
    evidence.logs[0].status = "running".to_owned();
    assert_found(&evidence, BreachKind::Lost);
    assert_found(&evidence, BreachKind::Untold);
}

#[test]
fn an_end_that_no_client_was_told_is_found() {
    let mut evidence = story();
    evidence.transcripts[0].frames.pop();
    assert_found(&evidence, BreachKind::Untold);
}

#[test]
fn a_gap_in_a_log_is_found() {
    let mut evidence = story();
    evidence.logs[0].events.remove(3);
    assert_found(&evidence, BreachKind::Gap);
}

#[test]
fn a_row_that_is_ahead_of_its_log_is_found() {
    let mut evidence = story();
    evidence.logs[0].last_seq += 1;
    assert_found(&evidence, BreachKind::Gap);
}

#[test]
fn a_gap_in_what_a_client_saw_is_found() {
    let mut evidence = story();
    // The reset is no delta: it can't be in the frame of one.
    evidence.transcripts[0].frames.remove(2);
    assert_found(&evidence, BreachKind::Gap);
}

#[test]
fn an_event_that_comes_twice_is_found() {
    let mut evidence = story();
    let again = evidence.logs[0].events[3].clone();
    evidence.logs[0].events.insert(4, again.clone());
    assert_found(&evidence, BreachKind::Duplicate);
    let mut evidence = story();
    evidence.transcripts[0].frames.insert(4, again);
    assert_found(&evidence, BreachKind::Duplicate);
}

#[test]
fn two_ends_and_an_end_before_the_last_event_are_found() {
    let mut evidence = story();
    change(&mut evidence, |events| {
        events.extend(events.last().cloned());
        renumber(events);
    });
    assert_found(&evidence, BreachKind::Ends);
    let mut evidence = story();
    change(&mut evidence, |events| {
        let last = events.len() - 1;
        events.swap(last - 1, last);
        renumber(events);
    });
    assert_found(&evidence, BreachKind::Ends);
}

#[test]
fn a_row_that_says_another_end_than_the_log_is_found() {
    let mut evidence = story();
    evidence.logs[0].status = "cancelled".to_owned();
    assert_found(&evidence, BreachKind::Ends);
}

#[test]
fn an_event_that_the_log_has_otherwise_or_not_at_all_is_found() {
    let mut evidence = story();
    evidence.transcripts[0].frames[1].data["text"] = json!("Thrice");
    assert_found(&evidence, BreachKind::Differs);
    let mut evidence = story();
    let mut beyond = evidence.transcripts[0].frames[5].clone();
    beyond.seq = 8;
    evidence.transcripts[0].frames.push(beyond);
    assert_found(&evidence, BreachKind::Differs);
    let mut evidence = story();
    evidence.transcripts[0].refusals.push("cursor_ahead".to_owned());
    assert_found(&evidence, BreachKind::Differs);
}

#[test]
fn a_text_that_differs_is_found() {
    let mut evidence = story();
    change(&mut evidence, |events| events[4].data["text"] = json!(" on"));
    assert_found(&evidence, BreachKind::Text);
    let mut evidence = story();
    // The void attempt's text stands.
    change(&mut evidence, |events| {
        events.remove(2);
        renumber(events);
    });
    assert_found(&evidence, BreachKind::Text);
    let mut evidence = steps();
    change(&mut evidence, |events| events[1].data["text"] = json!("Step plan.0 is"));
    assert_found(&evidence, BreachKind::Text);
}

#[test]
fn a_run_that_failed_is_found_unless_it_came_no_further() {
    let mut evidence = story();
    let fail = |code: &str| {
        let error = json!({"type": "error", "error": {"code": code}, "seq": 7});
        move |events: &mut Vec<Event>| *events.last_mut().unwrap() = Event::of(error.clone()).unwrap()
    };
    evidence.logs[0].status = "failed".to_owned();
    change(&mut evidence, fail("store_unavailable"));
    assert_found(&evidence, BreachKind::Failed);
    change(&mut evidence, fail("run_poisoned"));
    assert_eq!(check(&evidence), []);
}

#[test]
fn a_step_twice_in_the_log_or_in_the_state_is_found() {
    let mut evidence = steps();
    change(&mut evidence, |events| {
        let again = events[2].clone();
        events.insert(5, again);
        renumber(events);
    });
    assert_found(&evidence, BreachKind::StepTwice);
    let mut evidence = steps();
    change(&mut evidence, |events| {
        let output = events.iter_mut().find(|event| event.kind() == "output").unwrap();
        output.data["value"]["done"].as_array_mut().unwrap().push(json!("t1/plan.0"));
    });
    assert_found(&evidence, BreachKind::StepTwice);
}

#[test]
fn a_step_that_is_missing_is_found() {
    let mut evidence = steps();
    change(&mut evidence, |events| {
        let output = events.iter_mut().find(|event| event.kind() == "output").unwrap();
        output.data["value"]["done"].as_array_mut().unwrap().pop();
    });
    assert_found(&evidence, BreachKind::StepMissing);
    let mut evidence = steps();
    evidence.effects.retain(|effect| effect.step != "join.0");
    assert_found(&evidence, BreachKind::StepMissing);
}

#[test]
fn steps_of_two_runs_that_mix_on_a_thread_are_found() {
    let mut evidence = steps();
    let mix = |events: &mut Vec<Event>| {
        let output = events.iter_mut().find(|event| event.kind() == "output").unwrap();
        output.data["value"]["done"].as_array_mut().unwrap().swap(3, 4);
    };
    mix(&mut evidence.logs[1].events);
    mix(&mut evidence.transcripts[1].frames);
    assert_found(&evidence, BreachKind::StepTwice);
}

#[test]
fn an_effect_with_two_keys_and_a_key_of_two_effects_are_found() {
    let mut evidence = steps();
    evidence.effects.last_mut().unwrap().key = "another".to_owned();
    assert_found(&evidence, BreachKind::Keys);
    let mut evidence = steps();
    let key = evidence.effects[0].key.clone();
    evidence.effects[1].key = key;
    assert_found(&evidence, BreachKind::Keys);
}

#[test]
fn one_key_with_two_runs_is_found() {
    let mut evidence = story();
    evidence.transcripts[0].run_ids.push("s2".to_owned());
    assert_found(&evidence, BreachKind::Strange);
    let mut evidence = story();
    let mut stranger = evidence.logs[0].clone();
    stranger.run = "s2".to_owned();
    stranger.events[0].data["run_id"] = json!("s2");
    evidence.logs.push(stranger);
    assert_found(&evidence, BreachKind::Strange);
}

#[test]
fn a_server_that_ended_by_itself_is_found() {
    let crashes = vec!["replica 1 ended with 101".to_owned()];
    assert_found(&Evidence { crashes, ..story() }, BreachKind::Crash);
}
