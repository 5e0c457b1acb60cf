//! The tables `[models.NAME]`: one form for each place that a model comes from.
//!
//! Owns: their keys; the first one of each form says which form it is.
//! Never: loads anything.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A model: exactly one of `gguf`, `hub`, `builtin`, `script` and `upstream` says where it comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum ModelForm {
    Gguf(GgufForm),
    Hub(HubForm),
    Builtin(BuiltinForm),
    Script(ScriptForm),
    Upstream(Box<UpstreamForm>),
}

/// A model file, computed on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct GgufForm {
    /// A file in GGUF format.
    #[schemars(length(min = 1))]
    pub(in crate::config) gguf: String,
    #[serde(flatten)]
    pub(in crate::config) local: LocalForm,
}

/// A model of the Hugging Face hub, fetched once and computed on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct HubForm {
    /// A repository, and a GGUF file in it if it has several: `owner/name` or `owner/name:file.gguf`.
    #[schemars(length(min = 1))]
    pub(in crate::config) hub: String,
    /// A branch, a tag or a commit; `main` without it.
    #[schemars(length(min = 1))]
    pub(in crate::config) revision: Option<String>,
    #[serde(flatten)]
    pub(in crate::config) local: LocalForm,
}

/// A model that this program knows, fetched once and computed on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct BuiltinForm {
    /// The model.
    #[expect(dead_code, reason = "there is one so far; it says which form this is")]
    pub(in crate::config) builtin: BuiltinName,
    #[serde(flatten)]
    pub(in crate::config) local: LocalForm,
}

/// The models that this program knows: SmolLM2-135M-Instruct.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum BuiltinName {
    Smollm2,
}

/// A model that plays a script, for tests and for work on clients.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct ScriptForm {
    /// A script in TOML.
    #[schemars(length(min = 1))]
    pub(in crate::config) script: String,
}

/// A model behind an OpenAI-compatible server.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct UpstreamForm {
    /// Where its API begins, with the version: `https://api.openai.com/v1`.
    #[schemars(length(min = 1))]
    pub(in crate::config) upstream: String,
    /// The model's name there.
    #[schemars(length(min = 1))]
    pub(in crate::config) model: String,
    /// The key that is sent, by reference: `env:NAME` or `file:PATH`; none is sent without it.
    pub(in crate::config) api_key: Option<String>,
    /// More headers by name. Secret ones by reference: `env:NAME` or `file:PATH`.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// Name lookup, TCP and TLS together, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 5_000))]
    pub(in crate::config) connect_timeout_ms: Option<u64>,
    /// From a request to the first piece of its answer, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 60_000))]
    pub(in crate::config) first_piece_timeout_ms: Option<u64>,
    /// From one piece to the next, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 30_000))]
    pub(in crate::config) next_piece_timeout_ms: Option<u64>,
    /// The whole answer with all retries, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 600_000))]
    pub(in crate::config) total_timeout_ms: Option<u64>,
    /// How often a request is sent again that got no piece of an answer.
    #[schemars(range(max = 100), extend("default" = 2))]
    pub(in crate::config) retries: Option<u32>,
    /// The wait before the first retry, in milliseconds; it doubles for each one after it.
    #[schemars(range(min = 1, max = 3_600_000), extend("default" = 500))]
    pub(in crate::config) retry_wait_ms: Option<u64>,
    /// The most requests at a time; one more is refused as busy.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 256))]
    pub(in crate::config) in_flight: Option<usize>,
    /// Its context in tokens, if it is known; only told, never enforced.
    #[schemars(range(min = 1))]
    pub(in crate::config) context_tokens: Option<u32>,
}

/// How a model is computed on this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(in crate::config) struct LocalForm {
    /// Threads that compute; one for each core without it.
    #[schemars(range(min = 1))]
    pub(in crate::config) threads: Option<u16>,
    /// Memory for the conversations that are computed at the same time, in MiB.
    #[schemars(range(min = 1), extend("default" = 512))]
    pub(in crate::config) kv_memory_mb: Option<u32>,
    /// Answers that are computed at the same time.
    #[schemars(range(min = 1), extend("default" = 32))]
    pub(in crate::config) slots: Option<u16>,
    /// Requests that may wait for a slot; one more is refused as busy.
    #[schemars(range(max = 1_000_000), extend("default" = 256))]
    pub(in crate::config) queue: Option<u32>,
    /// The most tokens of prompt and answer; as many as model and memory allow without it.
    #[schemars(range(min = 1))]
    pub(in crate::config) context_tokens: Option<u32>,
    /// An instruction set (`avx512-vnni`, `avx2-vnni`, `avx2`, `scalar`); the fastest without it.
    #[schemars(length(min = 1))]
    pub(in crate::config) kernel: Option<String>,
}
