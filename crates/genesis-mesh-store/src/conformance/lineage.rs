//! Checks of lineages: the way to a checkpoint, and what its facts make.
//!
//! Owns: the sentences about what a run is resumed from.
//! Never: writes anything but what it reads again.

use super::samples::{
    begins, chain, checkpoint, ended, input, key, lineage_of, machine, nothing, pending, snapshot,
};
use super::{Outcome, holds, same};
use genesis_mesh_core::run::{CheckpointId, Decision, Fact, FactRecord, Machine, Namespace};
use genesis_mesh_core::store::{Entry, Link, Store};
use std::sync::Arc;

pub(super) async fn follows_parents(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 3).await?;
    // A fork at 2, which goes on while 3 stands; an id between others is possible, if clocks differ.
    store.append(&key, vec![begins(6, Some(2)), begins(8, Some(6))]).await?;
    store.append(&key, vec![begins(7, Some(3)), begins(5, Some(2))]).await?;
    same("the lineage of the newest", &lineage_of(store, &key, None).await?, &vec![1, 2, 6, 8])?;
    same("the lineage of 7", &lineage_of(store, &key, Some(7)).await?, &vec![1, 2, 3, 7])?;
    same("the lineage of 5", &lineage_of(store, &key, Some(5)).await?, &vec![1, 2, 5])?;
    same("the lineage of 2", &lineage_of(store, &key, Some(2)).await?, &vec![1, 2])
}

pub(super) async fn begins_at_snapshot(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 3).await?;
    store.append(&key, vec![snapshot(3, 1)?, pending(3, ended(1, 1)), begins(4, Some(3))]).await?;
    let links = store.lineage(&key, None).await?;
    let ids: Vec<u128> = links.iter().map(|link| link.checkpoint.id.0).collect();
    same("the lineage", &ids, &vec![3, 4])?;
    let has_snapshot: Vec<bool> = links.iter().map(|link| link.snapshot.is_some()).collect();
    same("which links have a snapshot", &has_snapshot, &vec![true, false])?;
    let facts = links.first().map(|link| link.pending.clone());
    same("the facts at the snapshot's checkpoint", &facts, &Some(vec![ended(1, 1)]))?;
    same("the lineage of the snapshot's", &lineage_of(store, &key, Some(3)).await?, &vec![3])?;
    same("the lineage before it", &lineage_of(store, &key, Some(2)).await?, &vec![1, 2])
}

pub(super) async fn is_empty(store: &dyn Store) -> Outcome {
    let key = key("t");
    same("the lineage of an unknown thread", &lineage_of(store, &key, None).await?, &vec![])?;
    chain(store, &key, 3).await?;
    same("the lineage of a greater id", &lineage_of(store, &key, Some(9)).await?, &vec![])?;
    same("the lineage of a smaller id", &lineage_of(store, &key, Some(0)).await?, &vec![])?;
    let child = super::samples::within("t", "child");
    same("the lineage of another graph", &lineage_of(store, &child, None).await?, &vec![])?;
    same("the lineage in it", &lineage_of(store, &child, Some(1)).await?, &vec![])
}

/// Applies what a lineage has to a machine.
fn replay(links: Vec<Link>) -> Result<Machine, super::samples::Failed> {
    let mut machine = machine()?;
    for link in links {
        let mut made = link.checkpoint.fact;
        if let Some(snapshot) = link.snapshot {
            made = None;
            machine = Machine::restore(machine.topology(), Namespace::default(), *snapshot)?;
        }
        for record in made.into_iter().chain(link.pending) {
            machine.next_step();
            for fact in record.decode(&Arc::clone(machine.topology()))? {
                machine.apply(fact)?;
            }
        }
    }
    Ok(machine)
}

pub(super) async fn replays(store: &dyn Store) -> Outcome {
    let key = key("t");
    let mut machine = machine()?;
    for id in 1..=3 {
        let fact = match id {
            1 => input(&machine, 1, "in")?,
            _ => Fact::InputReceived { checkpoint: CheckpointId(id), input: nothing() },
        };
        keep(store, &mut machine, fact).await?;
        if id == 2 {
            let Some(snapshot) = machine.snapshot()? else { return Err("a machine without a head".into()) };
            let snapshot = Box::new(snapshot);
            store.append(&key, vec![Entry::Snapshot { checkpoint: CheckpointId(id), snapshot }]).await?;
        }
        holds("the entry runs", machine.next_step() == Decision::Execute)?;
        let Some(task) = machine.tasks().first().map(|task| task.id) else { return Err("no task".into()) };
        let writes = machine.input_writes().to_vec();
        keep(store, &mut machine, Fact::TaskFinished { task, writes, answers: Vec::new() }).await?;
        let replayed = replay(store.lineage(&key, None).await?)?;
        same("the live view", &replayed.view(true)?, &machine.view(true)?)?;
        same("the view of the step", &replayed.view(false)?, &machine.view(false)?)?;
    }
    same("the lineage", &lineage_of(store, &key, None).await?, &vec![2, 3])
}

/// Keeps a fact and applies it, as a runner does.
async fn keep(store: &dyn Store, machine: &mut Machine, fact: Fact) -> Outcome {
    let Some(record) = FactRecord::of(&fact, machine)? else { return Err("a fact without a record".into()) };
    let before = machine.head();
    machine.apply(fact)?;
    let Some(head) = machine.head() else { return Err("a machine without a head".into()) };
    let entry = match record.checkpoint() {
        Some(id) => {
            let mut made = checkpoint(id.0, before.map(|head| head.id.0));
            (made.step, made.source, made.fact) = (head.step, head.source, Some(record));
            Entry::Checkpoint(made)
        }
        None => pending(head.id.0, record),
    };
    store.append(&key("t"), vec![entry]).await?;
    Ok(())
}
