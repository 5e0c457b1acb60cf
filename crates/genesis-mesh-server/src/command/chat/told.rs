//! What an answer tells a conversation.
//!
//! Owns: the one form for a mesh in this program and for a server.
//! Never: carries what a conversation does not show.

use serde::Deserialize;

/// What an answer tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A piece of text; in a graph, of which message.
    Text {
        message: Option<String>,
        text: String,
    },
    /// What was told of a message, or of all of it, is void: it begins again.
    Void(Option<String>),
    /// The connection is lost; the answer goes on when it is back.
    Lost(String),
    /// A tool call, as a person reads it.
    Call(String),
    /// What a conversation does not show.
    Nothing,
    End {
        output_tokens: u64,
        finish_reason: String,
    },
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
}
