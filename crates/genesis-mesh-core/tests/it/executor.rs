//! An executor without nodes: what a task does follows from a hash of its graph, its name, its step, its path and
//! what it reads. It writes, goes on, sends, calls, asks and fails.

use crate::graphs::{GraphSpec, draw};
use crate::shape::{ANY, LATE, LOG, N, NOW, TOPIC, X};
use genesis_mesh_core::graph::{END, Exit};
use genesis_mesh_core::run::{
    Answer, Fact, Failure, Interrupt, InterruptId, Machine, SendPacket, Task, TaskInput, TaskStatus,
    TaskWrite,
};
use genesis_mesh_core::state::{ChannelValue, Write};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a task reads, as JSON.
pub(crate) fn input_of(machine: &Machine, task: &Task) -> Value {
    match machine.task_input(task) {
        TaskInput::State(state) => Value::Object(machine.topology().shape().json(&state).unwrap()),
        TaskInput::Value(value) => value.to_json().unwrap(),
    }
}

/// What one task does when it runs for the `attempt`-th time at its checkpoint.
pub(crate) fn execute(spec: &GraphSpec, machine: &Machine, task: &Task, attempt: u32) -> Vec<Fact> {
    let input = input_of(machine, task).to_string();
    let path = serde_json::to_string(&task.path).unwrap();
    let is_entry = machine.topology().is_hidden(task.node);
    let chance = |what: &str| draw((spec.seed, &*task.name, machine.step(), &path, &input, what));
    let id = task.id;
    let failed = |is_handled| Fact::TaskFailed {
        task: id,
        failure: Failure::new("Chance", "it had to fail"),
        is_handled,
        answers: task.answers.clone(),
    };
    if !is_entry {
        let has_handler = machine.topology().node(task.node).is_some_and(|node| node.on_error.is_some());
        if has_handler && !task.path.is_handler() && chance("break").is_multiple_of(3) {
            return vec![failed(true)];
        }
        if attempt == 0 && chance("flaky").is_multiple_of(6) {
            return vec![failed(false)];
        }
    }
    let mut facts = if is_entry { Vec::new() } else { calls(machine, task, chance("calls")) };
    let needed = if is_entry { 0 } else { [0, 0, 0, 0, 1, 2][(chance("asks") % 6) as usize] };
    let answers = answers(machine, task, needed);
    if answers.len() < needed {
        let interrupts = vec![Interrupt {
            id: question(machine, task, answers.len()),
            value: json!({"of": &*task.name, "after": answers.len()}),
            response_schema: None,
        }];
        facts.push(Fact::TaskInterrupted { task: id, interrupts, answers });
        return facts;
    }
    let mut writes = if is_entry { machine.input_writes().to_vec() } else { Vec::new() };
    if !is_entry {
        let heard: Vec<String> = answers.iter().map(Value::to_string).collect();
        let said = format!("{}@{} {:x} {heard:?}", task.name, machine.step(), draw(&input) >> 48);
        writes.extend(state_writes(&said, chance("writes")));
        writes.extend(commands(spec, machine, chance("commands")));
    }
    writes.extend(exits(machine, task, chance("branch")));
    facts.push(Fact::TaskFinished { task: id, writes, answers });
    facts
}

fn question(machine: &Machine, task: &Task, answered: usize) -> InterruptId {
    InterruptId::of(&machine.namespace().child(&task.name, task.id), answered)
}

/// The answers that the task has, and those to be had, up to `needed`.
fn answers(machine: &Machine, task: &Task, needed: usize) -> Vec<Value> {
    let mut answers = task.answers.clone();
    while answers.len() < needed {
        let open = match machine.open_answer() {
            Some(Answer::ById(open)) => open.get(&question(machine, task, answers.len())),
            _ => None,
        };
        let Some(answer) = open else { break };
        answers.push(answer.clone());
    }
    answers
}

/// Calls of functions, the second of which calls another; calls that have ended are not made again.
fn calls(machine: &Machine, task: &Task, chance: u64) -> Vec<Fact> {
    let mut facts = Vec::new();
    let has_ended = |id| machine.task(id).is_some_and(|call| matches!(call.status, TaskStatus::Finished(_)));
    let ended = |id, value: &str| {
        let value: Arc<dyn ChannelValue> = Arc::new(value.to_owned());
        Fact::TaskFinished { task: id, writes: vec![TaskWrite::Return(value)], answers: Vec::new() }
    };
    for index in 0..[0, 0, 0, 1, 2][(chance % 5) as usize] {
        let id = machine.call_id(task.id, index, "double").unwrap();
        if has_ended(id) {
            continue;
        }
        facts.push(Fact::TaskCalled { caller: task.id, index, name: Arc::from("double") });
        if index == 1 {
            // The id of a call within a call is known when the outer one is.
            let mut later = machine.clone();
            for fact in facts.clone() {
                later.apply(fact).unwrap();
            }
            let inner = later.call_id(id, 0, "halve").unwrap();
            if !has_ended(inner) {
                facts.push(Fact::TaskCalled { caller: id, index: 0, name: Arc::from("halve") });
                facts.push(ended(inner, "half"));
            }
        }
        facts.push(ended(id, "twice"));
    }
    facts
}

fn write<T: ChannelValue>(channel: u32, value: T) -> TaskWrite {
    TaskWrite::State(Write { channel, value: Box::new(value), is_overwrite: false })
}

pub(crate) fn state_writes(said: &str, chance: u64) -> Vec<TaskWrite> {
    let mut writes = vec![write(LOG, vec![said.to_owned()])];
    let mut when = |every: u64, place: u32, make: &dyn Fn() -> TaskWrite| {
        if (chance >> (8 * place)).is_multiple_of(every) {
            writes.push(make());
        }
    };
    when(3, 0, &|| write(N, (chance % 10) as i64));
    when(32, 1, &|| write(X, (chance % 100) as i64));
    when(3, 2, &|| write(NOW, said.to_owned()));
    when(4, 3, &|| write(ANY, said.to_owned()));
    when(4, 4, &|| write(TOPIC, vec![said.to_owned()]));
    when(20, 5, &|| write(LATE, said.to_owned()));
    let log = || Write { channel: LOG, value: Box::new(vec![format!("anew {said}")]), is_overwrite: true };
    when(40, 6, &|| TaskWrite::State(log()));
    writes
}

/// Nodes to go to and tasks to send, beside the edges.
fn commands(spec: &GraphSpec, machine: &Machine, chance: u64) -> Vec<TaskWrite> {
    let mut writes = Vec::new();
    let name = |place: u32| spec.name((chance >> (8 * place)) as u8);
    if chance.is_multiple_of(5) {
        writes.push(TaskWrite::Goto(machine.topology().id(name(1)).unwrap()));
    }
    let sends = [0, 0, 0, 1, 2, 3][(chance % 6) as usize];
    for place in 2..2 + sends {
        let node = if (chance >> (8 * place)).is_multiple_of(16) { "nowhere" } else { name(place) };
        let input: Arc<dyn ChannelValue> = Arc::new(json!({"sent": chance % 7, "log": [place]}));
        writes.push(TaskWrite::Send(SendPacket { node: Arc::from(node), input, run_timeout: None }));
    }
    writes
}

pub(crate) fn exits(machine: &Machine, task: &Task, chance: u64) -> Vec<TaskWrite> {
    exits_of(machine, task.node, chance)
}

/// Where the ways out of a node lead.
pub(crate) fn exits_of(machine: &Machine, node: u32, chance: u64) -> Vec<TaskWrite> {
    let topology = machine.topology();
    let exits = &topology.node(node).unwrap().exits;
    let writes = exits.iter().filter_map(|exit| match exit {
        Exit::Edge(to) => Some(TaskWrite::Goto(*to)),
        Exit::End => None,
        Exit::Join(join) => Some(TaskWrite::Join { join: *join, from: node }),
        Exit::Router { paths, .. } => {
            let paths = paths.as_ref().unwrap();
            let (_, target) = &paths[chance as usize % paths.len()];
            (**target != *END).then(|| TaskWrite::Goto(topology.id(target).unwrap()))
        }
    });
    writes.collect()
}
