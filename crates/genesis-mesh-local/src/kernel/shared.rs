//! Memory that several threads write at once, each its own part.
//!
//! Owns: `Shared`, a fixed array of plain numbers behind raw pointers.
//! Never: decides who writes what; the forward pass does, phase by phase, with a barrier between.

use std::cell::UnsafeCell;

/// A fixed array whose elements are written through raw pointers, from any thread.
///
/// Fresh memory comes zeroed from the operating system, so untouched pages cost nothing.
pub(crate) struct Shared<T> {
    cells: Box<[UnsafeCell<T>]>,
}

// SAFETY: `Shared` hands out raw pointers only; whoever dereferences them guarantees that no element is
// written by one thread while another uses it.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Plain> Shared<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let cells = Box::<[UnsafeCell<T>]>::new_zeroed_slice(len);
        // SAFETY: `Plain` says that all bits zero is a value, and `UnsafeCell` has the layout of its content.
        Self { cells: unsafe { cells.assume_init() } }
    }

    /// Elements in the array.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A pointer to element `index`; the elements after it may be reached from it.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> *mut T {
        debug_assert!(index <= self.cells.len(), "offset {index} of {}", self.cells.len());
        // SAFETY: the offset is within the allocation or one past its end, as the forward pass lays out.
        unsafe { UnsafeCell::raw_get(self.cells.as_ptr().add(index)) }
    }
}

/// A number for which all bits zero is a value.
///
/// # Safety
/// Implement for plain numbers only.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: plain numbers.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
