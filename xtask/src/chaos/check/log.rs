//! A log by itself: contiguous from 1, begun once, ended once, and told so by its row.
//!
//! Owns: what must hold of every log.
//! Never: knows what the run was to do.

use super::super::breach::{Breach, BreachKind};
use super::super::event::Event;
use super::super::evidence::RunLog;

pub(super) fn check(log: &RunLog) -> Vec<Breach> {
    let breach = |kind, detail: String| Breach::new(kind, &log.run, detail);
    let mut breaches = Vec::new();
    if !log.has_ended() {
        let detail = format!("it is {} after {} events", log.status, log.last_seq);
        breaches.push(breach(BreachKind::Lost, detail));
    }
    let mut last = 0;
    for event in &log.events {
        if event.seq <= last {
            breaches.push(breach(BreachKind::Duplicate, format!("the log has {} after {last}", event.seq)));
        } else if event.seq != last + 1 {
            breaches.push(breach(BreachKind::Gap, format!("the log has {} after {last}", event.seq)));
        }
        last = event.seq;
    }
    if last != log.last_seq {
        let detail = format!("its row says {}, the log ends with {last}", log.last_seq);
        breaches.push(breach(BreachKind::Gap, detail));
    }
    let begins = log.events.iter().filter(|event| event.kind() == "run").count();
    let first = log.events.first().and_then(|event| event.text_of("run_id"));
    if begins != 1 || first != Some(log.run.as_str()) {
        let detail = format!("the log begins {begins} times, with run {first:?}");
        breaches.push(breach(BreachKind::Duplicate, detail));
    }
    breaches.extend(ends(log));
    breaches
}

fn ends(log: &RunLog) -> Option<Breach> {
    let ends: Vec<&Event> = log.events.iter().filter(|event| event.is_end()).collect();
    let is_last = log.events.last().is_some_and(Event::is_end);
    let said = match ends.as_slice() {
        [] if !log.has_ended() => return None,
        [end] if is_last => match (end.kind(), end.text_of("finish_reason")) {
            ("error", _) => "failed",
            (_, Some("cancelled")) => "cancelled",
            _ => "succeeded",
        },
        ends => {
            let places: Vec<u64> = ends.iter().map(|end| end.seq).collect();
            let detail = format!("of {} events these are ends: {places:?}", log.events.len());
            return Some(Breach::new(BreachKind::Ends, &log.run, detail));
        }
    };
    let detail = || format!("its log says {said}, its row {}", log.status);
    (said != log.status).then(|| Breach::new(BreachKind::Ends, &log.run, detail()))
}
