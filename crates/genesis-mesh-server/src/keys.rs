//! API keys as a server knows them: a hash, what it may do, how long.
//!
//! Owns: the record of a key and its scopes.
//! Never: holds a key itself: it is shown once, when it is made.

use std::fmt;

/// One key that opens a server.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKey {
    /// The name by which people, logs and metrics know it.
    pub name: String,
    /// The SHA-256 of the key's text. A key has 256 random bits, so that a slow hash would add nothing.
    pub sha256: [u8; 32],
    /// What it may do; empty means everything.
    pub scopes: Vec<Scope>,
    /// From when on it is refused, in seconds since 1970; `None` means never.
    pub expires_at: Option<i64>,
    /// Whether it is refused from now on.
    pub is_revoked: bool,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Run any agent.
    Run,
    /// Run this agent.
    Agent(String),
    /// Read metrics and the server's state.
    Observe,
}

impl ApiKey {
    /// A key that may do everything, forever.
    #[must_use]
    pub fn new(name: impl Into<String>, sha256: [u8; 32]) -> Self {
        Self { name: name.into(), sha256, scopes: Vec::new(), expires_at: None, is_revoked: false }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
