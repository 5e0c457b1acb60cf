//! Tickets: what a page shows instead of a key, since a browser can't send headers with a WebSocket.
//!
//! Owns: the tickets that were given and not used; each opens one WebSocket within a minute.
//! Never: keeps a ticket's text; gives more rights than the principal has that asked for it.
//! Source: the answer's shape is that of the `OpenAI` API's `POST /v1/realtime/client_secrets`.

use super::error::AccessError;
use super::principal::Principal;
use crate::http::credential::TICKET_PREFIX;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a ticket waits for its use: long enough for a page to connect, too short to be passed around.
const LIFETIME: Duration = Duration::from_secs(60);

/// The unused tickets of one key: as many as its runs may be by default.
const PER_KEY_MAX: usize = 256;

/// A new ticket, as the client gets it.
#[derive(Serialize)]
pub(super) struct NewTicket {
    value: String,
    /// In seconds since 1970.
    expires_at: i64,
}

/// The tickets that were given and not used, by the SHA-256 of their text.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    live: Mutex<HashMap<[u8; 32], Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    principal: Principal,
    ends_at: Instant,
}

impl Tickets {
    /// Gives `principal` a ticket at `now`, which is `unix_now` in seconds since 1970.
    ///
    /// # Errors
    /// It has too many, or the system has no randomness.
    pub(super) fn give(
        &self,
        principal: &Principal,
        now: Instant,
        unix_now: i64,
    ) -> Result<NewTicket, AccessError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| AccessError::NoRandomness)?;
        let value = format!("{TICKET_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let ticket = Ticket { principal: principal.clone(), ends_at: now + LIFETIME };
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, ticket| now < ticket.ends_at);
        if live.values().filter(|ticket| ticket.principal.is_same(principal)).count() >= PER_KEY_MAX {
            return Err(AccessError::TooManyTickets);
        }
        live.insert(Sha256::digest(&value).into(), ticket);
        let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or_default();
        Ok(NewTicket { value, expires_at: unix_now.saturating_add(lifetime) })
    }

    /// Uses a ticket up, and tells who asked for it.
    pub(super) fn redeem(&self, sha256: &[u8; 32], now: Instant) -> Option<Principal> {
        let ticket = self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(sha256)?;
        (now < ticket.ends_at).then_some(ticket.principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::ApiKey;

    fn sha256(ticket: &NewTicket) -> [u8; 32] {
        Sha256::digest(&ticket.value).into()
    }

    #[test]
    fn a_ticket_opens_once_and_within_its_minute() {
        let (tickets, start) = (Tickets::default(), Instant::now());
        let principal = Principal::of_key(ApiKey::new("a", [0; 32]), 1);
        let ticket = tickets.give(&principal, start, 1000).unwrap();
        assert_eq!((&ticket.value[..3], ticket.value.len(), ticket.expires_at), ("ek_", 46, 1060));
        let redeemed = tickets.redeem(&sha256(&ticket), start + LIFETIME - Duration::from_nanos(1)).unwrap();
        assert!(redeemed.is_same(&principal));
        assert!(tickets.redeem(&sha256(&ticket), start).is_none(), "used");
        let late = tickets.give(&principal, start, 1000).unwrap();
        assert!(tickets.redeem(&sha256(&late), start + LIFETIME).is_none(), "too late");
        assert!(tickets.redeem(&[0; 32], start).is_none(), "never given");
    }

    #[test]
    fn tickets_are_bounded_for_each_key_and_the_old_make_room() {
        let (tickets, start) = (Tickets::default(), Instant::now());
        let [a, b] = ["a", "b"].map(|name| Principal::of_key(ApiKey::new(name, [0; 32]), 1));
        for _ in 0..PER_KEY_MAX {
            tickets.give(&a, start, 0).unwrap();
        }
        assert_eq!(tickets.give(&a, start, 0).err(), Some(AccessError::TooManyTickets));
        assert!(tickets.give(&b, start, 0).is_ok(), "another key has its own");
        assert!(tickets.give(&a, start + LIFETIME, 0).is_ok());
        assert_eq!(tickets.live.lock().unwrap().len(), 1);
    }
}
