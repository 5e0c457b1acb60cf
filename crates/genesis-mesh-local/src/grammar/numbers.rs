//! The bound on numbers in JSON: a schema may leave their length open, but what reads them can't.
//!
//! Owns: where in a JSON text an answer stands, as far as numbers need it.
//! Never: refuses the only way on: a schema that asks for a longer number gets it.

/// The digits of the largest u64.
const INTEGER_DIGITS_MAX: u8 = 20;
/// An f64 is exact with 17 significant digits.
const FRACTION_DIGITS_MAX: u8 = 20;
/// With 20 digits before it, the largest exponent stays below that of an f64, 308.
const EXPONENT_DIGITS_MAX: u8 = 2;

/// Where a JSON text stands; it is read byte by byte, and must be JSON so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between strings and numbers.
    Outside,
    String,
    /// After a backslash in a string.
    Escape,
    /// In a number, with so many digits left to its integer, fraction or exponent.
    Number {
        left: u8,
    },
}

impl Place {
    /// The place after `byte`; `None` if a number got too long.
    fn after(self, byte: u8) -> Option<Self> {
        let place = match (self, byte) {
            (Self::String, b'\\') => Self::Escape,
            (Self::String, b'"') => Self::Outside,
            (Self::String | Self::Escape, _) => Self::String,
            (Self::Number { left }, b'0'..=b'9') => Self::Number { left: left.checked_sub(1)? },
            (Self::Number { .. }, b'.') => Self::Number { left: FRACTION_DIGITS_MAX },
            (Self::Number { .. }, b'e' | b'E') => Self::Number { left: EXPONENT_DIGITS_MAX },
            (Self::Number { left }, b'+' | b'-') => Self::Number { left },
            (Self::Outside, b'-') => Self::Number { left: INTEGER_DIGITS_MAX },
            (Self::Outside, b'0'..=b'9') => Self::Number { left: INTEGER_DIGITS_MAX - 1 },
            (_, b'"') => Self::String,
            _ => Self::Outside,
        };
        Some(place)
    }

    /// The place after the bytes of a token.
    pub(super) fn after_all(self, bytes: &[u8]) -> Self {
        // A number that had to be too long has no digits left.
        bytes.iter().fold(self, |place, byte| place.after(*byte).unwrap_or(Self::Number { left: 0 }))
    }

    /// Whether the bytes of a token make a number too long.
    pub(super) fn is_too_long_after(self, bytes: &[u8]) -> bool {
        bytes.iter().try_fold(self, |place, byte| place.after(*byte)).is_none()
    }

    /// Whether a token can make a number too long here.
    pub(super) fn is_in_number(self) -> bool {
        matches!(self, Self::Number { .. })
    }
}
