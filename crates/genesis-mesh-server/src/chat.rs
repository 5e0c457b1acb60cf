//! Chat completions: agents for the official clients of `OpenAI`'s chat API.
//!
//! Owns: what `/v1/chat/completions` and `/v1/models` answer.
//! Never: runs agents; a request is decoded, started through `served`, and encoded.
//! Flow: `ask` reads the body; `served::start` starts each choice; `whole` or `stream` makes the answer.
//! Source: docs/openai.md says field by field what is supported.

mod stamp;
pub(crate) mod body;
mod ask;
pub(crate) mod completion;
mod chunk;
mod whole;
mod stream;
pub(crate) mod models;

use crate::access::Principal;
use crate::app::App;
use crate::clock;
use crate::http::answer::ErrorAnswer;
use crate::http::body::json;
use crate::http::error::HttpError;
use crate::served::{self, Refusal, ServedRun, Surface};
use ask::Ask;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use body::ChatBody;
use completion::{ChatCompletion, ChatUsage, Choice, FINGERPRINT};
use futures_util::future::try_join_all;
use genesis_mesh::{GenerateRequest, ModelError, Schema, Submission, Usage};
use stamp::Stamp;
use std::sync::Arc;

/// What the requests of this surface share.
#[derive(Debug)]
struct Chat {
    app: Arc<App>,
    /// The contract of a body; it compiles, as a test shows.
    schema: Result<Schema, String>,
    /// When the server started, in seconds since 1970.
    started: i64,
}

/// The routes of this surface.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(app: &Arc<App>) -> Router<S> {
    let schema = Schema::compile(ChatBody::json_schema());
    let chat = Arc::new(Chat { app: Arc::clone(app), schema, started: clock::unix_seconds() });
    let only = |allowed: &'static str| {
        move |method: Method| async move { HttpError::MethodNotAllowed { method: method.to_string(), allowed } }
    };
    Router::new()
        .route("/v1/chat/completions", post(complete).fallback(only("POST")))
        .route("/v1/models", get(models::list).fallback(only("GET")))
        .route("/v1/models/{model}", get(models::one).fallback(only("GET")))
        .with_state(chat)
}

/// Answers a chat request, in one piece or as a stream.
async fn complete(
    State(chat): State<Arc<Chat>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, ErrorAnswer> {
    let app = &chat.app;
    if app.tasks.stopping().is_cancelled() {
        return Err(HttpError::Stopping.into());
    }
    let body = json(request, &app.options.limits).await?;
    let token = app.tasks.answer();
    let schema = chat.schema.as_ref().map_err(|reason| {
        ErrorAnswer::from(&ModelError::Failed { message: format!("the contract is broken: {reason}") })
    })?;
    let mut ask = Ask::read(body, schema).map_err(|error| ErrorAnswer::invalid_input(&error))?;
    let mut stamp = Stamp::new(ask.agent.clone());
    let answer = async {
        let requests = ask.take_requests();
        let runs = if ask.is_logged {
            submit(app, &principal, &ask.agent, requests, &mut stamp).await
        } else {
            start(app, &principal, &ask.agent, requests).await
        };
        let runs = runs.map_err(|refusal| ErrorAnswer::from(&refusal))?;
        if ask.is_stream {
            return Ok(stream::response(&ask, &stamp, runs, &app.tasks, token));
        }
        let choices = runs.into_iter().enumerate();
        let choices = choices.map(|(index, run)| whole::choice(run, index, ask.has_logprobs));
        let choices = try_join_all(choices).await?;
        Ok(completion(&stamp, choices))
    };
    tokio::select! {
        biased;
        () = app.tasks.ending().cancelled() => Err(HttpError::Stopping.into()),
        answer = answer => answer,
    }
}

/// Starts a run of `agent` for each of `requests`.
async fn start(
    app: &App,
    principal: &Principal,
    agent: &str,
    requests: Vec<GenerateRequest>,
) -> Result<Vec<ServedRun>, Refusal> {
    let start = |request: GenerateRequest| {
        served::start(app, principal, Surface::ChatCompletions, agent, request.into())
    };
    try_join_all(requests.into_iter().map(start)).await
}

/// As [`start`], as runs that are logged; the first one gives the completion its id.
async fn submit(
    app: &Arc<App>,
    principal: &Principal,
    agent: &str,
    requests: Vec<GenerateRequest>,
    stamp: &mut Stamp,
) -> Result<Vec<ServedRun>, Refusal> {
    let submit = |request: GenerateRequest| {
        let ask = genesis_mesh::Ask::Chat { request: Box::new(request) };
        served::submit(app, principal, Surface::ChatCompletions, Submission::new(agent, ask))
    };
    let runs = try_join_all(requests.into_iter().map(submit)).await?;
    if let Some(first) = runs.first() {
        stamp.name(first.run.id);
    }
    Ok(runs.into_iter().map(|run| run.into_updates(app)).collect())
}

fn completion(stamp: &Stamp, answers: Vec<(Choice, Usage)>) -> Response {
    let mut usage = ChatUsage::default();
    let mut choices = Vec::with_capacity(answers.len());
    for (choice, cost) in answers {
        usage.add(cost);
        choices.push(choice);
    }
    Json(ChatCompletion {
        id: &stamp.id,
        object: "chat.completion",
        created: stamp.created,
        model: &stamp.model,
        system_fingerprint: FINGERPRINT,
        choices,
        usage,
    })
    .into_response()
}

#[cfg(test)]
mod tests;
