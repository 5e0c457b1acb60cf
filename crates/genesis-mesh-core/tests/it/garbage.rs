//! Garbage: facts with wrong ids, wrong types and in a wrong order, records and snapshots that nobody wrote.
//! The machine refuses or takes them; it does not panic, and after a refusal it can still be looked at.

use crate::driver::{Live, cases, sight};
use crate::graphs::graphs;
use genesis_mesh_core::graph::NodeSet;
use genesis_mesh_core::run::{
    Answer, Breakpoints, CheckpointId, Fact, FactRecord, Failure, Input, Interrupt, InterruptId, Machine,
    MachineSnapshot, Namespace, SendPacket, TaskId, TaskWrite,
};
use genesis_mesh_core::state::{ChannelValue, Write};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// The numbers that one garbage fact is made of.
type Dice = (u8, u8, u8, Vec<(u8, u8, u8)>);

fn write((kind, place, other): (u8, u8, u8)) -> TaskWrite {
    let place = u32::from(place % 12);
    match kind % 10 {
        0..5 => {
            let value: Box<dyn ChannelValue> = match other % 5 {
                0 => Box::new(i64::from(other)),
                1 => Box::new(vec![format!("text {other}")]),
                2 => Box::new(format!("text {other}")),
                3 => Box::new(json!({"no": ["channel", other]})),
                _ => Box::new(Value::Null),
            };
            TaskWrite::State(Write { channel: place, value, is_overwrite: other.is_multiple_of(3) })
        }
        5 => TaskWrite::Goto(place),
        6 => TaskWrite::Join { join: place % 4, from: u32::from(other % 9) },
        7 => {
            let (node, input) =
                (Arc::from(["a", "c", "", "__start__", "nowhere"][place as usize % 5]), other);
            TaskWrite::Send(SendPacket { node, input: Arc::new(input), run_timeout: None })
        }
        8 => TaskWrite::Return(Arc::new(other)),
        _ => TaskWrite::Save(Arc::new(other)),
    }
}

fn fact(machine: &Machine, (kind, place, other, writes): Dice) -> Fact {
    let checkpoint = CheckpointId(u128::from(other));
    let some = |count: usize| (count > 0).then(|| machine.tasks()[place as usize % count].id);
    let task = match other % 4 {
        0 => TaskId(u128::from(place)),
        _ => some(machine.tasks().len()).unwrap_or(TaskId::OUTSIDE),
    };
    let writes: Vec<TaskWrite> = writes.into_iter().map(write).collect();
    let answers = vec![json!(other); usize::from(place % 3)];
    match kind % 12 {
        0 => Fact::InputReceived { checkpoint, input: Input::Writes(writes) },
        1 => Fact::InputReceived { checkpoint, input: Input::Argument(Arc::new(other)) },
        2 => Fact::Resumed { answer: place.is_multiple_of(2).then(|| Answer::One(json!(other))), writes },
        3 => Fact::Forked { checkpoint },
        4 | 5 => Fact::TaskFinished { task, writes, answers },
        6 => {
            let id = InterruptId(format!("{other}"));
            let interrupts = vec![Interrupt { id, value: json!(place), response_schema: None }];
            Fact::TaskInterrupted { task, interrupts, answers }
        }
        7 => {
            let failure = if other == 0 { Failure::cancelled() } else { Failure::new("Garbage", "") };
            Fact::TaskFailed { task, failure, is_handled: place.is_multiple_of(2), answers }
        }
        8 => Fact::TaskCalled { caller: task, index: u32::from(other), name: Arc::from("call") },
        9 => Fact::CallBegun { task },
        10 | 11 => Fact::StepCommitted { checkpoint },
        _ => Fact::StateUpdated { checkpoint, updates: vec![(u32::from(place % 9), writes)] },
    }
}

/// Looks at everything that a machine tells.
fn look(machine: &mut Machine, place: u8) {
    match place % 8 {
        0 => drop(sight(machine)),
        1 => drop(machine.next_step()),
        2 => machine.limit(u32::from(place), Breakpoints { before: NodeSet::All, after: NodeSet::All }),
        3 => {
            let snapshot = machine.snapshot().unwrap();
            let restored =
                snapshot.map(|snapshot| Machine::restore(machine.topology(), Namespace::default(), snapshot));
            if let Some(Ok(restored)) = restored {
                *machine = restored;
            }
        }
        4 => machine.run_again(place.is_multiple_of(3)),
        _ => drop((machine.last_node(), machine.remaining_steps(), machine.has_written())),
    }
}

/// Puts `value` in the place of the `place`-th leaf of a JSON value.
fn replace(json: &mut Value, place: &mut usize, value: &Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, value)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, place, value)),
        leaf => {
            if *place == 0 {
                *leaf = value.clone();
            }
            *place = place.wrapping_sub(1);
        }
    }
}

fn extremes() -> impl Strategy<Value = Value> {
    let values = [
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(true),
        json!(null),
        json!(""),
        json!("a"),
        json!("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        json!([]),
        json!({}),
    ];
    prop::sample::select(values.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_facts_in_any_order_make_the_machine_panic(
        graph in graphs(),
        dice in prop::collection::vec(
            (any::<u8>(), any::<u8>(), any::<u8>(), prop::collection::vec(any::<(u8, u8, u8)>(), 0..4)),
            0..40,
        ),
    ) {
        let mut machine = Machine::new(graph.topology(), Namespace::default());
        for dice in dice {
            let place = dice.1;
            let fact = fact(&machine, dice);
            // What is refused was recordable all the same.
            let _ = FactRecord::of(&fact, &machine).unwrap();
            let _ = machine.apply(fact);
            look(&mut machine, place);
        }
        sight(&machine);
    }

    #[test]
    fn no_change_of_stored_records_makes_the_machine_panic(
        case in cases(),
        changes in prop::collection::vec((any::<u16>(), any::<u16>(), extremes()), 1..4),
    ) {
        let mut live = Live::new(&case, 1);
        live.play();
        let mut records: Vec<Value> =
            live.records.iter().take(40).map(|record| serde_json::to_value(record).unwrap()).collect();
        for (record, place, value) in &changes {
            let record = *record as usize % records.len();
            replace(&mut records[record], &mut (*place as usize % 24), value);
        }
        let mut machine = Machine::new(case.graph.topology(), Namespace::default());
        for record in records {
            let Ok(record) = serde_json::from_value::<FactRecord>(record) else { continue };
            machine.next_step();
            let Ok(facts) = record.decode(&Arc::clone(machine.topology())) else { continue };
            for fact in facts {
                let _ = machine.apply(fact);
            }
        }
        sight(&machine);
    }

    #[test]
    fn no_change_of_a_stored_snapshot_makes_the_machine_panic(
        case in cases(),
        changes in prop::collection::vec((any::<u16>(), extremes()), 1..4),
    ) {
        let mut live = Live::new(&case, 1);
        live.play();
        let mut stored = serde_json::to_value(live.machine.snapshot().unwrap()).unwrap();
        for (place, value) in &changes {
            replace(&mut stored, &mut (*place as usize % 24), value);
        }
        let Ok(snapshot) = serde_json::from_value::<MachineSnapshot>(stored) else { return Ok(()) };
        let restored = Machine::restore(&case.graph.topology(), Namespace::default(), snapshot);
        let Ok(mut machine) = restored else { return Ok(()) };
        look(&mut machine, 2);
        for (kind, place) in [(4, 0), (9, 0), (2, 0), (11, 3), (0, 0), (4, 0), (9, 0)] {
            let fact = fact(&machine, (kind, place, 1, vec![(5, 1, 0)]));
            let _ = machine.apply(fact);
            sight(&machine);
        }
    }
}
