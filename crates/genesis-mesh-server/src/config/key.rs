//! From `[[keys]]` to the records of keys.
//!
//! Owns: the text forms of a hash, a scope and an expiry, and that names are used once.
//! Never: sees a key.

use super::form::KeyForm;
use super::reader::Reader;
use crate::keys::{ApiKey, Scope};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// How the text form of a hash starts.
const HASH_PREFIX: &str = "sha256:";

/// The keys of the file; `agents` are the names that a scope may have.
pub(super) fn keys(forms: &[KeyForm], agents: &BTreeSet<String>, reader: &mut Reader<'_>) -> Vec<ApiKey> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (index, form) in forms.iter().enumerate() {
        let index = index.to_string();
        if keys.iter().any(|key| key.name == form.name) {
            reader.say(&["keys", &index, "name"], format!("a second key has the name `{}`", form.name));
        }
        let sha256 = hash(&form.sha256).unwrap_or_else(|| {
            let message =
                "expected `sha256:` and 64 hexadecimal digits, as `genesis-mesh keys new` prints them";
            reader.say(&["keys", &index, "sha256"], message);
            [0; 32]
        });
        let mut key = ApiKey::new(form.name.clone(), sha256);
        for (number, text) in form.scopes.iter().enumerate() {
            match scope(text, agents) {
                Ok(scope) => key.scopes.push(scope),
                Err(message) => reader.say(&["keys", &index, "scopes", &number.to_string()], message),
            }
        }
        key.expires_at = form.expires.as_deref().and_then(|text| {
            let at = expiry(text);
            if at.is_none() {
                let message =
                    "expected a date (`2027-01-31`) or a time with its offset (`2027-01-31T12:00:00Z`)";
                reader.say(&["keys", &index, "expires"], message);
            }
            at
        });
        key.is_revoked = form.revoked.unwrap_or(false);
        keys.push(key);
    }
    keys
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(HASH_PREFIX)?;
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn scope(text: &str, agents: &BTreeSet<String>) -> Result<Scope, String> {
    match text.split_once(':') {
        None if text == "run" => Ok(Scope::Run),
        None if text == "observe" => Ok(Scope::Observe),
        Some(("agent", name)) if agents.contains(name) => Ok(Scope::Agent(name.to_owned())),
        Some(("agent", name)) => {
            let nearest = agents.iter().min_by_key(|agent| strsim::damerau_levenshtein(agent, name));
            let hint =
                nearest.map(|agent| format!("; the nearest known name is `{agent}`")).unwrap_or_default();
            Err(format!("no agent is named `{name}`{hint}"))
        }
        _ => Err("expected `run`, `observe` or `agent:NAME`".to_owned()),
    }
}

/// The second, since 1970, from which on a key is refused; a date begins at midnight in UTC.
pub(super) fn expiry(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    // A date alone: what a `Date` reads of a time without an offset must not pass for one.
    let is_date = text.len() == "2027-01-31".len();
    let date = text.parse::<Date>().ok().filter(|_| is_date)?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}
