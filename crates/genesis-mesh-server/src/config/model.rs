//! From `[models.NAME]` to plans, and from plans to the sources that setup loads.
//!
//! Owns: which files must be there, and that models of one plan are loaded once.
//! Never: loads weights before setup asks for them.

use super::form::{LocalForm, ModelForm, UpstreamForm};
use super::reader::Reader;
use genesis_mesh::local::fetch::hub::{HubFetcher, HubFile};
use genesis_mesh::local::fetch::{Fetcher, Progress};
use genesis_mesh::local::{LocalModel, LocalOptions};
use genesis_mesh::{
    ApiKey, LoadFailure, Model, ModelSource, OpenAiError, OpenAiModel, OpenAiOptions, ScriptedModel,
};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where a model of a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelPlan {
    /// A file, computed on this machine.
    Gguf {
        /// The file.
        path: PathBuf,
        /// How it is computed.
        options: LocalOptions,
    },
    /// A file of the Hugging Face hub, computed on this machine.
    Hub {
        /// The file.
        file: HubFile,
        /// How it is computed.
        options: LocalOptions,
    },
    /// The default model, SmolLM2-135M-Instruct, computed on this machine.
    SmolLm2 {
        /// How it is computed.
        options: LocalOptions,
    },
    /// A script that is played.
    Script {
        /// The file.
        path: PathBuf,
    },
    /// A model behind an OpenAI-compatible server.
    Upstream(OpenAiOptions),
}

/// Told which model's fetch is how far, at least ten times a second; it may end the fetch.
pub(super) type Watch = Arc<dyn Fn(&ModelPlan, Progress) -> ControlFlow<()> + Send + Sync>;

/// The plan of a table; `None` if something is wrong, which the reader then knows.
pub(super) fn plan(name: &str, form: &ModelForm, reader: &mut Reader<'_>) -> Option<ModelPlan> {
    Some(match form {
        ModelForm::Gguf(form) => ModelPlan::Gguf {
            path: reader.existing(&["models", name, "gguf"], &form.gguf),
            options: local(&form.local),
        },
        ModelForm::Hub(form) => {
            let file = match &form.revision {
                None => form.hub.parse(),
                Some(revision) => {
                    let (repo, file) = form
                        .hub
                        .split_once(':')
                        .map_or((form.hub.as_str(), None), |(repo, file)| (repo, Some(file)));
                    HubFile::new(repo, file, Some(revision))
                }
            };
            let file =
                file.map_err(|error| reader.say(&["models", name, "hub"], error.fault.to_string())).ok()?;
            ModelPlan::Hub { file, options: local(&form.local) }
        }
        ModelForm::Builtin(form) => ModelPlan::SmolLm2 { options: local(&form.local) },
        ModelForm::Script(form) => {
            let place = ["models", name, "script"];
            let path = reader.path(&place, &form.script);
            if let Err(error) = ScriptedModel::from_file(&path) {
                reader.say(&place, chain(&error));
            }
            ModelPlan::Script { path }
        }
        ModelForm::Upstream(form) => ModelPlan::Upstream(upstream(name, form, reader)?),
    })
}

fn local(form: &LocalForm) -> LocalOptions {
    let default = LocalOptions::default();
    let bytes = |mebibytes: u32| usize::try_from(mebibytes).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    LocalOptions {
        threads: form.threads.map(usize::from).or(default.threads),
        kv_bytes_max: form.kv_memory_mb.map_or(default.kv_bytes_max, bytes),
        slots: form.slots.map_or(default.slots, usize::from),
        queue_max: form.queue.map_or(default.queue_max, count),
        context_tokens_max: form.context_tokens.map(count).or(default.context_tokens_max),
        kernel: form.kernel.clone().or(default.kernel),
    }
}

fn upstream(name: &str, form: &UpstreamForm, reader: &mut Reader<'_>) -> Option<OpenAiOptions> {
    let mut options = OpenAiOptions::new(form.upstream.clone(), form.model.clone());
    let mut is_whole = true;
    if let Some(reference) = &form.api_key {
        let key = reader.secret(&["models", name, "api_key"], reference);
        is_whole &= key.is_some();
        options.api_key = key.map(ApiKey::new);
    }
    for (header, value) in &form.headers {
        let place = ["models", name, "headers", header];
        let is_reference = value.starts_with("env:") || value.starts_with("file:");
        let value = if is_reference || is_secret(header) {
            reader.secret(&place, value)
        } else {
            Some(value.clone())
        };
        is_whole &= value.is_some();
        options.headers.extend(value.map(|value| (header.clone(), value)));
    }
    let millis = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    options.timeouts.connect = millis(form.connect_timeout_ms, options.timeouts.connect);
    options.timeouts.first_piece = millis(form.first_piece_timeout_ms, options.timeouts.first_piece);
    options.timeouts.next_piece = millis(form.next_piece_timeout_ms, options.timeouts.next_piece);
    options.timeouts.total = millis(form.total_timeout_ms, options.timeouts.total);
    options.retries_max = form.retries.unwrap_or(options.retries_max);
    options.retry_wait = millis(form.retry_wait_ms, options.retry_wait);
    options.in_flight_max = form.in_flight.unwrap_or(options.in_flight_max);
    options.context_tokens = form.context_tokens;
    if let Err(error) = OpenAiModel::new(options.clone()) {
        let message = chain(&error);
        match &error {
            OpenAiError::BaseUrl { .. } => reader.say(&["models", name, "upstream"], message),
            OpenAiError::ApiKey => reader.say(&["models", name, "api_key"], message),
            OpenAiError::Header { name: header } => reader.say(&["models", name, "headers", header], message),
            _ => reader.say(&["models", name], message),
        }
    }
    is_whole.then_some(options)
}

/// Whether a header of this name holds a secret, as far as its name says.
fn is_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "cookie", "key", "secret", "token"].iter().any(|word| header.contains(word))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

impl ModelPlan {
    /// Where the model comes from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Gguf { path, .. } | Self::Script { path } => path.display().to_string(),
            Self::Hub { file, .. } => format!("the hub, {file}"),
            Self::SmolLm2 { .. } => "the cache".to_owned(),
            Self::Upstream(options) => options.base_url.clone(),
        }
    }

    fn load(&self, watch: &Watch) -> Result<Arc<dyn Model>, LoadFailure> {
        let mut progress = |now| watch(self, now);
        Ok(match self {
            Self::Gguf { path, options } => Arc::new(LocalModel::load(path, options)?),
            Self::Hub { file, options } => {
                let path = HubFetcher::from_env(file.clone())?.fetch(&mut progress)?;
                Arc::new(LocalModel::load(&path, options)?)
            }
            Self::SmolLm2 { options } => {
                let path = Fetcher::from_env()?.fetch(&mut progress)?;
                Arc::new(LocalModel::load(&path, options)?)
            }
            Self::Script { path } => Arc::new(ScriptedModel::from_file(path)?),
            Self::Upstream(options) => Arc::new(OpenAiModel::new(options.clone())?),
        })
    }
}

/// A source for each plan, in their order; plans that are equal have one model.
pub(super) fn sources<'a>(plans: impl Iterator<Item = &'a ModelPlan>, watch: &Watch) -> Vec<ModelSource> {
    let mut loads: Vec<(&ModelPlan, Load)> = Vec::new();
    let mut sources = Vec::new();
    for plan in plans {
        let known = loads.iter().find(|(known, _)| *known == plan).map(|(_, load)| load.clone());
        let load = known.unwrap_or_else(|| {
            let load = Load { plan: plan.clone(), watch: Arc::clone(watch), model: Arc::default() };
            loads.push((plan, load.clone()));
            load
        });
        sources.push(ModelSource::lazy(plan.origin(), move || load.model()));
    }
    sources
}

/// One model of several names: whoever asks first loads it.
#[derive(Clone)]
struct Load {
    plan: ModelPlan,
    watch: Watch,
    model: Arc<Mutex<Option<Arc<dyn Model>>>>,
}

impl Load {
    fn model(self) -> Result<Arc<dyn Model>, LoadFailure> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        match &*model {
            Some(model) => Ok(Arc::clone(model)),
            None => Ok(Arc::clone(model.insert(self.plan.load(&self.watch)?))),
        }
    }
}
