//! What the process takes of the machine: memory and time.
//!
//! Owns: reading it from the kernel, on Linux; elsewhere these metrics are absent.
//! Never: keeps a number.
//! Source: proc(5): `VmRSS` in `/proc/self/status`, fields 14 and 15 of `/proc/self/stat`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;

/// The kernel's ticks a second in `/proc`: its interface fixes them at 100 on all machines that Rust has.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        if let Some(bytes) = resident_bytes(&read("/proc/self/status")) {
            let (name, help, unit) = ("process_resident_memory", "Resident memory", Unit::Bytes);
            let metric = encoder.encode_descriptor(name, help, Some(&unit), MetricType::Gauge)?;
            ConstGauge::new(bytes).encode(metric)?;
        }
        if let Some(seconds) = cpu_seconds(&read("/proc/self/stat")) {
            let (name, help, unit) = ("process_cpu", "Processor time, of user and system", Unit::Seconds);
            let metric = encoder.encode_descriptor(name, help, Some(&unit), MetricType::Counter)?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        Ok(())
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name, which may hold anything; after its bracket comes the third.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_from_what_the_kernel_writes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\nVmData: 9 kB\n"), Some(1_263_616));
        assert_eq!(resident_bytes(""), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 4 0 100 200 300";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (x"), None);
    }
}
