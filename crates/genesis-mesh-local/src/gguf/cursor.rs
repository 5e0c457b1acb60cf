//! The cursor: reads little-endian fields from the start of a file, and never past its end.
//!
//! Owns: bounds; each read names the field that it is for.
//! Never: reserves memory for a count before the bytes of so many items are known to be there.

use super::error::{Field, GgufError};

/// A place in the file's bytes.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, position: 0 }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize, field: Field<'_>) -> Result<&'a [u8], GgufError> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or_else(|| self.truncated(field, len as u128))?;
        self.rest = rest;
        self.position += len;
        Ok(taken)
    }

    fn take_array<const LEN: usize>(&mut self, field: Field<'_>) -> Result<[u8; LEN], GgufError> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.truncated(field, LEN as u128))?;
        self.rest = rest;
        self.position += LEN;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self, field: Field<'_>) -> Result<u32, GgufError> {
        self.take_array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: Field<'_>) -> Result<u64, GgufError> {
        self.take_array(field).map(u64::from_le_bytes)
    }

    /// A number of items of at least `item_bytes` bytes each, which follow and must fit into the file.
    pub(super) fn count(&mut self, item_bytes: usize, field: Field<'_>) -> Result<usize, GgufError> {
        let count = self.u64(field)?;
        self.check_room(count, item_bytes, field)
    }

    /// `count` as a number in memory, if so many items of at least `item_bytes` bytes can follow.
    pub(super) fn check_room(
        &self,
        count: u64,
        item_bytes: usize,
        field: Field<'_>,
    ) -> Result<usize, GgufError> {
        let needed = u128::from(count) * item_bytes as u128;
        match usize::try_from(count) {
            Ok(count) if needed <= self.rest.len() as u128 => Ok(count),
            _ => Err(self.truncated(field, needed)),
        }
    }

    /// A length and so many bytes of UTF-8.
    pub(super) fn string(&mut self, field: Field<'_>) -> Result<&'a str, GgufError> {
        let len = self.count(1, field)?;
        let bytes = self.take(len, field)?;
        str::from_utf8(bytes).map_err(|error| {
            field.invalid("UTF-8 text", format_args!("other bytes after byte {}", error.valid_up_to()))
        })
    }

    fn truncated(&self, field: Field<'_>, needed: u128) -> GgufError {
        GgufError::Truncated { field: field.to_string(), needed, left: self.rest.len() as u64 }
    }
}
