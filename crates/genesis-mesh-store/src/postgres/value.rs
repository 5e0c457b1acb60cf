//! Values: ids, names and numbers, as PostgreSQL has them.
//!
//! Owns: their forms, in both directions.
//! Never: runs a statement.

use super::fault::Fault;
use crate::rows::corrupt;
use bytes::{BufMut as _, BytesMut};
use std::borrow::Cow;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// An id: a `uuid`, which sorts as its number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u128(self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    accepts!(UUID);
}

/// What escapes the character that PostgreSQL's texts cannot hold, and itself: no character of any language.
const ESCAPE: char = '\u{10ffff}';

/// A name as it is stored.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        match letter {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            letter => stored.push(letter),
        }
    }
    Cow::Owned(stored)
}

/// A name as it was.
pub(super) fn read_name(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut letters = stored.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => text.push(if letters.next() == Some('0') { '\0' } else { ESCAPE }),
            letter => text.push(letter),
        }
    }
    text
}

/// A number that PostgreSQL has no type for; what is beyond its greatest is never reached.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Milliseconds that can be added to a time: at most those of millions of years.
pub(super) fn span(ms: u64) -> i64 {
    number(ms).min(i64::MAX / 4)
}

pub(super) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn read_number(value: i64) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| corrupt(format!("a number is {value}")).into())
}
