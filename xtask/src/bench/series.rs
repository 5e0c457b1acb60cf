//! Series: one value a round, and what is said of them.
//!
//! Owns: medians and ranges.
//! Never: drops a value.

/// What was measured, a value a round, in the order of the rounds; at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// The `values` of all rounds.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        Self(values.into_iter().collect())
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(self.0.clone(), 0.5)
    }

    pub(crate) fn min(&self) -> f64 {
        quantile(self.0.clone(), 0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        quantile(self.0.clone(), 1.0)
    }

    /// The median of the ratios of the values of each round.
    pub(crate) fn paired_ratio(&self, other: &Self) -> f64 {
        Self::new(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs)).median()
    }
}

/// The value below which a share of `share` lies, between its neighbours in proportion; NaN of nothing.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().saturating_sub(1) as f64;
    let at = |index: f64| values.get(index as usize).copied().unwrap_or(f64::NAN);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}
