//! A driver: plays a script of inputs, updates, forks and resumptions, and runs the graph after each.

use crate::executor::{execute, exits_of, input_of, state_writes};
use crate::graphs::{GraphSpec, draw};
use genesis_mesh_core::run::{
    Answer, CheckpointId, Decision, Fact, FactRecord, Input, Machine, Namespace, StepError, Task, TaskStatus,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the caller of a run does.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Input(u64),
    Update(u8, u64),
    Clear,
    Fork,
    Write(u64),
}

/// A graph, what is done to it, and how many steps it may run after each deed.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) graph: GraphSpec,
    pub(crate) script: Vec<(Op, u8)>,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let op = prop_oneof![
        3 => any::<u64>().prop_map(Op::Input),
        2 => any::<(u8, u64)>().prop_map(|(node, seed)| Op::Update(node, seed)),
        1 => Just(Op::Clear),
        1 => Just(Op::Fork),
        2 => any::<u64>().prop_map(Op::Write),
    ];
    let later = prop::collection::vec((op, 0..5_u8), 0..4);
    let first = (any::<u64>(), 0..8_u8);
    (crate::graphs::graphs(), first, later).prop_map(|(graph, (seed, steps), later)| {
        let script = std::iter::once((Op::Input(seed), steps)).chain(later).collect();
        Case { graph, script }
    })
}

/// Why the driver stands still.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Halt {
    /// The script is over.
    Done,
    /// As many facts as were allowed.
    Stopped,
    /// A fact was refused.
    Refused(StepError),
}

/// A run that is recorded.
pub(crate) struct Live<'a> {
    pub(crate) case: &'a Case,
    pub(crate) machine: Machine,
    pub(crate) records: Vec<FactRecord>,
    /// What could be seen after each record, if anybody looked.
    pub(crate) sights: Vec<Value>,
    is_watched: bool,
    /// Which of the ready tasks ends next.
    order: u64,
    /// How many facts may be recorded.
    allowed: usize,
    place: usize,
    is_begun: bool,
    until: i64,
    attempt: u32,
}

impl<'a> Live<'a> {
    pub(crate) fn new(case: &'a Case, order: u64) -> Self {
        let machine = Machine::new(case.graph.topology(), Namespace::default());
        Self {
            case,
            machine,
            records: Vec::new(),
            sights: Vec::new(),
            is_watched: false,
            order,
            allowed: usize::MAX,
            place: 0,
            is_begun: false,
            until: 0,
            attempt: 0,
        }
    }

    /// Looks at the machine after each record.
    pub(crate) fn watched(mut self) -> Self {
        self.is_watched = true;
        self
    }

    /// Stops after so many records.
    pub(crate) fn stop_after(mut self, records: usize) -> Self {
        self.allowed = records;
        self
    }

    /// Goes on with `machine`, which was made of the records, as a new process would.
    pub(crate) fn go_on(&mut self, machine: Machine) -> Result<(), Halt> {
        self.machine = machine;
        self.allowed = usize::MAX;
        self.record(Fact::Resumed { answer: None, writes: Vec::new() })
    }

    /// Plays what is left of the script.
    pub(crate) fn play(&mut self) -> Halt {
        match self.try_play() {
            Ok(()) => Halt::Done,
            Err(halt) => halt,
        }
    }

    fn try_play(&mut self) -> Result<(), Halt> {
        while let Some((op, steps)) = self.case.script.get(self.place) {
            if !self.is_begun {
                let fact = self.fact_of(op);
                self.record(fact)?;
                self.is_begun = true;
                self.until = self.machine.step() + i64::from(*steps);
            }
            self.drive()?;
            self.place += 1;
            self.is_begun = false;
        }
        Ok(())
    }

    fn fact_of(&self, op: &Op) -> Fact {
        let checkpoint = self.next_checkpoint();
        match op {
            Op::Input(seed) => {
                let writes = state_writes(&format!("input {seed:x}"), *seed);
                Fact::InputReceived { checkpoint, input: Input::Writes(writes) }
            }
            Op::Update(node, seed) => {
                let node = self.machine.topology().id(self.case.graph.name(*node)).unwrap();
                let mut writes = state_writes(&format!("update {seed:x}"), *seed);
                writes.extend(exits_of(&self.machine, node, *seed));
                Fact::StateUpdated { checkpoint, updates: vec![(node, writes)] }
            }
            Op::Clear => Fact::StateUpdated { checkpoint, updates: Vec::new() },
            Op::Fork => Fact::Forked { checkpoint },
            Op::Write(seed) => {
                let mut writes = state_writes(&format!("resumed {seed:x}"), *seed);
                writes.extend(exits_of(&self.machine, self.machine.topology().start(), *seed));
                Fact::Resumed { answer: None, writes }
            }
        }
    }

    fn next_checkpoint(&self) -> CheckpointId {
        CheckpointId(self.machine.head().map_or(0, |head| head.id.0) + 1)
    }

    /// Runs until nothing is left to do, or the steps of this part of the script are over.
    fn drive(&mut self) -> Result<(), Halt> {
        loop {
            if self.machine.step() > self.until {
                return Ok(());
            }
            match self.machine.next_step() {
                Decision::Execute => {
                    let task = self.pick();
                    for fact in execute(&self.case.graph, &self.machine, &task, self.attempt) {
                        self.record(fact)?;
                    }
                }
                Decision::Commit => {
                    self.record(Fact::StepCommitted { checkpoint: self.next_checkpoint() })?;
                }
                Decision::Interrupted => {
                    let tasks = self.machine.tasks().iter();
                    let open = tasks.filter(|task| matches!(task.status, TaskStatus::Interrupted));
                    let open = open.flat_map(|task| &task.interrupts);
                    let answers =
                        open.map(|question| (question.id.clone(), json!({"to": question.value}))).collect();
                    self.record(Fact::Resumed { answer: Some(Answer::ById(answers)), writes: Vec::new() })?;
                }
                Decision::Failed(_) => self.record(Fact::Resumed { answer: None, writes: Vec::new() })?,
                Decision::Done => return Ok(()),
                Decision::Pause | Decision::OutOfSteps => panic!("there are no breakpoints and no limit"),
            }
        }
    }

    fn pick(&self) -> Task {
        let tasks = self.machine.tasks().iter();
        let is_ready = |task: &&Task| matches!(task.status, TaskStatus::Ready) && !task.path.is_call();
        let ready: Vec<&Task> = tasks.filter(is_ready).collect();
        let place = draw((self.order, self.records.len())) as usize % ready.len();
        ready[if self.order == 0 { 0 } else { place }].clone()
    }

    fn record(&mut self, fact: Fact) -> Result<(), Halt> {
        if self.records.len() >= self.allowed {
            return Err(Halt::Stopped);
        }
        let record = FactRecord::of(&fact, &self.machine).unwrap();
        match &fact {
            Fact::Resumed { .. } => self.attempt += 1,
            fact if makes_checkpoint(fact) => self.attempt = 0,
            _ => {}
        }
        self.machine.apply(fact).map_err(Halt::Refused)?;
        if let Some(record) = record {
            self.records.push(record);
            if self.is_watched {
                self.sights.push(sight(&self.machine));
            }
        }
        Ok(())
    }
}

fn makes_checkpoint(fact: &Fact) -> bool {
    !matches!(
        fact,
        Fact::Resumed { .. }
            | Fact::TaskCalled { .. }
            | Fact::CallBegun { .. }
            | Fact::TaskFinished { .. }
            | Fact::TaskFailed { .. }
            | Fact::TaskInterrupted { .. }
    )
}

/// All that can be seen of a machine.
pub(crate) fn sight(machine: &Machine) -> Value {
    let mut planned = machine.clone();
    let decision = format!("{:?}", planned.next_step());
    let tasks = planned.tasks().iter().filter(|task| !task.path.is_call());
    let inputs: Vec<Value> = tasks.map(|task| input_of(&planned, task)).collect();
    let tasks = planned.tasks().iter();
    let answers: Vec<_> = tasks.map(|task| json!([task.id, task.answers, task.interrupts])).collect();
    let view = |is_live| {
        let view = machine.view(is_live).unwrap();
        let next: Vec<&str> = view.next.iter().map(|name| &**name).collect();
        json!({"values": view.values, "next": next, "tasks": view.tasks, "head": format!("{:?}", view.head)})
    };
    json!({
        "decision": decision,
        "inputs": inputs,
        "tasks": answers,
        "open": format!("{:?}", machine.open_answer()),
        "live": view(true),
        "record": view(false),
        "snapshot": machine.snapshot().unwrap(),
    })
}
