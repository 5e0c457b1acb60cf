//! The names of span attributes.
//!
//! Owns: these texts; programs that read traces know them.
//! Never: says what is put into them; the spans' makers do.
//! Source: OpenTelemetry semantic conventions for HTTP (stable) and generative AI (1.41, in development). Our own
//! copy, since the crate of the conventions deprecates the second group with each move.

pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const HTTP_METHOD: &str = "http.request.method";
pub(crate) const HTTP_ROUTE: &str = "http.route";
pub(crate) const HTTP_STATUS: &str = "http.response.status_code";
pub(crate) const URL_PATH: &str = "url.path";
pub(crate) const AGENT_NAME: &str = "gen_ai.agent.name";
pub(crate) const OPERATION_NAME: &str = "gen_ai.operation.name";
pub(crate) const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub(crate) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(crate) const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub(crate) const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub(crate) const REQUEST_TOP_P: &str = "gen_ai.request.top_p";
pub(crate) const REQUEST_SEED: &str = "gen_ai.request.seed";
pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(crate) const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const RESPONSE_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Our own: the id that the client knows and the log lines carry.
pub(crate) const REQUEST_ID: &str = "genesis_mesh.request_id";
/// Our own: the name of the key that asked.
pub(crate) const KEY_NAME: &str = "genesis_mesh.key";
/// Our own: the surface that a run came in by.
pub(crate) const SURFACE: &str = "genesis_mesh.surface";
