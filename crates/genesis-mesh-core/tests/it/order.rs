//! The order in which tasks end: it changes nothing.

use crate::driver::{Case, Halt, Live, cases};
use genesis_mesh_core::run::{FactRecord, TaskId};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashSet;

/// What a run leaves when the order within its steps is taken away.
fn leaves(case: &Case, order: u64) -> (Halt, Vec<Value>, Vec<String>) {
    let mut live = Live::new(case, order).watched();
    let halt = live.play();
    let made = live.records.iter().zip(&live.sights).filter(|(record, _)| record.checkpoint().is_some());
    let sights = made.map(|(_, sight)| sight.clone()).collect();
    // Of a step that was refused or left undone, what had ended depends on the order.
    let end = live.records.iter().rposition(|record| record.checkpoint().is_some()).unwrap_or_default();
    let facts = last_ends(&live.records[..=end]);
    let mut steps: Vec<Vec<String>> = vec![Vec::new()];
    for fact in facts {
        if fact.checkpoint().is_some() {
            steps.push(Vec::new());
        }
        steps.last_mut().unwrap().push(serde_json::to_string(fact).unwrap());
    }
    steps.iter_mut().for_each(|step| step.sort());
    (halt, sights, steps.concat())
}

/// The facts without resumptions, and without ends of tasks that have ended again later.
fn last_ends(records: &[FactRecord]) -> Vec<&FactRecord> {
    let mut ended: HashSet<TaskId> = HashSet::new();
    let last = records.iter().rev().filter(|record| match record {
        FactRecord::TaskEnded { task, .. } => ended.insert(*task),
        FactRecord::Resumed { .. } => false,
        _ => true,
    });
    let mut facts: Vec<&FactRecord> = last.collect();
    facts.reverse();
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn any_order_of_task_ends_gives_the_same_facts_and_the_same_state(case in cases(), order in 1..u64::MAX) {
        let (halt, sights, facts) = leaves(&case, 0);
        let (other_halt, other_sights, other_facts) = leaves(&case, order);
        prop_assert_eq!(halt, other_halt);
        prop_assert_eq!(facts, other_facts);
        prop_assert_eq!(sights, other_sights);
    }
}
