//! The principal: who asks, with the rights and the runs of its key.
//!
//! Owns: the permits, and the check of a key before each run.
//! Never: reads a request.

use super::error::AccessError;
use super::need::Need;
use crate::clock;
use crate::keys::{ApiKey, Scope};
use crate::telemetry::RequestContext;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who asks, in which request; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The key's name; `anonymous` where no key is asked for.
    pub(crate) name: Arc<str>,
    /// The request that it came with; on a socket the handshake.
    pub(crate) request: RequestContext,
    rights: Rights,
}

#[derive(Debug, Clone)]
enum Rights {
    /// The server has no keys.
    Everything,
    /// The route is open, but the server has keys.
    Nothing,
    Key(Arc<Holder>),
}

/// A key, and how many runs it may still start.
#[derive(Debug)]
struct Holder {
    key: ApiKey,
    runs: Arc<Semaphore>,
}

/// The right to one run; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct RunPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Principal {
    /// Everybody, on a server without keys.
    pub(super) fn everybody() -> Self {
        Self::named("anonymous", Rights::Everything)
    }

    /// Whoever asks for an open route of a server with keys: may run nothing.
    pub(super) fn stranger() -> Self {
        Self::named("anonymous", Rights::Nothing)
    }

    pub(super) fn of_key(key: ApiKey, runs_max: usize) -> Self {
        let runs = Arc::new(Semaphore::new(runs_max.min(Semaphore::MAX_PERMITS)));
        Self::named(&key.name.clone(), Rights::Key(Arc::new(Holder { key, runs })))
    }

    fn named(name: &str, rights: Rights) -> Self {
        Self { name: name.into(), request: RequestContext::default(), rights }
    }

    /// The same principal, in this request.
    pub(super) fn within(self, request: RequestContext) -> Self {
        request.identify(&self.name);
        Self { request, ..self }
    }

    pub(super) fn key(&self) -> Option<&ApiKey> {
        match &self.rights {
            Rights::Key(holder) => Some(&holder.key),
            Rights::Everything | Rights::Nothing => None,
        }
    }

    /// Whose runs are its own: its key's name; `None` on a server without keys, where all are everybody's.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.key().map(|key| key.name.as_str())
    }

    /// Whether it may read a run that `owner` has asked for.
    pub(crate) fn may_read(&self, owner: Option<&str>) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Nothing => false,
            Rights::Key(holder) => owner == Some(holder.key.name.as_str()),
        }
    }

    /// Whether both have the same key, or none.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.rights, &other.rights) {
            (Rights::Key(one), Rights::Key(other)) => Arc::ptr_eq(one, other),
            (Rights::Everything, Rights::Everything) | (Rights::Nothing, Rights::Nothing) => true,
            _ => false,
        }
    }

    /// Whether its key opens what needs `need` at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// The key is over, or has no right to it.
    pub(super) fn opens(&self, need: Need, now: i64) -> Result<(), AccessError> {
        let Some(key) = self.key() else { return Ok(()) };
        is_live(key, now)?;
        match need {
            Need::Run if !key.may_run_some() => Err(AccessError::ScopeMissing { scope: Scope::Run }),
            Need::Observe if !key.may_observe() => Err(AccessError::ScopeMissing { scope: Scope::Observe }),
            Need::Nothing | Need::Run | Need::Observe => Ok(()),
        }
    }

    /// Whether `agent` may be run at all; takes no permit.
    ///
    /// # Errors
    /// The key has no right to it.
    pub(crate) fn may_run(&self, agent: &str) -> Result<(), AccessError> {
        match &self.rights {
            Rights::Everything => Ok(()),
            Rights::Nothing => Err(AccessError::KeyMissing),
            Rights::Key(holder) if holder.key.may_run(agent) => Ok(()),
            Rights::Key(_) => Err(AccessError::ScopeMissing { scope: Scope::Agent(agent.to_owned()) }),
        }
    }

    /// The right to run `agent` once, now.
    ///
    /// # Errors
    /// The key has no right to it, is over, or has too many runs already.
    pub(crate) fn permit(&self, agent: &str) -> Result<RunPermit, AccessError> {
        self.permit_at(agent, clock::unix_seconds())
    }

    fn permit_at(&self, agent: &str, now: i64) -> Result<RunPermit, AccessError> {
        self.may_run(agent)?;
        let Rights::Key(holder) = &self.rights else { return Ok(RunPermit { _permit: None }) };
        // A socket may live longer than the key that opened it.
        is_live(&holder.key, now)?;
        let permit = Arc::clone(&holder.runs).try_acquire_owned().map_err(|_| AccessError::TooManyRuns)?;
        Ok(RunPermit { _permit: Some(permit) })
    }
}

fn is_live(key: &ApiKey, now: i64) -> Result<(), AccessError> {
    if key.is_revoked {
        Err(AccessError::KeyRevoked)
    } else if key.is_expired_at(now) {
        Err(AccessError::KeyExpired)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(change: impl FnOnce(&mut ApiKey)) -> Principal {
        let mut key = ApiKey::new("a", [0; 32]);
        change(&mut key);
        Principal::of_key(key, 2)
    }

    #[test]
    fn a_key_that_expires_while_its_socket_lives_starts_no_more_runs() {
        let principal = principal(|key| key.expires_at = Some(100));
        let running = principal.permit_at("x", 99).unwrap();
        assert_eq!(principal.permit_at("x", 100).unwrap_err(), AccessError::KeyExpired);
        drop(running);
        assert_eq!(principal.opens(Need::Run, 99), Ok(()));
        assert_eq!(principal.opens(Need::Nothing, 100), Err(AccessError::KeyExpired));
    }

    #[test]
    fn runs_of_one_key_are_bounded_over_all_its_clones_and_given_back() {
        let principal = principal(|_| ());
        let first = principal.permit_at("x", 0).unwrap();
        let _second = principal.clone().permit_at("y", 0).unwrap();
        assert_eq!(principal.permit_at("x", 0).unwrap_err(), AccessError::TooManyRuns);
        drop(first);
        assert!(principal.permit_at("x", 0).is_ok());
    }

    #[test]
    fn a_stranger_runs_nothing_and_everybody_runs_without_a_bound() {
        assert_eq!(Principal::stranger().permit_at("x", 0).unwrap_err(), AccessError::KeyMissing);
        let everybody = Principal::everybody();
        let permits: Vec<_> = (0..1000).map(|_| everybody.permit_at("x", 0).unwrap()).collect();
        assert_eq!(permits.len(), 1000);
    }

    #[test]
    fn what_a_key_lacks_is_named() {
        let principal = principal(|key| key.scopes = vec![Scope::Agent("x".into())]);
        assert!(principal.permit_at("x", 0).is_ok());
        let error = principal.permit_at("y", 0).unwrap_err();
        assert!(error.to_string().contains("`agent:y`"), "{error}");
        let error = principal.opens(Need::Observe, 0).unwrap_err();
        assert!(error.to_string().contains("`observe`"), "{error}");
        let revoked = self::principal(|key| key.is_revoked = true);
        assert_eq!(revoked.permit_at("x", 0).unwrap_err(), AccessError::KeyRevoked);
    }
}
