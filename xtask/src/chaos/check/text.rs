//! Texts: what stands after all resets is what was said, no word more or less.
//!
//! Owns: how a client puts a text together.
//! Never: looks at a void attempt's text.

use super::super::breach::{Breach, BreachKind};
use super::super::event::Event;
use super::super::evidence::{RunLog, Transcript};
use super::super::work::Work;
use std::collections::BTreeMap;

pub(super) fn check(transcript: &Transcript, log: &RunLog, story: &str) -> Option<Breach> {
    let is_whole = log.status == "succeeded";
    let breach = |detail: String| Some(Breach::new(BreachKind::Text, &log.run, detail));
    match transcript.work {
        Work::Story => {
            // The client's frames count here: it has no more to make the text of.
            let frames = if transcript.has_ended() { &transcript.frames } else { &log.events };
            let text = standing(frames).into_values().collect::<String>();
            match is_whole {
                true if text != story => breach(difference(&text, story)),
                false if !story.starts_with(&text) => breach(difference(&text, story)),
                _ => None,
            }
        }
        Work::Steps { .. } if is_whole => {
            let mut texts: Vec<String> =
                standing(&log.events).into_values().filter(|text| !text.is_empty()).collect();
            let mut words: Vec<String> =
                transcript.work.steps().iter().map(|step| Work::words(step)).collect();
            texts.sort();
            words.sort();
            if texts == words { None } else { breach(format!("{texts:?} stand, not {words:?}")) }
        }
        Work::Steps { .. } => None,
    }
}

/// The text of each message; that without a name is the run's own.
fn standing(events: &[Event]) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for event in events {
        let message = event.text_of("message");
        match (event.kind(), message) {
            ("delta", message) => {
                let text = event.text_of("text").unwrap_or_default();
                texts.entry(message.unwrap_or_default().to_owned()).or_default().push_str(text);
            }
            ("reset", Some(message)) => drop(texts.remove(message)),
            ("reset", None) => texts.clear(),
            _ => {}
        }
    }
    texts
}

/// Where two texts part.
fn difference(text: &str, expected: &str) -> String {
    let same = text.chars().zip(expected.chars()).take_while(|(left, right)| left == right).count();
    let rest = |whole: &str| whole.chars().skip(same).take(40).collect::<String>();
    format!(
        "after {same} characters of {} it says {:?}, not {:?}",
        expected.chars().count(),
        rest(text),
        rest(expected)
    )
}
