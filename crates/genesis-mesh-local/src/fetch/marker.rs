//! Knowing a whole file at the cost of two `stat` calls: a marker beside it, written after a full check.
//!
//! Owns: `<file>.sha256`, which holds the hash that was checked, and the size and time that the file had then.
//! Never: trusts a file whose size or time differs from the marker's; it is hashed again.

use super::FetchFault;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Hexadecimal digits of a SHA-256.
pub(super) const SHA256_DIGITS: usize = 64;

/// Bytes read at a time: large enough that calls cost nothing, small enough for the cache.
const BUFFER_BYTES: usize = 256 << 10;

/// What a file holds, as far as it can be known without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// 64 lower-case hexadecimal digits.
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// Whether the file at `path` is there and holds `content`; one that is there and is not, is `Changed`.
pub(super) fn is_whole(path: &Path, content: &Content) -> Result<bool, FetchFault> {
    let io = |source| FetchFault::Io { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        // A file stands where a folder should: nothing is cached, and making the folder will say so.
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(io(error)),
    };
    if !metadata.is_file() || metadata.len() != content.bytes {
        return Err(FetchFault::Changed { path: path.to_owned() });
    }
    if fs::read_to_string(marker_of(path)).is_ok_and(|marker| marker == stamp(&metadata, content)) {
        return Ok(true);
    }
    let file = File::open(path).map_err(io)?;
    if hash(file).map_err(io)? != content.sha256 {
        return Err(FetchFault::Changed { path: path.to_owned() });
    }
    write(path, path, content);
    Ok(true)
}

/// What was noted of the file at `path`: what it held when it was last checked.
pub(super) fn noted(path: &Path) -> Option<Content> {
    let marker = fs::read_to_string(marker_of(path)).ok()?;
    let mut words = marker.split_ascii_whitespace();
    let (sha256, bytes) = (words.next()?, words.next()?.parse().ok()?);
    (sha256.len() == SHA256_DIGITS).then(|| Content { sha256: sha256.to_owned(), bytes })
}

/// Notes for the file at `path` that `checked`, which is it or will be renamed to it, has just been checked.
/// Without the note, as in a read-only cache, the file is hashed each time.
pub(super) fn write(path: &Path, checked: &Path, content: &Content) {
    let marker = marker_of(path);
    let written = fs::metadata(checked).and_then(|metadata| fs::write(&marker, stamp(&metadata, content)));
    if let Err(error) = written {
        tracing::debug!(path = %marker.display(), %error, "the model is checked in full at each start");
    }
}

fn marker_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

fn stamp(metadata: &Metadata, content: &Content) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {} {}\n", content.sha256, metadata.len(), changed.unwrap_or_default().as_nanos())
}

fn hash(mut file: File) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hasher)),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// The hash of what the hasher has read, as 64 lower-case hexadecimal digits.
pub(super) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
