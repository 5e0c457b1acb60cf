//! The book: what all clients have seen so far, also of those that are cut short.
//!
//! Owns: the transcripts, one page a run.
//! Never: loses a page; a client that is dropped leaves its own behind.

use super::evidence::Transcript;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All transcripts; clones are the same book.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Vec<Transcript>>>);

/// The page of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page(usize);

impl Book {
    fn pages(&self) -> MutexGuard<'_, Vec<Transcript>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a page.
    pub(crate) fn open(&self, transcript: Transcript) -> Page {
        let mut pages = self.pages();
        pages.push(transcript);
        Page(pages.len() - 1)
    }

    /// Reads or changes a page; `None` if there is none.
    pub(crate) fn with<T>(&self, page: Page, look: impl FnOnce(&mut Transcript) -> T) -> Option<T> {
        self.pages().get_mut(page.0).map(look)
    }

    pub(crate) fn all(&self) -> Vec<Transcript> {
        self.pages().clone()
    }
}
