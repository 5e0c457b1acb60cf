//! Stops: whatever was recorded when a run was stopped, it can be resumed, and comes to where it would have come.

use crate::driver::{Halt, Live, cases};
use crate::replays::replay;
use crate::shape::shape;
use genesis_mesh_core::graph::{NodeOptions, START, Style, TopologyBuilder};
use genesis_mesh_core::run::{
    Answer, CheckpointId, Fact, FactRecord, Failure, Input, Machine, Namespace, TaskId,
};
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

#[test]
fn a_call_that_began_is_known_as_begun_from_its_json_until_it_ends_or_fails() {
    let mut graph = TopologyBuilder::new("calls");
    graph.node("calls", NodeOptions::default());
    graph.edge(START, "calls");
    let topology = Arc::new(graph.build(Some(Arc::new(shape())), Style::Graph).unwrap());
    let mut machine = Machine::new(topology.clone(), Namespace::default());
    let begin = Fact::InputReceived { checkpoint: CheckpointId(1), input: Input::Writes(Vec::new()) };
    machine.apply(begin).unwrap();
    machine.next_step();
    let entry = machine.tasks().first().unwrap().id;
    machine.apply(Fact::TaskFinished { task: entry, writes: Vec::new(), answers: Vec::new() }).unwrap();
    let call = |machine: &Machine, caller: TaskId, index| machine.call_id(caller, index, "pay").unwrap();
    let mut live = machine.clone();
    let called = |caller, index| Fact::TaskCalled { caller, index, name: Arc::from("pay") };
    live.apply(called(entry, 3)).unwrap();
    let outer = call(&live, entry, 3);
    live.apply(called(outer, 0)).unwrap();
    let inner = call(&live, outer, 0);
    let begun = Fact::CallBegun { task: inner };
    let json = serde_json::to_value(FactRecord::of(&begun, &live).unwrap().unwrap()).unwrap();
    // Whoever reads the fact makes the calls that led there.
    let record: FactRecord = serde_json::from_value(json).unwrap();
    for fact in record.decode(&topology).unwrap() {
        machine.apply(fact).unwrap();
    }
    let is_begun = |machine: &Machine, id| machine.task(id).unwrap().is_begun;
    assert_eq!((is_begun(&machine, inner), is_begun(&machine, outer)), (true, false));
    machine.apply(Fact::Resumed { answer: None, writes: Vec::new() }).unwrap();
    assert!(is_begun(&machine, inner), "going on makes nothing known");
    let failure = Failure::new("Wrong", "");
    let fails = Fact::TaskFailed { task: inner, failure, is_handled: false, answers: Vec::new() };
    let ends = Fact::TaskFinished { task: inner, writes: Vec::new(), answers: Vec::new() };
    for (known, begins_again) in [(fails, true), (ends, false)] {
        machine.apply(known).unwrap();
        assert!(!is_begun(&machine, inner));
        machine.apply(begun.clone()).unwrap();
        assert_eq!(is_begun(&machine, inner), begins_again);
    }
}
