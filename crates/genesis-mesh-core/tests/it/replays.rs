//! Replay: machines that are made of records, by way of their JSON.

use genesis_mesh_core::graph::Topology;
use genesis_mesh_core::run::{FactRecord, Machine, Namespace};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use std::sync::Arc;

/// Applies one record, as it comes from a store.
pub(crate) fn feed(machine: &mut Machine, record: &FactRecord) -> TestCaseResult {
    let text = serde_json::to_string(record).unwrap();
    let read: FactRecord = serde_json::from_str(&text).unwrap();
    prop_assert_eq!(&read, record, "the JSON of a record says all of it");
    machine.next_step();
    for fact in read.decode(&Arc::clone(machine.topology())).unwrap() {
        let applied = machine.apply(fact);
        prop_assert_eq!(applied, Ok(()), "{:?} applies again", record);
    }
    Ok(())
}

/// The machine that `records` make.
pub(crate) fn replay(topology: &Arc<Topology>, records: &[FactRecord]) -> Result<Machine, TestCaseError> {
    let mut machine = Machine::new(Arc::clone(topology), Namespace::default());
    for record in records {
        feed(&mut machine, record)?;
    }
    Ok(machine)
}
