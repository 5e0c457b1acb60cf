//! Fetching from a hub on this machine, as the real one answers, and with its faults.

mod local_hub;

use super::*;
use crate::fetch::{self, Stage};
use local_hub::{Faults, LocalHub};
use tempfile::TempDir;

const FILE: &str = "tiny-Q4_0.gguf";
const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// A file of three megabytes that starts like a model.
fn model() -> Vec<u8> {
    let numbers = (0..750_000u32).flat_map(|number| (number / 7).to_le_bytes());
    b"GGUF".iter().copied().chain(numbers).collect()
}

/// A hub, and a cache that is empty.
struct Case {
    hub: LocalHub,
    folder: TempDir,
    fetcher: HubFetcher,
}

impl Case {
    fn new(files: &[(&str, &[u8])], wanted: &str) -> Self {
        let hub = LocalHub::new(files);
        let folder = tempfile::tempdir().expect("a folder");
        let fetcher = HubFetcher {
            cache: folder.path().to_owned(),
            endpoint: Some(format!("{}/", hub.endpoint())),
            token: Some("hf_secret".to_owned()),
            file: wanted.parse().expect("a name"),
        };
        Self { hub, folder, fetcher }
    }

    fn good() -> Self {
        Self::new(&[(FILE, &model())], "org/tiny:tiny-Q4_0.gguf")
    }

    fn fetch(&self) -> Result<PathBuf, HubError> {
        self.fetcher.fetch(&mut |_| GO_ON)
    }

    fn code(&self) -> &'static str {
        let error = self.fetch().expect_err("a fault");
        assert!(!format!("{error} {error:?} {:?}", self.fetcher).contains("secret"), "{error:?}");
        error.code()
    }

    /// All that is kept but the lock, hidden names too.
    fn kept(&self) -> Vec<String> {
        let folder = self.folder.path().join("models/hub/org/tiny/main");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    fn assert_is_whole(&self, path: &Path) {
        assert!(fs::read(path).expect("a file") == model(), "another content");
        assert_eq!(self.kept(), [FILE.to_owned(), format!("{FILE}.sha256")]);
    }
}

#[test]
fn a_file_is_downloaded_once_checked_and_then_found() {
    let case = Case::good();
    assert_eq!(case.fetcher.cached().expect("no fault"), None);
    let mut told = Vec::new();
    let path = case.fetcher.fetch(&mut |now| {
        told.push(now);
        GO_ON
    });
    let path = path.expect("a model");
    case.assert_is_whole(&path);
    let bytes = model().len() as u64;
    let last = Progress { stage: Stage::Downloading, bytes, bytes_total: bytes };
    assert_eq!(told.last(), Some(&last));
    assert!(told.is_sorted_by_key(|now| now.bytes), "{told:?}");
    let asked = case.hub.log().len();
    assert_eq!(case.fetch().expect("the same"), path);
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path));
    assert_eq!(case.hub.log().len(), asked, "a cached file asks nobody");
}

#[test]
fn the_token_goes_to_the_hub_and_not_to_its_store() {
    let case = Case::good();
    case.fetch().expect("a model");
    let (stores, hubs): (Vec<_>, Vec<_>) =
        case.hub.log().into_iter().partition(|asked| asked.line.contains("/store/"));
    assert!(!stores.is_empty() && stores.iter().all(|asked| asked.authorization.is_none()), "{stores:?}");
    assert!(hubs.iter().all(|asked| asked.authorization.as_deref() == Some("Bearer hf_secret")), "{hubs:?}");
}

#[test]
fn the_bytes_are_those_of_the_commit_that_was_looked_at() {
    let case = Case::good();
    case.fetch().expect("a model");
    let lines: Vec<String> = case.hub.log().into_iter().map(|asked| asked.line).collect();
    assert!(lines[0].starts_with("HEAD /org/tiny/resolve/main/tiny-Q4_0.gguf "), "{lines:?}");
    let at_commit = format!("GET /org/tiny/resolve/{}/tiny-Q4_0.gguf ", local_hub::COMMIT);
    assert!(lines[1].starts_with(&at_commit), "{lines:?}");
}

#[test]
fn without_a_files_name_the_best_one_is_taken() {
    let model = model();
    let files = ["sub/tiny.F16.gguf", "tiny.Q2_K.gguf", "tiny-q4_k_m.gguf", "tiny.Q8_0.gguf", "mmproj.gguf"];
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, model.as_slice())).collect();
    let case = Case::new(&files, "org/tiny");
    let path = case.fetch().expect("a model");
    assert!(path.ends_with("models/hub/org/tiny/main/tiny-q4_k_m.gguf"), "{path:?}");
    assert_eq!(case.fetcher.cached().expect("no fault"), Some(path));
    let listed = fetch::files(case.folder.path());
    let names: Vec<String> = listed.iter().filter_map(|file| Some(file.hub.as_ref()?.to_string())).collect();
    assert_eq!(names, ["org/tiny:tiny-q4_k_m.gguf"]);
}

#[test]
fn a_file_in_a_folder_with_a_space_in_its_name_is_found() {
    let case = Case::new(&[("sub/my model.gguf", &model())], "org/tiny");
    let path = case.fetch().expect("a model");
    assert!(path.ends_with("main/sub/my model.gguf") && path.is_file(), "{path:?}");
}

#[test]
fn what_is_meant_must_be_clear() {
    let best = |files: &[&str]| choice::best(files.iter().map(|name| (*name).to_owned()).collect());
    for (files, expected) in [
        (&["only.IQ2_XS.gguf", "README.md"][..], Some("only.IQ2_XS.gguf")),
        (&["a.Q8_0.gguf", "a.Q4_0_4_4.gguf"], Some("a.Q8_0.gguf")),
        (&["a.Q4_0.gguf", "b.Q4_0.gguf"], None),
        (&["a.Q2_K.gguf", "a.IQ4_XS.gguf"], None),
        (&["a-Q4_0-00001-of-00002.gguf", "a-Q4_0-00002-of-00002.gguf"], None),
        (&["../a.Q4_0.gguf", "b.Q8_0.gguf"], Some("b.Q8_0.gguf")),
        (&["model.safetensors"], None),
    ] {
        match (best(files), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected),
            (Err(HubFault::NoChoice { files: told }), None) => {
                let ggufs = files.iter().filter(|name| name.ends_with(".gguf")).count();
                assert_eq!(told.len(), ggufs, "all are listed");
            }
            (found, _) => panic!("{files:?}: {found:?}"),
        }
    }
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_was() {
    let case = Case::good();
    case.hub.set(Faults { cut_after: Some(1_000_000), ..Faults::default() });
    case.assert_is_whole(&case.fetch().expect("a model"));
    assert_eq!(case.hub.ranges(), ["-", "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]);
}

#[test]
fn a_download_that_is_given_up_is_taken_up_by_the_next_fetch() {
    let case = Case::good();
    case.hub.set(Faults { cut_after: Some(250_000), ..Faults::default() });
    assert_eq!(case.code(), "hub_truncated", "eight attempts are not enough");
    assert_eq!(case.fetcher.cached().expect("no fault"), None);
    assert_eq!(fetch::files(case.folder.path()), []);
    case.hub.set(Faults::default());
    case.assert_is_whole(&case.fetch().expect("a model"));
    assert_eq!(case.hub.ranges().last().map(String::as_str), Some("bytes=2000000-"));
}

#[test]
fn a_store_without_ranges_is_read_from_the_start() {
    let case = Case::good();
    case.hub.set(Faults { cut_after: Some(250_000), ..Faults::default() });
    assert_eq!(case.code(), "hub_truncated");
    case.hub.set(Faults { ignores_ranges: true, ..Faults::default() });
    case.assert_is_whole(&case.fetch().expect("a model"));
}

#[test]
fn a_part_that_was_damaged_is_fetched_again() {
    let case = Case::good();
    case.hub.set(Faults { cut_after: Some(250_000), ..Faults::default() });
    assert_eq!(case.code(), "hub_truncated");
    let part = case.folder.path().join("models/hub/org/tiny/main").join(format!(".{FILE}.part"));
    let mut bytes = fs::read(&part).expect("the part");
    bytes[70_000] ^= 1;
    fs::write(&part, bytes).expect("written");
    case.hub.set(Faults::default());
    case.assert_is_whole(&case.fetch().expect("a model"));
    assert_eq!(case.hub.ranges().last().map(String::as_str), Some("-"));
}

#[test]
fn a_part_of_another_content_is_not_taken_up() {
    let case = Case::good();
    case.hub.set(Faults { cut_after: Some(250_000), ..Faults::default() });
    assert_eq!(case.code(), "hub_truncated");
    let other = [b"GGUF".as_slice(), &[7; 90_000]].concat();
    case.hub.put(FILE, &other);
    case.hub.set(Faults::default());
    assert_eq!(fs::read(case.fetch().expect("a model")).expect("a file"), other);
    assert_eq!(case.hub.ranges().last().map(String::as_str), Some("-"));
}

#[test]
fn other_bytes_than_announced_are_refused() {
    let case = Case::good();
    case.hub.set(Faults { sends_others: true, ..Faults::default() });
    assert_eq!(case.code(), "hub_wrong_content");
    assert_eq!(case.kept(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_model_is_refused_at_its_first_bytes() {
    let case = Case::new(&[("tiny.gguf", b"PK\x03\x04 a zip")], "org/tiny");
    assert_eq!(case.code(), "hub_not_gguf");
    assert_eq!(case.kept(), Vec::<String>::new());
    let case = Case::new(&[("tiny.gguf", b"GG")], "org/tiny");
    assert_eq!(case.code(), "hub_not_gguf");
}

#[test]
fn a_file_outside_of_lfs_has_no_hash_and_is_kept_all_the_same() {
    let case = Case::good();
    case.hub.set(Faults { is_plain: true, ..Faults::default() });
    case.assert_is_whole(&case.fetch().expect("a model"));
}

#[test]
fn a_renamed_repository_is_followed() {
    let case = Case::good();
    case.hub.set(Faults { is_renamed: true, ..Faults::default() });
    case.assert_is_whole(&case.fetch().expect("a model"));
}

#[test]
fn refusals_are_told_apart() {
    for (status, error_code, expected) in [
        (401, "GatedRepo", "hub_denied"),
        (403, "GatedRepo", "hub_denied"),
        (401, "RepoNotFound", "hub_not_found"),
        (401, "", "hub_denied"),
        (403, "", "hub_denied"),
        (404, "RevisionNotFound", "hub_not_found"),
        (404, "", "hub_not_found"),
        (429, "", "hub_refused"),
        (500, "", "hub_refused"),
    ] {
        for wanted in ["org/tiny", "org/tiny:tiny-Q4_0.gguf"] {
            let case = Case::new(&[], wanted);
            case.hub.set(Faults { status: Some((status, error_code)), ..Faults::default() });
            assert_eq!(case.code(), expected, "{status} {error_code} of {wanted}");
        }
    }
    for (wanted, what) in [
        ("org/tiny:none.gguf", Missing::File),
        ("org/tiny@dev:tiny-Q4_0.gguf", Missing::Revision),
        ("org/none:tiny.gguf", Missing::Repository),
        ("org/none", Missing::Repository),
    ] {
        let case = Case::new(&[(FILE, b"GGUF")], wanted);
        let fault = case.fetch().expect_err("a fault").fault;
        assert!(matches!(fault, HubFault::NotFound { what: found } if found == what), "{wanted}: {fault}");
    }
}

#[test]
fn a_gated_repository_says_what_to_do() {
    let case = Case::good();
    case.hub.set(Faults { status: Some((403, "GatedRepo")), ..Faults::default() });
    let told = case.fetch().expect_err("a fault").to_string();
    assert!(told.contains("accept the terms") && told.contains("HF_TOKEN"), "{told}");
}

#[test]
fn answers_without_sense_are_told() {
    for wanted in ["org/tiny", "org/tiny:tiny-Q4_0.gguf"] {
        let case = Case::new(&[(FILE, b"GGUF")], wanted);
        case.hub.set(Faults { is_useless: true, ..Faults::default() });
        assert_eq!(case.code(), "hub_bad_answer");
    }
    let mut case = Case::good();
    case.fetcher.endpoint = Some("not an address".to_owned());
    assert_eq!(case.code(), "hub_bad_answer");
}

#[test]
fn offline_is_told_and_a_cached_file_works_offline() {
    let mut case = Case::good();
    let path = case.fetch().expect("a model");
    // A port that was free a moment ago: nobody listens.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    case.fetcher.endpoint = Some(format!("http://{}", closed.expect("an address")));
    assert_eq!(case.fetch().expect("a model"), path);
    let error = case.fetcher.update(&mut |_| GO_ON).expect_err("offline");
    assert_eq!(error.code(), "hub_offline");
    assert!(error.is_retryable());
    case.fetcher.file = "org/tiny:other.gguf".parse().expect("a name");
    assert_eq!(case.code(), "hub_offline");
}

#[test]
fn an_update_fetches_what_has_changed_and_nothing_else() {
    let case = Case::good();
    let path = case.fetch().expect("a model");
    assert_eq!(case.fetcher.update(&mut |_| GO_ON).expect("the same"), path);
    assert_eq!(case.hub.ranges().len(), 1, "it is the same: no bytes are asked for");
    let other = [b"GGUF".as_slice(), &[7; 90_000]].concat();
    case.hub.put(FILE, &other);
    case.fetcher.update(&mut |_| GO_ON).expect("the new one");
    assert_eq!(fs::read(&path).expect("a file"), other);
    // A file that was damaged here is told by a fetch, and mended by an update.
    fs::write(&path, "damaged").expect("written");
    assert_eq!(case.code(), "fetch_changed");
    case.fetcher.update(&mut |_| GO_ON).expect("mended");
    assert_eq!(fs::read(&path).expect("a file"), other);
}

#[test]
fn four_fetches_at_once_download_one_good_file() {
    let case = Case::good();
    let paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let fetch = || case.fetch().expect("a model");
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    case.assert_is_whole(&paths[0]);
    assert!(paths.iter().all(|path| *path == paths[0]));
    assert_eq!(case.hub.ranges().len(), 1, "the others waited and found it");
}

#[test]
fn a_stop_ends_a_download_that_stalls_and_one_that_waits_for_another() {
    let case = Case::good();
    case.hub.set(Faults { stall_after: Some(400_000), ..Faults::default() });
    let mut waited = None;
    let error = case.fetcher.fetch(&mut |now| {
        if now.bytes < 400_000 {
            return GO_ON;
        }
        // The first holds the lock while it stalls: the second waits for it, until it is stopped.
        waited = Some(case.fetcher.fetch(&mut |now| {
            assert_eq!(now.stage, Stage::Waiting);
            ControlFlow::Break(())
        }));
        ControlFlow::Break(())
    });
    assert_eq!(error.expect_err("stopped").code(), "fetch_stopped");
    assert_eq!(waited.expect("it stalled").expect_err("stopped").code(), "fetch_stopped");
    case.hub.set(Faults::default());
    case.assert_is_whole(&case.fetch().expect("a model"));
    assert_eq!(case.hub.ranges(), ["-", "bytes=400000-"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_with_what_is_needed() {
    let case = Case::good();
    let folder = case.folder.path().join("models/hub/org/tiny/main");
    fs::create_dir_all(&folder).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", folder.join(format!(".{FILE}.part"))).expect("a link");
    assert_eq!(case.code(), "fetch_disk_full");
    let told = case.fetch().expect_err("a fault").to_string();
    assert!(told.contains("it takes 4 MB"), "{told}");
}

#[test]
fn names_are_read_and_written_alike_and_can_not_leave_their_folder() {
    for text in ["a/b", "a/b:c.gguf", "a/b@v1.0:d/c.gguf", "a/b@refs/pr/1:c d.GGUF", "o-w_n.er/na.me-1"] {
        let file: HubFile = text.parse().expect(text);
        assert_eq!(file.to_string(), text);
        let Some(name) = &file.file else { continue };
        let path = file.cache_folder().join(name);
        assert_eq!(HubFile::from_cache_path(&path), Some(file), "{path:?}");
    }
    let main: HubFile = "a/b@main".parse().expect("a name");
    assert_eq!(main.to_string(), "a/b");
    for text in [
        "",
        "a",
        "a/b/c",
        "/b",
        "a/",
        "../b",
        "a/..",
        "a/.b",
        "a/b:",
        "a/b:c.bin",
        "a/b:../c.gguf",
        "a/b:/c.gguf",
        "a/b:d//c.gguf",
        "a/b:.c.gguf",
        "a/b:d\\c.gguf",
        "a/b@:c.gguf",
        "a/b@../x",
        "a/b@x//y",
        "a b/c",
        "a/b?c",
        "a/b#c",
        "a/ü",
        "a/b:\u{7}.gguf",
        "a/b:d:c.gguf",
    ] {
        let error = text.parse::<HubFile>().expect_err(text);
        assert_eq!(error.code(), "hub_invalid_name", "{text}");
    }
}
