//! What a client saw against the log: each event once, in order, as it stands there.
//!
//! Owns: the rule that deltas may share a frame, and nothing else may.
//! Never: forgives an event that was told and is not in the log.

use super::super::breach::{Breach, BreachKind};
use super::super::event::Event;
use super::super::evidence::{RunLog, Transcript};

pub(super) fn check(transcript: &Transcript, log: &RunLog) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut cursor = 0;
    for frame in &transcript.frames {
        let breach = |kind, detail: String| Breach::new(kind, &log.run, detail);
        if frame.seq <= cursor {
            let detail = format!("the client was told {} after {cursor}", frame.seq);
            breaches.push(breach(BreachKind::Duplicate, detail));
            continue;
        }
        breaches.extend(compare(frame, cursor, log).map(|(kind, detail)| breach(kind, detail)));
        cursor = frame.seq;
    }
    if transcript.refusals.iter().any(|code| code == "cursor_ahead") {
        let detail = format!("the client has {cursor}, and was told that this is after the log's end");
        breaches.push(Breach::new(BreachKind::Differs, &log.run, detail));
    }
    if !transcript.has_ended() {
        let detail = format!(
            "the client was told {cursor} of {} events, and no end; refusals: {:?}",
            log.last_seq, transcript.refusals
        );
        breaches.push(Breach::new(BreachKind::Untold, &log.run, detail));
    }
    breaches
}

/// What is wrong with a frame that came after the event `cursor`.
fn compare(frame: &Event, cursor: u64, log: &RunLog) -> Option<(BreachKind, String)> {
    let logged: Vec<&Event> =
        log.events.iter().filter(|event| event.seq > cursor && event.seq <= frame.seq).collect();
    let shown = || format!("the client was told {} as {:?}", frame.seq, frame.data);
    if logged.last().is_none_or(|event| event.seq != frame.seq) {
        return Some((BreachKind::Differs, format!("{}; the log has no such event", shown())));
    }
    if frame.seq == cursor + 1 {
        let is_so = logged.iter().all(|event| event.data == frame.data);
        let detail = || format!("{}; the log has {:?}", shown(), logged.first().map(|event| &event.data));
        return (!is_so).then(|| (BreachKind::Differs, detail()));
    }
    let texts: Option<Vec<&str>> = logged.iter().map(|event| event.plain_text()).collect();
    match (frame.plain_text(), texts) {
        (Some(text), Some(texts)) if texts.concat() == text => None,
        (Some(_), Some(texts)) => {
            Some((BreachKind::Differs, format!("{}; the log has {texts:?} after {cursor}", shown())))
        }
        _ => Some((BreachKind::Gap, format!("{} after {cursor}", shown()))),
    }
}
