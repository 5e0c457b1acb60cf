//! Lines: one row of the result each, with its bound.
//!
//! Owns: ratios, bounds, and whether they are held.
//! Never: measures.

use super::series::Series;

/// One row of the result.
pub(crate) struct Line {
    /// What was measured, in a few words.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) outcome: Outcome,
}

/// What came of it.
pub(crate) enum Outcome {
    /// Two sides in turns; the bound is on their ratio.
    Compared { ours: Series, other: Series, beside: String, bound: Bound },
    /// One side, below a limit in the line's unit.
    Limited { ours: Series, limit: f64 },
    /// One side, at or above a floor in the line's unit.
    Floored { ours: Series, floor: f64 },
    /// One side without a bound, for the reader's information.
    Told { ours: Series },
    /// Nothing, and why.
    NotMeasured { why: String },
}

/// What a ratio must be.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Anything: the ratio is for the reader's information.
    None,
}

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    TokensPerSecond,
    TokensPerCpuSecond,
    HandshakesPerCpuSecond,
    RequestsPerSecond,
    StepsPerSecond,
    /// Of CPU time, for one token.
    Microseconds,
    Milliseconds,
    Seconds,
    /// 10^3 bytes.
    Kilobytes,
    /// 10^6 bytes.
    Megabytes,
}

impl Line {
    /// A line that says why there is nothing.
    pub(crate) fn not_measured(what: impl Into<String>, why: impl Into<String>) -> Self {
        let outcome = Outcome::NotMeasured { why: why.into() };
        Self { what: what.into(), unit: Unit::TokensPerSecond, outcome }
    }

    /// Whether the bound is held; `None` if there is none, or nothing was measured.
    pub(crate) fn is_held(&self) -> Option<bool> {
        let ratio = self.ratio()?;
        Some(match &self.outcome {
            Outcome::Compared { bound: Bound::None, .. } => return None,
            Outcome::Compared { bound: Bound::AtLeast(bound), .. } => ratio >= *bound,
            Outcome::Compared { bound: Bound::AtMost(bound), .. } => ratio <= *bound,
            Outcome::Limited { .. } => ratio < 1.0,
            Outcome::Floored { .. } => ratio >= 1.0,
            Outcome::Told { .. } | Outcome::NotMeasured { .. } => return None,
        })
    }

    /// The ratio of the medians, or of the median and the limit.
    pub(crate) fn ratio(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Compared { ours, other, .. } => Some(ours.median() / other.median()),
            Outcome::Limited { ours, limit: bound } | Outcome::Floored { ours, floor: bound } => {
                Some(ours.median() / bound)
            }
            Outcome::Told { .. } | Outcome::NotMeasured { .. } => None,
        }
    }

    /// The median of the ratios of each round, if there were two sides.
    pub(crate) fn paired_ratio(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Compared { ours, other, .. } => Some(ours.paired_ratio(other)),
            Outcome::Limited { .. }
            | Outcome::Floored { .. }
            | Outcome::Told { .. }
            | Outcome::NotMeasured { .. } => None,
        }
    }
}

impl Unit {
    /// `value` in this unit, to three or four digits.
    pub(crate) fn number(self, value: f64) -> String {
        match self {
            Self::TokensPerSecond
            | Self::TokensPerCpuSecond
            | Self::HandshakesPerCpuSecond
            | Self::RequestsPerSecond
            | Self::StepsPerSecond => format!("{value:.0}"),
            Self::Megabytes => format!("{value:.1}"),
            Self::Kilobytes | Self::Microseconds | Self::Milliseconds => format!("{value:.2}"),
            Self::Seconds => format!("{value:.3}"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokensPerSecond => "tok/s",
            Self::TokensPerCpuSecond => "tok/CPU s",
            Self::HandshakesPerCpuSecond => "1/CPU s",
            Self::RequestsPerSecond => "requests/s",
            Self::StepsPerSecond => "steps/s",
            Self::Microseconds => "µs",
            Self::Kilobytes => "kB",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Megabytes => "MB",
        }
    }
}
