//! The machine: what a reader must know to judge the numbers.
//!
//! Owns: the names of processor, system and versions, and the load beside the bench.
//! Never: fails: what can't be read is `unknown`.

use std::process::Command;

/// One line: processor, cores, system, versions, date.
pub(crate) fn description() -> String {
    // Of the machine: this program may be pinned to one.
    let cores = read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
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

/// What ran beside the bench while it measured one thing.
pub(crate) struct Beside {
    /// The measured thing's name.
    pub(crate) thing: String,
    /// The load average before it.
    pub(crate) load_average: String,
    /// The share of all cores that others had during it; `None` where /proc doesn't say.
    pub(crate) others: Option<f64>,
}

/// Time that the machine's cores have spent, in the clock ticks of /proc.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    all: u64,
    idle: u64,
    /// Of this process and of its children that have ended.
    own: u64,
}

/// The ticks so far; `None` where /proc doesn't say.
pub(crate) fn ticks() -> Option<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let own = std::fs::read_to_string("/proc/self/stat").ok()?;
    Ticks::parse(&stat, &own)
}

impl Ticks {
    /// From the texts of /proc/stat and /proc/self/stat; proc(5) numbers their fields.
    pub(crate) fn parse(stat: &str, own: &str) -> Option<Self> {
        let number = |field: &str| Some(field.parse::<i64>().ok()?.unsigned_abs());
        let numbers = |text: &str| text.split_whitespace().map_while(number).collect::<Vec<u64>>();
        // user, nice, system, idle, iowait, irq, softirq, steal; the guests after them are counted in user.
        let cores = numbers(stat.lines().next()?.strip_prefix("cpu ")?);
        let all = cores.iter().take(8).sum();
        let idle = cores.iter().skip(3).take(2).sum();
        // The name may hold spaces and brackets. After it a letter, then fields 4 and on: 14 to 17 are
        // the times of this process and of the children that it has waited for.
        let (_, fields) = own.rsplit_once(") ")?;
        let fields = numbers(fields.split_once(' ')?.1);
        Some(Self { all, idle, own: fields.iter().skip(10).take(4).sum() })
    }

    /// The share of all cores, 0 to 1, that others had since `earlier`, other guests of the host among them.
    pub(crate) fn others_since(&self, earlier: &Self) -> f64 {
        let since = |value: fn(&Self) -> u64| value(self).saturating_sub(value(earlier)) as f64;
        let (all, idle, own) =
            (since(|ticks| ticks.all), since(|ticks| ticks.idle), since(|ticks| ticks.own));
        ((all - idle - own) / all.max(1.0)).clamp(0.0, 1.0)
    }
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
