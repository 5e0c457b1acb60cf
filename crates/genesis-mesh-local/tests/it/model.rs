//! The real model, loaded, and shortcuts to its answers.
//!
//! Owns: what several modules do with a model.

use crate::real_model;
use futures_util::StreamExt;
use genesis_mesh_core::{FinishReason, GenerateRequest, Model, ModelError, ModelEvent, ModelStream, Usage};
use genesis_mesh_local::{LocalModel, LocalOptions};

/// The default model with `options`, if its file is there.
pub(crate) fn local(options: &LocalOptions) -> Option<LocalModel> {
    Some(LocalModel::load(&real_model::path()?, options).unwrap())
}

pub(crate) async fn stream(model: &LocalModel, request: GenerateRequest) -> ModelStream {
    model.generate(request).await.unwrap()
}

/// The whole answer: its text, its usage and its end.
pub(crate) async fn answer(model: &LocalModel, request: GenerateRequest) -> (String, Usage, FinishReason) {
    let events: Vec<_> = stream(model, request).await.collect().await;
    let Some(Ok(ModelEvent::Done { usage, finish_reason })) = events.last() else { panic!("{events:?}") };
    (text_of(&events), *usage, *finish_reason)
}

pub(crate) fn text_of(events: &[Result<ModelEvent, ModelError>]) -> String {
    let text = |event: &Result<ModelEvent, ModelError>| match event {
        Ok(ModelEvent::Text { text, .. }) => text.clone(),
        _ => String::new(),
    };
    events.iter().map(text).collect()
}
