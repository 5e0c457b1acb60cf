//! Failures: what an upstream's error means, whether it stands in a status or in the middle of a stream.
//!
//! Owns: the table from statuses and error codes to `ModelError`, and when to try again.
//! Never: passes on a page of HTML or a secret.
//! Source: docs/upstream.md has the table; RFC 9110, sections 10.2.3 and 15, for `Retry-After` and statuses.

use super::secret::Redactor;
use genesis_mesh_core::ModelError;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use std::time::Duration;

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ModelError,
    /// Whether another try may help, before any piece came.
    pub(super) is_worth_retry: bool,
    /// The wait that the server asks for.
    pub(super) wait: Option<Duration>,
}

impl Failure {
    pub(super) fn last(error: ModelError) -> Self {
        Self { error, is_worth_retry: false, wait: None }
    }

    pub(super) fn passing(error: ModelError) -> Self {
        Self { error, is_worth_retry: true, wait: None }
    }
}

/// What an error body tells.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    message: Option<String>,
    param: Option<String>,
    /// `code` and `type`, whichever there are.
    codes: Vec<String>,
    /// A status in place of a code, as vLLM and llama.cpp give one.
    status: Option<u16>,
    /// Tokens of the prompt and of the context, as llama.cpp gives them.
    prompt_tokens: Option<u64>,
    context_tokens: Option<u64>,
}

impl Told {
    /// Reads the body of an error: JSON in one of its usual shapes, or a short plain text.
    pub(super) fn read(body: &[u8], redactor: &Redactor) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::from_value(value.get("error").unwrap_or(&value), redactor),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let is_text = !text.trim().is_empty() && !text.trim_start().starts_with('<');
                Self { message: is_text.then(|| redactor.clean(&text)), ..Self::default() }
            }
        }
    }

    /// Reads `{message, type, param, code}`, or a text alone.
    pub(super) fn from_value(error: &Value, redactor: &Redactor) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let number = |name: &str| error.get(name).and_then(Value::as_u64);
        let message = text("message").or_else(|| text("detail")).or_else(|| error.as_str());
        Self {
            message: message.map(|message| redactor.clean(message)).filter(|message| !message.is_empty()),
            param: text("param").map(|param| redactor.clean(param)),
            codes: [text("code"), text("type")].into_iter().flatten().map(str::to_owned).collect(),
            status: number("code").and_then(|code| u16::try_from(code).ok()),
            prompt_tokens: number("n_prompt_tokens"),
            context_tokens: number("n_ctx"),
        }
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }

    fn message(&self) -> String {
        self.message.clone().unwrap_or_else(|| "it gave an error without a message".to_owned())
    }

    /// The error of this in the middle of a stream, where there is no status of its own.
    pub(super) fn into_error(self) -> ModelError {
        let status = match self.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            Some(status) if status.is_client_error() || status.is_server_error() => status,
            _ if self.has_code(&["rate_limit_exceeded", "rate_limit_error", "insufficient_quota"]) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            _ if self.has_code(&["authentication_error", "permission_error", "model_not_found"]) => {
                StatusCode::FORBIDDEN
            }
            _ if self.is_context() || self.has_code(&["invalid_request_error", "BadRequestError"]) => {
                StatusCode::BAD_REQUEST
            }
            _ => return ModelError::Failed { message: self.message() },
        };
        self.into_failure(status, None).error
    }

    fn is_context(&self) -> bool {
        self.has_code(&["context_length_exceeded", "exceed_context_size_error"])
    }

    /// The failure of an answer with `status`, whose headers ask for `wait`.
    pub(super) fn into_failure(self, status: StatusCode, wait: Option<Duration>) -> Failure {
        let message = match &self.message {
            Some(message) => message.clone(),
            None => format!("it answered {}", status.as_u16()),
        };
        match status.as_u16() {
            400 | 413 | 422 => Failure::last(self.invalid(message)),
            401..=404 | 407 => Failure::last(ModelError::Refused { message }),
            // Other servers that are overloaded say so with a wait; 529 is Anthropic's status for it.
            429 | 529 => self.limited(message, wait),
            503 if wait.is_some() => self.limited(message, wait),
            408 | 409 | 425 | 502 | 503 | 504 | 520..=530 => {
                Failure { error: ModelError::Unreachable { message }, is_worth_retry: true, wait }
            }
            500..=599 => Failure { error: ModelError::Failed { message }, is_worth_retry: true, wait },
            _ => Failure::last(ModelError::Failed { message }),
        }
    }

    fn limited(&self, message: String, wait: Option<Duration>) -> Failure {
        // A quota that is used up does not come back within seconds.
        let is_worth_retry = !self.has_code(&["insufficient_quota"]);
        Failure { error: ModelError::RateLimited { retry_after: wait, message }, is_worth_retry, wait }
    }

    fn invalid(self, message: String) -> ModelError {
        let given = self.prompt_tokens.zip(self.context_tokens);
        match given.or_else(|| context_numbers(&message)) {
            Some((prompt_tokens, context_tokens)) if self.is_context() && prompt_tokens > context_tokens => {
                ModelError::ContextExceeded { prompt_tokens, context_tokens }
            }
            _ => ModelError::InvalidRequest { param: self.param, message },
        }
    }
}

/// The tokens of prompt and context in the words of OpenAI and vLLM: "maximum context length is 4097 tokens …
/// resulted in 5360 tokens", or "… (5360 in the messages, …)".
fn context_numbers(message: &str) -> Option<(u64, u64)> {
    let number_after = |mark: &str| {
        let rest = message.split_once(mark)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let number_before = |mark: &str| {
        let rest = message.split_once(mark)?.0;
        rest.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let prompt = number_after("resulted in ").or_else(|| number_before(" in the messages"))?;
    Some((prompt, number_after("maximum context length is ")?))
}

/// The wait that `headers` ask for: `retry-after-ms`, or `Retry-After` in seconds or as a date, which counts from
/// the answer's own `Date`, so that no two clocks are compared.
pub(super) fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str, unit: f64| {
        let amount: f64 = text.parse().ok()?;
        Duration::try_from_secs_f64(amount * unit).ok()
    };
    if let Some(wait) = text("retry-after-ms").and_then(|text| number(text, 0.001)) {
        return Some(wait);
    }
    let asked = text(header::RETRY_AFTER.as_str())?;
    number(asked, 1.0).or_else(|| {
        let until = httpdate::parse_http_date(asked).ok()?;
        let sent = httpdate::parse_http_date(text(header::DATE.as_str())?).ok()?;
        Some(until.duration_since(sent).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
