//! What a run begins with: an input, or an answer and a command, held to the graph's state.
//!
//! Owns: the forms of an input, and the way from them to the facts that begin a run.
//! Never: begins anything.

use super::command::Command;
use super::drive::begin::Start;
use super::drive::exits;
use super::env::next_id;
use super::error::GraphRunError;
use super::live::GraphCore;
use super::output::IntoOutput;
use genesis_mesh_core::graph::Style;
use genesis_mesh_core::run::{Answer, Input, InterruptId, TaskId, TaskWrite};
use genesis_mesh_core::state::{State, Update};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An input, before it is held to the state.
#[derive(Debug)]
pub enum InputForm<S> {
    /// Typed writes.
    Update(Update<S>),
    /// JSON: an object of channels, or the argument of a function.
    Json(Value),
}

/// A type that a graph over `S` takes as its input.
pub trait IntoInput<S> {
    /// The input.
    fn into_input(self) -> InputForm<S>;
}

impl<S> IntoInput<S> for Update<S> {
    fn into_input(self) -> InputForm<S> {
        InputForm::Update(self)
    }
}

impl<S> IntoInput<S> for Value {
    fn into_input(self) -> InputForm<S> {
        InputForm::Json(self)
    }
}

#[derive(Debug)]
pub(super) enum StartForm<S> {
    Input(InputForm<S>),
    Continue {
        answer: Option<Answer>,
        command: Option<Command<S>>,
    },
    /// The same run again, after a crash, with the answer that it was given.
    Recover {
        answer: Option<Answer>,
    },
    /// What is wrong with what the caller gave.
    Invalid(String),
}

impl<S> StartForm<S> {
    /// The same after a crash, if the first fact of the run is kept.
    pub(super) fn recovering(self) -> Self {
        match self {
            Self::Input(_) => Self::Recover { answer: None },
            Self::Continue { answer, .. } => Self::Recover { answer },
            same => same,
        }
    }
}

/// What begins a run, with the answers that it brings: by question, and the one for the open question.
pub(super) type Begun = (Start, BTreeMap<InterruptId, Value>, Option<Value>);

pub(super) fn begin_form<S: State>(
    core: &GraphCore,
    form: StartForm<S>,
    has_thread: bool,
) -> Result<Begun, GraphRunError> {
    let topology = &core.topology;
    let (answer, command) = match form {
        StartForm::Recover { answer } => {
            let (answers, one) = apart(answer.as_ref());
            return Ok((Start::Recover, answers, one));
        }
        StartForm::Input(input) => return Ok((Start::Input(input_of(core, input)?), BTreeMap::new(), None)),
        StartForm::Continue { answer, command } => (answer, command),
        StartForm::Invalid(problem) => return Err(GraphRunError::InvalidInput { problems: vec![problem] }),
    };
    if answer.is_some() && !has_thread {
        return Err(GraphRunError::NoThread);
    }
    let mut writes = Vec::new();
    if let Some(command) = command {
        if answer.is_none() && command.is_empty() {
            return Err(GraphRunError::EmptyInput);
        }
        let output = command.into_output(topology.shape());
        let written = output.and_then(|output| exits::caller_writes(core, TaskId::OUTSIDE, output));
        writes =
            written.map_err(|error| GraphRunError::InvalidInput { problems: vec![error.to_string()] })?;
    }
    let (answers, one) = apart(answer.as_ref());
    Ok((Start::Continue { answer, writes }, answers, one))
}

/// Answers by question, and the one for the open question.
fn apart(answer: Option<&Answer>) -> (BTreeMap<InterruptId, Value>, Option<Value>) {
    match answer {
        Some(Answer::ById(answers)) => (answers.clone(), None),
        Some(Answer::One(one)) => (BTreeMap::new(), Some(one.clone())),
        None => (BTreeMap::new(), None),
    }
}

/// The input of a graph; writes to channels that it does not take as input are left out.
pub(super) fn input_of<S: State>(core: &GraphCore, form: InputForm<S>) -> Result<Input, GraphRunError> {
    let mut input = given_of(core, form)?;
    if let Input::Writes(writes) = &mut input {
        writes.retain(|write| match write {
            TaskWrite::State(write) => core.topology.takes_input(write.channel),
            _ => true,
        });
    }
    Ok(input)
}

/// What is given to a graph, as its input or as what a node writes.
pub(super) fn given_of<S: State>(core: &GraphCore, form: InputForm<S>) -> Result<Input, GraphRunError> {
    let topology = &core.topology;
    let writes = match form {
        InputForm::Json(json) if topology.style() == Style::Function => {
            return Ok(Input::Argument(Arc::new(json)));
        }
        InputForm::Json(Value::Object(object)) => {
            let update = topology.shape().update_from_json(object);
            let update = update.map_err(|problems| GraphRunError::InvalidInput {
                problems: problems.iter().map(ToString::to_string).collect(),
            })?;
            for name in &update.unknown {
                tracing::debug!(graph = %topology.name(), key = %name, "the input has a key that the state does not have");
            }
            update.writes
        }
        InputForm::Json(_) => {
            return Err(GraphRunError::InvalidInput {
                problems: vec!["the input is no JSON object".to_owned()],
            });
        }
        InputForm::Update(update) => update.into_writes(),
    };
    let mut ids = 0..;
    let seed = TaskId(next_id(&super::env::SystemAmbient));
    let taken = writes.into_iter().map(|mut write| {
        if let Some(channel) = topology.shape().channel(write.channel) {
            channel.ops.assign_ids(&mut write.value, &mut || seed.derive(ids.next().unwrap_or_default()));
        }
        TaskWrite::State(write)
    });
    Ok(Input::Writes(taken.collect()))
}
