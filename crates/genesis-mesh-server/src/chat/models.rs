//! The list of models: the agents of the mesh, as clients of chat completions know them.
//!
//! Owns: their JSON form.
//! Never: says more than the mesh does.

use super::Chat;
use crate::access::Principal;
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use genesis_mesh::StartError;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

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
    pub(crate) created: i64,
    /// Who serves it.
    #[schemars(extend("const" = "genesis-mesh"))]
    pub(crate) owned_by: &'static str,
}

impl ModelEntry {
    fn new(name: &str, created: i64) -> Self {
        Self { id: name.to_owned(), object: "model", created, owned_by: "genesis-mesh" }
    }
}

/// All agents that the key opens.
pub(super) async fn list(
    State(chat): State<Arc<Chat>>,
    Extension(principal): Extension<Principal>,
) -> Json<ModelList> {
    let agents = chat.app.mesh.agents().filter(|agent| principal.may_run(&agent.name).is_ok());
    let data = agents.map(|agent| ModelEntry::new(&agent.name, chat.started)).collect();
    Json(ModelList { object: "list", data })
}

/// One agent.
pub(super) async fn one(
    State(chat): State<Arc<Chat>>,
    Extension(principal): Extension<Principal>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelEntry>, ErrorAnswer> {
    let Path(agent) = name.map_err(|_| HttpError::InvalidPath)?;
    principal.may_run(&agent).map_err(|error| ErrorAnswer::from(&error))?;
    match chat.app.mesh.agent(&agent) {
        Some(info) => Ok(Json(ModelEntry::new(&info.name, chat.started))),
        None => {
            let known = chat.app.mesh.agents().map(|agent| agent.name.clone()).collect();
            Err(ErrorAnswer::from(&StartError::UnknownAgent { agent, known }))
        }
    }
}
