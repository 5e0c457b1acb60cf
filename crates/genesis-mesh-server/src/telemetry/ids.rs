//! Ids of requests and spans.
//!
//! Owns: their form, and the source of randomness, which a test replaces.
//! Never: makes keys or secrets: these ids are told to everybody.

use opentelemetry::{SpanId, TraceId};
use std::fmt;

/// The digits of a request id: base32 in lower case, so that an id survives where case is lost.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The random bytes of a request id: 120 bits, which are 24 digits, and no two ids alike in any log.
const REQUEST_BYTES: usize = 15;

/// Fills bytes with random ones.
type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// Makes ids.
pub(super) struct Ids {
    fill: Box<Fill>,
}

impl Ids {
    /// Ids of the system's randomness.
    pub(super) fn system() -> Self {
        Self::new(|bytes| {
            if let Err(error) = getrandom::fill(bytes) {
                tracing::error!(%error, "the system gives no random bytes: request ids repeat");
            }
        })
    }

    pub(super) fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self { fill: Box::new(fill) }
    }

    /// A new request id: `req_` and 24 digits.
    pub(super) fn request(&self) -> String {
        let bytes: [u8; REQUEST_BYTES] = self.draw();
        let mut id = String::with_capacity(28);
        id.push_str("req_");
        for group in bytes.chunks(5) {
            let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            let digits = (0..8).rev().map(|place| usize::try_from(bits >> (5 * place) & 31).unwrap_or(0));
            id.extend(digits.filter_map(|digit| DIGITS.get(digit)).map(|digit| char::from(*digit)));
        }
        id
    }

    pub(super) fn trace(&self) -> TraceId {
        TraceId::from_bytes(self.draw())
    }

    pub(super) fn span(&self) -> SpanId {
        SpanId::from_bytes(self.draw())
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.fill)(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}
