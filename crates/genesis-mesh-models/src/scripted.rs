//! The scripted model: the second implementation of the `Model` contract, which plays a TOML script.
//!
//! Owns: loading a script, and starting the answer of the first rule that matches.
//! Never: is random, or reads a clock but for the delays that a script asks for.
//! Flow: request -> first matching rule -> `Plan` -> `Play`, the stream.
//! Source: docs/scripted-model.md has the format.

use crate::cancel::Cancel;
use crate::play::{Plan, Play};
use crate::script::{Asked, Ending, Script, ScriptError};
use genesis_mesh_core::{
    BoxFuture, CancelHandle, GenerateRequest, Model, ModelError, ModelInfo, ModelStream,
};
use std::path::Path;
use std::sync::Arc;

/// A model that plays a script: for examples, tests, and work on agents without a real model.
///
/// The same request always gets the same answer. A script that asks for delays needs a tokio runtime with time
/// where its stream is polled; one without delays needs none.
///
/// # Example
/// ```
/// use genesis_mesh_models::ScriptedModel;
///
/// let model = ScriptedModel::from_toml(r#"
///     [[rule]]
///     when = { contains = "capital of France" }
///     text = "The capital is Paris."
///
///     [[rule]]
///     text = "I only know one thing."
/// "#)?;
/// # Ok::<(), genesis_mesh_models::ScriptError>(())
/// ```
#[derive(Debug)]
pub struct ScriptedModel {
    info: ModelInfo,
    script: Script,
}

impl ScriptedModel {
    /// Reads a script from TOML text.
    ///
    /// # Errors
    /// The first mistake that it finds, with its line.
    pub fn from_toml(text: &str) -> Result<Self, ScriptError> {
        let script = Script::parse(text)?;
        let info = ModelInfo {
            name: script.name.clone(),
            context_tokens: script.context_tokens,
            description: "a TOML script; computes nothing".to_owned(),
        };
        Ok(Self { info, script })
    }

    /// Reads a script from a TOML file.
    ///
    /// # Errors
    /// `Read` if there is no such file or it is not UTF-8; `InFile` with the first mistake in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ScriptError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text)
            .map_err(|error| ScriptError::InFile { path: path.to_owned(), source: Box::new(error) })
    }

    fn start(&self, request: &GenerateRequest) -> Result<ModelStream, ModelError> {
        let asked = Asked::new(request);
        let answer = self.script.answer(&asked).ok_or_else(|| ModelError::Failed {
            message: format!("no rule of the script `{}` matches the request", self.script.name),
        })?;
        if let (Ending::Fails(error), 0) = (&answer.ending, answer.token_count()) {
            return Err(error.clone());
        }
        if !self.script.goes_on && !request.made.is_empty() {
            let message = "the script says that this model does not go on with a cut answer".to_owned();
            return Err(ModelError::InvalidRequest { param: Some("made".to_owned()), message });
        }
        let mut plan = Plan::new(answer, request, &asked, self.script.context_tokens)?;
        plan.tells_tokens &= self.script.goes_on;
        let cancel = Arc::new(Cancel::default());
        let play = Play::new(Arc::clone(answer), plan, Arc::clone(&cancel));
        Ok(ModelStream::new(play, CancelHandle::new(move || cancel.ask())))
    }
}

impl Model for ScriptedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(std::future::ready(self.start(&request)))
    }

    fn goes_on(&self) -> bool {
        self.script.goes_on
    }
}

#[cfg(test)]
mod tests;
