//! The list of models: the agents of the mesh, as clients of chat completions know them.
//!
//! Owns: their JSON form.
//! Never: says more than the mesh does.

use super::Chat;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use genesis_mesh::StartError;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;

/// The agents that chat requests can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ModelList {
    /// What this is.
    #[schemars(extend("const" = "list"))]
    pub(crate) object: &'static str,
    /// All agents, by name.
    pub(crate) data: Vec<ModelEntry>,
}

/// An agent that chat requests can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ModelEntry {
    /// The name.
    pub(crate) id: String,
    /// What this is.
    #[schemars(extend("const" = "model"))]
    pub(crate) object: &'static str,
    /// When the server started, in seconds since 1970.
    pub(crate) created: u64,
    /// Who serves it.
    #[schemars(extend("const" = "genesis-mesh"))]
    pub(crate) owned_by: &'static str,
}

impl ModelEntry {
    fn new(name: &str, created: u64) -> Self {
        Self { id: name.to_owned(), object: "model", created, owned_by: "genesis-mesh" }
    }
}

/// All agents.
pub(super) async fn list(State(chat): State<Arc<Chat>>) -> Json<ModelList> {
    let data = chat.app.mesh.agents().map(|agent| ModelEntry::new(&agent.name, chat.started)).collect();
    Json(ModelList { object: "list", data })
}

/// One agent.
pub(super) async fn one(
    State(chat): State<Arc<Chat>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelEntry>, ErrorAnswer> {
    let Path(agent) = name.map_err(|_| HttpError::InvalidPath)?;
    match chat.app.mesh.agent(&agent) {
        Some(info) => Ok(Json(ModelEntry::new(&info.name, chat.started))),
        None => {
            let known = chat.app.mesh.agents().map(|agent| agent.name.clone()).collect();
            Err(ErrorAnswer::from(&StartError::UnknownAgent { agent, known }))
        }
    }
}
