//! Downloading one file of the hub beside its place, to its last byte and with its hash.
//!
//! Owns: the part file, what is kept of a cut download, and the check of what came.
//! Never: renames; the caller does, under its lock.
//! Flow: what is there is hashed, the rest is asked for, each piece is written and hashed; a cut goes on where it
//! was, as long as each attempt brings something.

use super::HubFault;
use super::ask::{Client, Remote};
use crate::fetch::marker::{Content, hex};
use crate::fetch::wait::Pieces;
use crate::fetch::{FetchFault, Progress, Report, Stage, fault, tell};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Attempts in a row: connections to stores of large files are cut now and then, not every time.
const ATTEMPTS_MAX: usize = 8;
/// Bytes of a part that are hashed between two reports.
const BUFFER_BYTES: usize = 1 << 20;
/// What every GGUF file starts with.
const MAGIC: &[u8; 4] = b"GGUF";

/// Where the part of the file at `path` is: hidden, so that nobody takes it for a model.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Whose part it is: a part is taken up only for the file that it was begun for.
fn owner_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part.sha256"))
}

/// Brings `remote` to `part_of(path)`, whole, checked and on the disk.
pub(super) fn download(
    client: &Client,
    remote: &Remote,
    path: &Path,
    progress: Report<'_>,
) -> Result<Content, HubFault> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|source| fault::of_folder(folder, source))?;
    let mut part = Part::open(path, remote, progress)?;
    let was_resumed = part.bytes > 0;
    let is_right = |sha256: &String| remote.sha256.as_ref().is_none_or(|expected| expected == sha256);
    let mut sha256 = part.complete(client, progress)?;
    if was_resumed && !is_right(&sha256) {
        // What lay here before may be the cause.
        part.restart()?;
        sha256 = part.complete(client, progress)?;
    }
    if !is_right(&sha256) {
        part.discard();
        return Err(HubFault::WrongContent { sha256, expected: remote.sha256.clone().unwrap_or_default() });
    }
    part.close()?;
    Ok(Content { sha256, bytes: remote.bytes })
}

/// The part of a file that is here.
struct Part<'a> {
    remote: &'a Remote,
    path: &'a Path,
    file: File,
    hasher: Sha256,
    bytes: u64,
    /// The first bytes, up to the magic number's length.
    start: Vec<u8>,
}

impl<'a> Part<'a> {
    /// Opens the part, with what is there of the same file.
    fn open(path: &'a Path, remote: &'a Remote, progress: Report<'_>) -> Result<Self, HubFault> {
        let at = part_of(path);
        let owner = fs::read_to_string(owner_of(path)).ok();
        let is_same = remote.sha256.is_some() && owner == remote.sha256;
        let options = File::options().read(true).write(true).create(true).truncate(!is_same).open(&at);
        let file = options.map_err(|source| fault::of_write(&at, source))?;
        if let Some(sha256) = remote.sha256.as_ref().filter(|_| !is_same) {
            // Without this note a cut download starts again, which is only slower.
            drop(fs::write(owner_of(path), sha256));
        }
        let mut part = Self { remote, path, file, hasher: Sha256::new(), bytes: 0, start: Vec::new() };
        part.take_up(progress)?;
        Ok(part)
    }

    /// Hashes what is there.
    fn take_up(&mut self, progress: Report<'_>) -> Result<(), HubFault> {
        let at = part_of(self.path);
        let io = |source| FetchFault::Io { path: at.clone(), source };
        let len = self.file.metadata().map_err(io)?.len();
        if len > self.remote.bytes {
            return self.restart();
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.bytes < len {
            let count = self.file.read(&mut buffer).map_err(io)?;
            if count == 0 {
                break;
            }
            self.count(buffer.get(..count).unwrap_or_default());
            tell(progress, Stage::Downloading, self.bytes, self.remote.bytes)?;
        }
        Ok(())
    }

    /// Gets what is missing, and gives the hash of all.
    fn complete(&mut self, client: &Client, progress: Report<'_>) -> Result<String, HubFault> {
        let bytes_total = self.remote.bytes;
        let mut attempts = 0;
        while self.bytes < bytes_total {
            let before = self.bytes;
            self.attempt(client, progress)?;
            attempts += 1;
            if self.bytes <= before || attempts == ATTEMPTS_MAX && self.bytes < bytes_total {
                return Err(HubFault::Truncated { bytes: self.bytes, bytes_total });
            }
        }
        if self.start != MAGIC {
            return Err(self.foreign());
        }
        tell(progress, Stage::Downloading, bytes_total, bytes_total)?;
        Ok(hex(self.hasher.clone()))
    }

    /// Reads one answer to its end, which may come too early.
    fn attempt(&mut self, client: &Client, progress: Report<'_>) -> Result<(), HubFault> {
        let (from, response) = client.read(self.remote, self.bytes, progress)?;
        if from != self.bytes {
            self.restart()?;
        }
        let at = part_of(self.path);
        let io = |source| FetchFault::Io { path: at.clone(), source };
        let pieces = Pieces::of(response.into_body().into_reader()).map_err(io)?;
        loop {
            let (bytes, bytes_total) = (self.bytes, self.remote.bytes);
            let now = Progress { stage: Stage::Downloading, bytes, bytes_total };
            // An error of the connection is a cut as well: what came before it counts.
            let Some(Ok(mut piece)) = pieces.next(progress, now)? else { return Ok(()) };
            piece.truncate(usize::try_from(bytes_total - bytes).unwrap_or(usize::MAX));
            self.write(&piece)?;
            tell(progress, Stage::Downloading, self.bytes, bytes_total)?;
            if self.bytes == bytes_total {
                return Ok(());
            }
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), HubFault> {
        self.count(piece);
        if !MAGIC.starts_with(&self.start) {
            return Err(self.foreign());
        }
        let at = part_of(self.path);
        let written = self.file.write_all(piece);
        Ok(written.map_err(|source| match fault::of_write(&at, source) {
            FetchFault::DiskFull { path, .. } => {
                FetchFault::DiskFull { path, bytes: Some(self.remote.bytes) }
            }
            fault => fault,
        })?)
    }

    fn count(&mut self, piece: &[u8]) {
        let missing = MAGIC.len() - self.start.len();
        self.start.extend(piece.iter().take(missing));
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
    }

    /// Forgets what is there.
    fn restart(&mut self) -> Result<(), HubFault> {
        let at = part_of(self.path);
        let emptied = self.file.rewind().and_then(|()| self.file.set_len(0));
        emptied.map_err(|source| FetchFault::Io { path: at, source })?;
        (self.hasher, self.bytes) = (Sha256::new(), 0);
        self.start.clear();
        Ok(())
    }

    fn foreign(&self) -> HubFault {
        self.discard();
        HubFault::NotGguf { start: String::from_utf8_lossy(&self.start).into_owned() }
    }

    /// Puts all on the disk; the part has no owner any more.
    fn close(&self) -> Result<(), HubFault> {
        let at = part_of(self.path);
        self.file.sync_all().map_err(|source| fault::of_write(&at, source))?;
        remove(&owner_of(self.path));
        Ok(())
    }

    fn discard(&self) {
        remove(&part_of(self.path));
        remove(&owner_of(self.path));
    }
}

/// What can't be removed only takes space.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "can't remove what a download left");
    }
}
