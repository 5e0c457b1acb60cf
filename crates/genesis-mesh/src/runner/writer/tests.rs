//! Tests of the queue before the store.

use super::RunWriter;
use genesis_mesh_core::log::{EventClass, NewEvent, RunEnd, RunStatus};

fn event(class: EventClass, data: &str) -> NewEvent {
    NewEvent { class, data: data.to_owned(), memo: None }
}

#[tokio::test]
async fn nothing_is_told_after_the_end_of_a_run() {
    let writer = RunWriter::new(usize::MAX);
    writer.push([event(EventClass::Fact, "a")]);
    let end = RunEnd { status: RunStatus::Succeeded, error: None, rolls_back: false };
    writer.end([event(EventClass::End, "end")], end);
    writer.push([event(EventClass::Fact, "late")]);
    writer.push_progress([event(EventClass::Delta, "later")]);
    let queue = writer.take().await.expect("what came in time waits");
    assert_eq!(queue.events.iter().map(|event| &*event.data).collect::<Vec<_>>(), ["a", "end"]);
    assert!(queue.end.is_some() && writer.take().await.is_none());
}
