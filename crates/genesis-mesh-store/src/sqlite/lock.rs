//! The lock: one process writes a file.
//!
//! Owns: the lock file beside the database. The system frees it when its process ends, however that ends.
//! Never: deletes the lock file: two processes could then hold locks of two files of one name.

use crate::rows::unavailable;
use genesis_mesh_core::store::StoreError;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the folder of `database` and takes the lock.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| {
                unavailable(format!("the folder {} can't be made: {error}", folder.display()))
            })?;
        }
        let path = beside(database);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| {
            let path = path.display();
            let advice = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    let message = format!("{path} can't be made: {error}; make room on the disk");
                    return StoreError::Full { message };
                }
                ErrorKind::ReadOnlyFilesystem => "mount it for writing, or choose another folder",
                _ => "let this user write the folder",
            };
            unavailable(format!("{path} can't be written: {error}; {advice}"))
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "{} is open in another process or store; stop that one, or choose another path",
                    database.display()
                );
                Err(StoreError::InUse { message })
            }
            Err(TryLockError::Error(error)) => {
                Err(unavailable(format!("{} can't be locked: {error}", path.display())))
            }
        }
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}
