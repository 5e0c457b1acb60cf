//! Stops: whatever was recorded when a run was stopped, it can be resumed, and comes to where it would have come.

use crate::driver::{Halt, Live, cases};
use crate::replays::replay;
use crate::shape::shape;
use genesis_mesh_core::graph::{NodeOptions, START, Style, TopologyBuilder};
use genesis_mesh_core::run::{Answer, CheckpointId, Fact, Input, Machine, Namespace};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn a_run_that_is_stopped_after_any_fact_and_resumed_comes_to_the_same_state(
        case in cases(),
        order in any::<u64>(),
    ) {
        let mut undisturbed = Live::new(&case, order);
        let halt = undisturbed.play();
        // The first stops, and some of the later ones.
        for stop in (1..undisturbed.records.len()).filter(|stop| *stop < 8 || (*stop as u64 ^ order).is_multiple_of(3)) {
            let mut live = Live::new(&case, order).stop_after(stop);
            prop_assert_eq!(live.play(), Halt::Stopped);
            let machine = replay(&case.graph.topology(), &live.records)?;
            let went_on = live.go_on(machine);
            prop_assert_eq!(went_on, Ok(()));
            prop_assert_eq!(&live.play(), &halt, "stopped after {} facts", stop);
            if halt == Halt::Done {
                let (seen, wanted) = (live.machine.snapshot(), undisturbed.machine.snapshot());
                prop_assert_eq!(seen.unwrap(), wanted.unwrap(), "stopped after {} facts", stop);
            }
        }
    }
}

#[test]
fn an_answer_that_no_task_has_taken_stays_open_when_the_run_is_resumed_again() {
    let mut graph = TopologyBuilder::new("ask");
    graph.node("ask", NodeOptions::default());
    graph.edge(START, "ask");
    let topology = graph.build(Some(Arc::new(shape())), Style::Graph).unwrap();
    let mut machine = Machine::new(Arc::new(topology), Namespace::default());
    let begin = Fact::InputReceived { checkpoint: CheckpointId(1), input: Input::Writes(Vec::new()) };
    let answer = Fact::Resumed { answer: Some(Answer::One(json!("yes"))), writes: Vec::new() };
    let again = Fact::Resumed { answer: None, writes: Vec::new() };
    for fact in [begin.clone(), answer, again] {
        machine.apply(fact).unwrap();
    }
    assert_eq!(machine.open_answer(), Some(&Answer::One(json!("yes"))));
    // A new run does not get what the last one was told.
    machine.apply(begin).unwrap();
    assert_eq!(machine.open_answer(), None);
}
