//! From `[agents.NAME]` to agents, and where in the file the problems that setup finds stand.
//!
//! Owns: what a table without a prompt means, and the places of setup's problems.
//! Never: checks a template, a schema or a range; setup does.

use super::form::{AgentForm, OutputForm, RoleForm, SchemaForm, TextOutput};
use super::reader::Reader;
use super::tree::Node;
use genesis_mesh::{Agent, Parser, Pipeline, Role, Sampling, SetupProblem, Stop};
use serde_json::Value;
use std::fs;

/// The agent of a table; `None` if something is wrong, which the reader then knows.
pub(super) fn agent(name: &str, form: &AgentForm, reader: &mut Reader<'_>) -> Option<Agent> {
    let table = reader.root.get("agents").and_then(|agents| agents.node.get(name));
    // What the file says counts, not what is left of it after mistakes that are told already.
    let keys: Vec<&str> = table.map_or_else(Vec::new, |table| {
        table.node.entries().iter().map(|entry| entry.name.as_str()).collect()
    });
    if !keys.contains(&"prompt") && !keys.contains(&"messages") {
        let without_effect: Vec<&str> = keys.into_iter().filter(|key| *key != "model").collect();
        for key in &without_effect {
            reader
                .say(&["agents", name, key], format!("`{key}` has no effect without `prompt` or `messages`"));
        }
        return without_effect.is_empty().then(|| Agent::model(form.model.clone()));
    }
    if form.prompt.is_none() && form.messages.is_empty() {
        return None;
    }
    let mut pipeline = Pipeline::new(form.model.clone()).sampling(sampling(form));
    if let Some(text) = &form.description {
        pipeline = pipeline.description(text.clone());
    }
    if let Some(template) = &form.system {
        pipeline = pipeline.system(template.clone());
    }
    for message in &form.messages {
        let role = match message.role {
            RoleForm::System => Role::System,
            RoleForm::User => Role::User,
            RoleForm::Assistant => Role::Assistant,
        };
        pipeline = pipeline.message(role, message.content.clone());
    }
    if let Some(template) = &form.prompt {
        pipeline = pipeline.prompt(template.clone());
    }
    if let Some(schema) = &form.input_schema {
        pipeline = pipeline.input_schema(self::schema(&["agents", name, "input_schema"], schema, reader)?);
    }
    pipeline = pipeline.parse(parser(name, form.output.as_ref(), reader)?);
    if let Some(tokens) = form.max_tokens {
        pipeline = pipeline.max_tokens(tokens);
    }
    let stop = match form.stop.clone() {
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
        None => Vec::new(),
    };
    Some(stop.into_iter().fold(pipeline, Pipeline::stop).into())
}

fn sampling(form: &AgentForm) -> Sampling {
    let default = Sampling::default();
    Sampling {
        temperature: form.temperature.unwrap_or(default.temperature),
        top_k: form.top_k.unwrap_or(default.top_k),
        top_p: form.top_p.unwrap_or(default.top_p),
        min_p: form.min_p.unwrap_or(default.min_p),
        repetition_penalty: form.repetition_penalty.unwrap_or(default.repetition_penalty),
        frequency_penalty: form.frequency_penalty.unwrap_or(default.frequency_penalty),
        presence_penalty: form.presence_penalty.unwrap_or(default.presence_penalty),
        seed: form.seed,
    }
}

fn parser(name: &str, form: Option<&OutputForm>, reader: &mut Reader<'_>) -> Option<Parser> {
    Some(match form {
        None | Some(OutputForm::Named(TextOutput::Text)) => Parser::text(),
        Some(OutputForm::Named(TextOutput::Lines)) => Parser::lines(),
        Some(OutputForm::Named(TextOutput::Json)) => Parser::json(),
        Some(OutputForm::Regex(output)) => Parser::regex(output.regex.clone()),
        Some(OutputForm::JsonSchema(output)) => {
            let path = ["agents", name, "output", "json_schema"];
            Parser::json_schema(schema(&path, &output.json_schema, reader)?)
        }
    })
}

/// The schema of the value at `path`: a table, or what a file holds.
fn schema(path: &[&str], form: &SchemaForm, reader: &mut Reader<'_>) -> Option<Value> {
    let reference = match form {
        SchemaForm::Table(schema) => return Some(Value::Object(schema.clone())),
        SchemaForm::File(reference) => reference,
    };
    let Some(file) = reference.strip_prefix("file:") else {
        reader.say(path, "expected a table or `file:PATH`, got another text");
        return None;
    };
    let file = reader.path(path, file);
    let text = fs::read_to_string(&file).map_err(|error| format!("can't read {}: {error}", file.display()));
    let schema = text.and_then(|text| {
        serde_json::from_str(&text).map_err(|error| format!("{} is no JSON: {error}", file.display()))
    });
    schema.map_err(|message| reader.say(path, message)).ok()
}

/// Where the problem that setup found was written.
pub(super) fn path_of(problem: &SetupProblem, root: &Node) -> Vec<String> {
    let of = |agent: &str, key: &str| vec!["agents".to_owned(), agent.to_owned(), key.to_owned()];
    let has = |agent: &str, key: &str| {
        root.get("agents").and_then(|agents| agents.node.get(agent)?.node.get(key)).is_some()
    };
    match problem {
        SetupProblem::InvalidName { name } | SetupProblem::DuplicateName { name } => {
            let is_agent = root.get("agents").is_some_and(|agents| agents.node.get(name).is_some());
            let table = if is_agent { "agents" } else { "models" };
            vec![table.to_owned(), name.clone()]
        }
        SetupProblem::ModelNotLoaded { model, .. } => vec!["models".to_owned(), model.clone()],
        SetupProblem::UnknownModel { agent, .. } => of(agent, "model"),
        SetupProblem::NoPrompt { agent } => vec!["agents".to_owned(), agent.clone()],
        SetupProblem::InvalidTemplate { agent, role, .. } => {
            let key = match *role {
                "system" if has(agent, "system") => "system",
                "user" if has(agent, "prompt") => "prompt",
                _ => "messages",
            };
            of(agent, key)
        }
        SetupProblem::UndeclaredVariable { agent, .. } | SetupProblem::InvalidInputSchema { agent, .. } => {
            of(agent, "input_schema")
        }
        SetupProblem::InvalidParser { agent, .. } => of(agent, "output"),
        SetupProblem::InvalidSetting { agent, setting, .. } => {
            of(agent, setting.strip_prefix("sampling.").unwrap_or(setting))
        }
        _ => Vec::new(),
    }
}
