//! The map: a file's bytes in the address space, read-only.
//!
//! Owns: the one `unsafe` call that GGUF needs.
//! Never: looks at the bytes; the header's reader does.

use super::error::GgufError;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps the file at `path`.
///
/// # Errors
/// `Io` if it can't be opened, is no regular file, or can't be mapped.
pub(super) fn map(path: &Path) -> Result<Mmap, GgufError> {
    let failed = |source| GgufError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    #[expect(unsafe_code, reason = "mapping a file is unsafe by nature: see SAFETY")]
    // SAFETY: the map is read-only and all access is bounds-checked against its length, so any content is
    // fine. Model files are not changed in place: downloads are renamed into place when whole. A file that
    // someone truncates while it is mapped ends the process with SIGBUS; nothing can be corrupted by it.
    let map = unsafe { Mmap::map(&file) };
    map.map_err(failed)
}
