//! From declared agents to ready ones: each part is compiled, each mistake is kept.
//!
//! Owns: the checks of one agent.
//! Never: loads models or checks names.
//! Flow: `GenesisMesh::setup` calls `model_agent` for each model and `agent` for each declared agent.

use super::problem::SetupProblem;
use crate::agent::{Agent, AgentInfo, GraphPlan, Models, PipelineRecipe, Plan, ReadyAgent, Recipe};
use crate::input::ModelInput;
use crate::pipeline::Pipeline;
use crate::schema::Schema;
use crate::template::Templates;
use genesis_mesh_core::{Model, Sampling};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The agent `name` that is `model` as it is.
pub(super) fn model_agent(
    name: &str,
    model_name: &str,
    model: &Arc<dyn Model>,
) -> Result<ReadyAgent, SetupProblem> {
    let schema = Schema::compile(ModelInput::json_schema())
        .map_err(|message| SetupProblem::InvalidInputSchema { agent: name.to_owned(), message })?;
    let info = AgentInfo {
        name: name.to_owned(),
        description: model.info().description.clone(),
        model: model_name.to_owned(),
        input_schema: schema.json().clone(),
    };
    Ok(ReadyAgent { info, schema, recipe: Recipe::Model(Arc::clone(model)) })
}

/// The declared agent; `None` if all is well with it but its model failed to load.
pub(super) fn agent(
    name: &str,
    agent: &Agent,
    models: &BTreeMap<String, Arc<dyn Model>>,
    declared: &BTreeSet<String>,
) -> Result<Option<ReadyAgent>, Vec<SetupProblem>> {
    let model_name = match &agent.plan {
        Plan::Model(model) => model,
        Plan::Pipeline(pipeline) => &pipeline.model,
        // It is built when the models are there, which they are in no mere check.
        Plan::Graph(_) if models.is_empty() && !declared.is_empty() => return Ok(None),
        Plan::Graph(plan) => return graph(name, plan, models).map(Some).map_err(|problem| vec![problem]),
    };
    let mut problems = Vec::new();
    if !declared.contains(model_name) {
        problems.push(SetupProblem::UnknownModel {
            agent: name.to_owned(),
            model: model_name.clone(),
            known: declared.iter().cloned().collect(),
        });
    }
    let parts = match &agent.plan {
        Plan::Model(_) | Plan::Graph(_) => None,
        Plan::Pipeline(pipeline) => compile(name, pipeline, &mut problems),
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let Some(model) = models.get(model_name) else { return Ok(None) };
    match (&agent.plan, parts) {
        (Plan::Pipeline(pipeline), Some((schema, parts))) => {
            let info = AgentInfo {
                name: name.to_owned(),
                description: pipeline.description.clone(),
                model: model_name.clone(),
                input_schema: schema.json().clone(),
            };
            let recipe = Recipe::Pipeline(Box::new(parts.with(Arc::clone(model))));
            Ok(Some(ReadyAgent { info, schema, recipe }))
        }
        _ => model_agent(name, model_name, model).map(Some).map_err(|problem| vec![problem]),
    }
}

/// The agent that is a graph.
fn graph(
    name: &str,
    plan: &GraphPlan,
    models: &BTreeMap<String, Arc<dyn Model>>,
) -> Result<ReadyAgent, SetupProblem> {
    let invalid = |source| SetupProblem::InvalidGraph { agent: name.to_owned(), source };
    let graph = (plan.build)(&Models(models)).map_err(invalid)?;
    let schema = Schema::compile(graph.input_schema())
        .map_err(|message| SetupProblem::InvalidInputSchema { agent: name.to_owned(), message })?;
    let info = AgentInfo {
        name: name.to_owned(),
        description: plan.description.clone(),
        model: String::new(),
        input_schema: schema.json().clone(),
    };
    Ok(ReadyAgent { info, schema, recipe: Recipe::Graph(graph) })
}

/// The compiled parts of a pipeline, which still needs its model.
struct Parts(Box<dyn FnOnce(Arc<dyn Model>) -> PipelineRecipe>);

impl Parts {
    fn with(self, model: Arc<dyn Model>) -> PipelineRecipe {
        (self.0)(model)
    }
}

/// The compiled parts of a pipeline; `None` if something is wrong, which `problems` then says.
fn compile(name: &str, pipeline: &Pipeline, problems: &mut Vec<SetupProblem>) -> Option<(Schema, Parts)> {
    let agent = || name.to_owned();
    if pipeline.messages.is_empty() {
        problems.push(SetupProblem::NoPrompt { agent: agent() });
    }
    let out_of_range = settings(pipeline);
    problems.extend(out_of_range.into_iter().map(|(setting, message)| SetupProblem::InvalidSetting {
        agent: agent(),
        setting,
        message,
    }));
    let parser = pipeline.parser.compile();
    let parser =
        parser.map_err(|message| problems.push(SetupProblem::InvalidParser { agent: agent(), message }));
    let templates = Templates::compile(&pipeline.messages).map_err(|wrong| {
        problems.extend(wrong.into_iter().map(|(role, message)| SetupProblem::InvalidTemplate {
            agent: agent(),
            role: role.as_str(),
            message,
        }));
    });
    let declared = pipeline.input_schema.clone();
    let schema = match (declared, &templates) {
        (Some(schema), _) => Some(schema),
        (None, Ok(templates)) => Some(templates.implied_schema()),
        (None, Err(())) => None,
    };
    let schema = schema.map(Schema::compile)?;
    let schema =
        schema.map_err(|message| problems.push(SetupProblem::InvalidInputSchema { agent: agent(), message }));
    let (Ok(schema), Ok(templates), Ok(parser)) = (schema, templates, parser) else { return None };
    problems.extend(
        undeclared(&schema, &templates).map(|variable| SetupProblem::UndeclaredVariable {
            agent: agent(),
            variable: variable.to_owned(),
        }),
    );
    let (max_tokens, sampling, stop) = (pipeline.max_tokens, pipeline.sampling, pipeline.stop.clone());
    let parser = Arc::new(parser);
    let parts = move |model| PipelineRecipe { model, templates, parser, max_tokens, sampling, stop };
    Some((schema, Parts(Box::new(parts))))
}

/// The variables that a schema with a list of properties does not list.
fn undeclared<'a>(schema: &'a Schema, templates: &'a Templates) -> impl Iterator<Item = &'a str> {
    let properties = schema.json().get("properties").and_then(Value::as_object);
    templates
        .variables()
        .filter(move |variable| properties.is_some_and(|properties| !properties.contains_key(*variable)))
}

/// The settings that are out of the ranges that the core's words have.
fn settings(pipeline: &Pipeline) -> Vec<(&'static str, &'static str)> {
    let Sampling {
        temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty, ..
    } = pipeline.sampling;
    let checks = [
        (pipeline.max_tokens != Some(0), "max_tokens", "at least 1"),
        ((0.0..=2.0).contains(&temperature), "sampling.temperature", "0.0 to 2.0"),
        (top_p > 0.0 && top_p <= 1.0, "sampling.top_p", "above 0.0, to 1.0"),
        ((0.0..=1.0).contains(&min_p), "sampling.min_p", "0.0 to 1.0"),
        (
            repetition_penalty > 0.0 && repetition_penalty <= 2.0,
            "sampling.repetition_penalty",
            "above 0.0, to 2.0",
        ),
        ((-2.0..=2.0).contains(&frequency_penalty), "sampling.frequency_penalty", "-2.0 to 2.0"),
        ((-2.0..=2.0).contains(&presence_penalty), "sampling.presence_penalty", "-2.0 to 2.0"),
        (pipeline.stop.iter().all(|text| !text.is_empty()), "stop", "no text is empty"),
    ];
    checks
        .into_iter()
        .filter(|(is_right, _, _)| !is_right)
        .map(|(_, setting, allowed)| (setting, allowed))
        .collect()
}
