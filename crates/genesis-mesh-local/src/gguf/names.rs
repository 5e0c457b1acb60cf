//! Names: finds an entry by its name without a second copy of it.
//!
//! Owns: the sorted order of names, and the rule that each stands once.
//! Never: holds the names; the list that was ordered is given to every lookup.

/// The order of a list's names; the list itself stays where it is.
#[derive(Debug, Clone, Default)]
pub(super) struct NameOrder(Vec<u32>);

impl NameOrder {
    /// Orders the names; `Err` holds the index of a name that stands twice, or that has no 32-bit index.
    pub(super) fn new<T>(items: &[T], name: impl Fn(&T) -> &str) -> Result<Self, usize> {
        let count = u32::try_from(items.len()).map_err(|_| u32::MAX as usize)?;
        let name_at = |index: &u32| items.get(*index as usize).map(&name);
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_unstable_by(|left, right| name_at(left).cmp(&name_at(right)));
        let twice = order.windows(2).find_map(|pair| match pair {
            [left, right] if name_at(left) == name_at(right) => Some(*left.max(right) as usize),
            _ => None,
        });
        twice.map_or(Ok(Self(order)), Err)
    }

    /// The item of this name in the list that was ordered.
    pub(super) fn find<'a, T>(
        &self,
        items: &'a [T],
        name: impl Fn(&T) -> &str,
        wanted: &str,
    ) -> Option<&'a T> {
        let compare = |index: &u32| items.get(*index as usize).map(&name).cmp(&Some(wanted));
        let place = self.0.binary_search_by(compare).ok()?;
        items.get(*self.0.get(place)? as usize)
    }
}
