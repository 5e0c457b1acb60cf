//! The key-value cache: pages of 16 positions, counted, bounded, shared between equal prefixes.
//!
//! Owns: the memory of all pages, who uses a page, and which full pages may serve again.
//! Never: computes; `forward.rs` writes pages and reads them.
//! A page that is full is registered under its tokens and the page before it. When nobody uses it any
//! more it stays until its memory is needed, the longest unused first. Keys and values of equal prefixes
//! have equal bits, so sharing changes nothing but time.

use crate::kernel::{PAGE_POSITIONS, Shared};
use std::collections::{BTreeMap, HashMap};

/// The tokens of a full page.
type PageTokens = [u32; PAGE_POSITIONS];

/// A prefix of tokens whose pages are cached: unique for the life of the cache, never reused.
type PrefixId = u64;
/// The empty prefix.
const EMPTY: PrefixId = 0;

/// All pages of one model.
pub(crate) struct PageCache {
    memory: Shared<u16>,
    page_len: usize,
    states: Vec<PageState>,
    /// Pages never used or forgotten, the next one last.
    free: Vec<u32>,
    /// Unused pages that still serve a prefix, by the time of their last use.
    idle: BTreeMap<u64, u32>,
    prefixes: HashMap<(PrefixId, PageTokens), (PrefixId, u32)>,
    clock: u64,
}

#[derive(Default)]
struct PageState {
    users: u32,
    /// The key in `prefixes`, if the page is registered, and the time in `idle`.
    registered: Option<(PrefixId, PageTokens)>,
    idle_since: u64,
}

/// The pages of one sequence, in order of position.
#[derive(Default)]
pub(crate) struct Pages {
    pages: Vec<u32>,
    /// The prefix of each registered page, from the first on.
    prefixes: Vec<PrefixId>,
}

impl Pages {
    pub(crate) fn ids(&self) -> &[u32] {
        &self.pages
    }
    /// Positions that the pages have room for.
    pub(crate) fn capacity(&self) -> usize {
        self.pages.len() * PAGE_POSITIONS
    }
}

impl PageCache {
    /// Room for `pages` pages of `page_len` numbers; memory is taken from the system as pages are written.
    pub(crate) fn new(pages: usize, page_len: usize) -> Self {
        Self {
            memory: Shared::zeros(pages * page_len),
            page_len,
            states: (0..pages).map(|_| PageState::default()).collect(),
            free: (0..pages as u32).rev().collect(),
            idle: BTreeMap::new(),
            prefixes: HashMap::new(),
            clock: 0,
        }
    }

    /// The memory of page 0; page `i` is `i * page_len()` further.
    pub(crate) fn start(&self) -> *mut u16 {
        self.memory.at(0)
    }
    pub(crate) fn page_len(&self) -> usize {
        self.page_len
    }
    /// Pages that a sequence uses now.
    pub(crate) fn pages_in_use(&self) -> usize {
        self.states.len() - self.free.len() - self.idle.len()
    }

    /// Takes the cached pages of the longest known prefix of `tokens`, without its last token, which must
    /// be computed to get logits. Gives the pages and the positions that they cover.
    pub(crate) fn take_prefix(&mut self, tokens: &[u32]) -> (Pages, usize) {
        let mut pages = Pages::default();
        let reusable = tokens.get(..tokens.len().saturating_sub(1)).unwrap_or_default();
        let mut prefix = EMPTY;
        for page_tokens in reusable.as_chunks::<PAGE_POSITIONS>().0 {
            let Some(&(next, page)) = self.prefixes.get(&(prefix, *page_tokens)) else { break };
            prefix = next;
            self.retain(page);
            pages.pages.push(page);
            pages.prefixes.push(prefix);
        }
        let positions = pages.capacity();
        (pages, positions)
    }

    /// Extends `pages` to hold `positions`; false, and nothing changed, if there are not enough pages.
    pub(crate) fn grow(&mut self, pages: &mut Pages, positions: usize) -> bool {
        let missing = positions.div_ceil(PAGE_POSITIONS).saturating_sub(pages.pages.len());
        if missing > self.free.len() + self.idle.len() {
            return false;
        }
        for _ in 0..missing {
            let Some(page) = self.free.pop().or_else(|| self.forget_oldest()) else { return false };
            self.retain(page);
            pages.pages.push(page);
        }
        true
    }

    /// Registers the full pages of a sequence whose first `computed` tokens are in them.
    pub(crate) fn register(&mut self, pages: &mut Pages, tokens: &[u32], computed: usize) {
        let known = pages.prefixes.len();
        let full = tokens.get(..computed).unwrap_or_default().as_chunks::<PAGE_POSITIONS>().0;
        for (page_tokens, &page) in full.iter().zip(&pages.pages).skip(known) {
            let key = (pages.prefixes.last().copied().unwrap_or(EMPTY), *page_tokens);
            self.clock += 1;
            // Another sequence may have registered the same tokens first: its page serves, this one is freed.
            let entry = self.prefixes.entry(key).or_insert((self.clock, page));
            pages.prefixes.push(entry.0);
            if entry.1 == page
                && let Some(state) = self.states.get_mut(page as usize)
            {
                state.registered = Some(key);
            }
        }
    }

    /// Gives back the pages of a sequence.
    pub(crate) fn release(&mut self, pages: &mut Pages) {
        pages.prefixes.clear();
        // The last page first: a prefix is of use only as long as the pages before it are there.
        for page in pages.pages.drain(..).rev() {
            let Some(state) = self.states.get_mut(page as usize) else { continue };
            state.users -= 1;
            if state.users > 0 {
                continue;
            }
            if state.registered.is_some() {
                self.clock += 1;
                state.idle_since = self.clock;
                self.idle.insert(self.clock, page);
            } else {
                self.free.push(page);
            }
        }
    }

    fn retain(&mut self, page: u32) {
        if let Some(state) = self.states.get_mut(page as usize) {
            if state.users == 0 {
                self.idle.remove(&state.idle_since);
            }
            state.users += 1;
        }
    }

    fn forget_oldest(&mut self) -> Option<u32> {
        let (_, page) = self.idle.pop_first()?;
        if let Some(key) = self.states.get_mut(page as usize).and_then(|state| state.registered.take()) {
            self.prefixes.remove(&key);
        }
        Some(page)
    }
}

#[cfg(test)]
mod tests;
