//! The machine: what a reader must know to judge the numbers.
//!
//! Owns: the names of processor, system and versions, and the load beside the bench.
//! Never: fails: what can't be read is `unknown`.

use std::process::Command;

/// One line: processor, cores, system, versions, date.
pub(crate) fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changed = match said("git", &["status", "--porcelain", "--untracked-files=no"]).as_deref() {
        Some("") => "",
        _ => " with changes",
    };
    format!(
        "{}, {cores} cores, Linux {}; Genesis Mesh {} at {}{changed}, {}; {}",
        processor().unwrap_or_else(unknown),
        read("/proc/sys/kernel/osrelease"),
        env!("CARGO_PKG_VERSION"),
        said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(unknown),
        said("rustc", &["--version"]).unwrap_or_else(unknown),
        said("date", &["-u", "+%F %R UTC"]).unwrap_or_else(unknown),
    )
}

/// Processes that wanted a core in the last minute, the bench's own among them.
pub(crate) fn load_average() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field =
        |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(": ")?.1.trim()));
    let has = |flag: &str| field("flags").is_some_and(|flags| flags.split(' ').any(|known| known == flag));
    let vectors = match (has("avx512_vnni"), has("avx2")) {
        (true, _) => "AVX-512 VNNI",
        (false, true) => "AVX2",
        (false, false) => "no AVX2",
    };
    Some(format!("{} (family {}, {vectors})", field("model name")?, field("cpu family").unwrap_or("unknown")))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

/// What a program says, if it is there and content.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
