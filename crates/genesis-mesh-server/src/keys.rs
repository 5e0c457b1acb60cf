//! API keys as a server knows them: a hash, what it may do, how long.
//!
//! Owns: the record of a key, its scopes, and whether it opens at a given time.
//! Never: holds a key itself: it is shown once, when it is made. Never reads a clock.

use std::fmt;
use subtle::{Choice, ConstantTimeEq};

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

    /// Whether this is the key with that hash; takes as long for every hash.
    pub(crate) fn is_key_of(&self, sha256: &[u8; 32]) -> Choice {
        self.sha256.ct_eq(sha256)
    }

    /// Whether its time is over at `now`, in seconds since 1970.
    pub(crate) fn is_expired_at(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|expires_at| now >= expires_at)
    }

    pub(crate) fn may_run(&self, agent: &str) -> bool {
        self.may(|scope| match scope {
            Scope::Run => true,
            Scope::Agent(name) => name == agent,
            Scope::Observe => false,
        })
    }

    /// Whether there is any agent that it may run.
    pub(crate) fn may_run_some(&self) -> bool {
        self.may(|scope| matches!(scope, Scope::Run | Scope::Agent(_)))
    }

    pub(crate) fn may_observe(&self) -> bool {
        self.may(|scope| *scope == Scope::Observe)
    }

    fn may(&self, allows: impl Fn(&Scope) -> bool) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(allows)
    }
}

/// As the configuration spells it: `run`, `agent:NAME`, `observe`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("run"),
            Self::Agent(name) => write!(f, "agent:{name}"),
            Self::Observe => f.write_str("observe"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &[Scope]) -> ApiKey {
        ApiKey { scopes: scopes.to_vec(), ..ApiKey::new("a", [7; 32]) }
    }

    #[test]
    fn a_key_without_scopes_may_do_everything_and_one_with_scopes_only_those() {
        let agent = || Scope::Agent("a".into());
        for (scopes, runs_a, runs_b, observes) in [
            (vec![], true, true, true),
            (vec![Scope::Run], true, true, false),
            (vec![agent()], true, false, false),
            (vec![Scope::Observe], false, false, true),
            (vec![Scope::Observe, agent()], true, false, true),
        ] {
            let key = key(&scopes);
            assert_eq!((key.may_run("a"), key.may_run("b")), (runs_a, runs_b), "{scopes:?}");
            assert_eq!((key.may_run_some(), key.may_observe()), (runs_a || runs_b, observes), "{scopes:?}");
        }
    }

    #[test]
    fn a_key_expires_at_its_second_and_not_before() {
        let key = ApiKey { expires_at: Some(100), ..key(&[]) };
        assert!(!key.is_expired_at(99));
        assert!(key.is_expired_at(100));
        assert!(!ApiKey::new("b", [0; 32]).is_expired_at(i64::MAX));
    }

    #[test]
    fn a_key_is_known_by_its_whole_hash_and_never_shown() {
        let key = key(&[]);
        let mut other = [7; 32];
        assert!(bool::from(key.is_key_of(&other)));
        other[31] ^= 1;
        assert!(!bool::from(key.is_key_of(&other)));
        assert!(!format!("{key:?}").contains('7'), "{key:?}");
    }
}
