//! Prompt templates: the first part of a pipeline, messages with Jinja placeholders.
//!
//! Owns: the compiled templates of one pipeline, the variables that they read, and rendering.
//! Never: loads files; a template is text that the program gives. Undefined variables are errors.
//! Flow: setup compiles; each run renders the input into messages.

use crate::schema::InputError;
use genesis_mesh_core::{Message, Role};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most instructions that one template may take: far above any prompt, some tenths of a second at most,
/// since inputs can drive its loops.
const FUEL: u64 = 1_000_000;

/// The templates of one pipeline's messages, in order.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    roles: Vec<Role>,
    variables: BTreeSet<String>,
}

impl Templates {
    /// Compiles `messages`.
    ///
    /// # Errors
    /// The role of each message whose template is wrong, and what is wrong with it.
    pub(crate) fn compile(messages: &[(Role, String)]) -> Result<Self, Vec<(Role, String)>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let mut problems = Vec::new();
        let mut variables = BTreeSet::new();
        for (index, (role, source)) in messages.iter().enumerate() {
            let added = environment.add_template_owned(index.to_string(), source.clone());
            if let Err(error) = added {
                problems.push((*role, error.to_string()));
            } else if let Ok(template) = environment.get_template(&index.to_string()) {
                variables.extend(template.undeclared_variables(false));
            }
        }
        variables.retain(|variable| !environment.globals().any(|(global, _)| global == variable));
        let roles = messages.iter().map(|(role, _)| *role).collect();
        if problems.is_empty() { Ok(Self { environment, roles, variables }) } else { Err(problems) }
    }

    /// The variables that the templates read.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// The schema that the variables imply: an object that has each of them and no other field.
    pub(crate) fn implied_schema(&self) -> Value {
        let properties: Value = self.variables().map(|variable| (variable.to_owned(), json!({}))).collect();
        let required: Vec<&str> = self.variables().collect();
        json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        })
    }

    /// The messages for `input`.
    ///
    /// # Errors
    /// What a template could not do with the input, for example loop over a number.
    pub(crate) fn render(&self, input: &Value) -> Result<Vec<Message>, InputError> {
        let context = minijinja::Value::from(Serde(input));
        let message = |(index, role): (usize, &Role)| {
            let template = self.environment.get_template(&index.to_string())?;
            Ok(Message::new(*role, template.render(&context)?))
        };
        let messages: Result<Vec<Message>, minijinja::Error> =
            self.roles.iter().enumerate().map(message).collect();
        messages.map_err(|error| {
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            InputError::at("", format!("the prompt template can't use this input: {detail}"))
        })
    }
}
