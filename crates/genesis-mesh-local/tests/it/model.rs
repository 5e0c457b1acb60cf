//! The real model, loaded, and shortcuts to its answers.
//!
//! Owns: what several modules do with a model.

use crate::real_model;
use futures_util::StreamExt;
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Model, ModelError, ModelEvent, ModelLoad, ModelStream, Usage,
};
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

/// What the model does once its numbers, which may be a step old, say that nothing runs.
pub(crate) async fn idle_load(model: &LocalModel) -> ModelLoad {
    const LOOKS_MAX: usize = 1_000_000;
    for _ in 0..LOOKS_MAX {
        let load = model.current_load().unwrap();
        if (load.running, load.waiting) == (0, 0) {
            return load;
        }
        tokio::task::yield_now().await;
    }
    panic!("it is never idle: {:?}", model.current_load());
}

pub(crate) fn text_of(events: &[Result<ModelEvent, ModelError>]) -> String {
    let text = |event: &Result<ModelEvent, ModelError>| match event {
        Ok(ModelEvent::Text { text, .. }) => text.clone(),
        _ => String::new(),
    };
    events.iter().map(text).collect()
}
