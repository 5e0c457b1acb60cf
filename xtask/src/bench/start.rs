//! A start of the server: how long, how much memory, how large.
//!
//! Owns: the three limits, and how memory is read.
//! Never: counts a fetch: the model is cached.

use super::context::Context;
use super::error::BenchError;
use super::line::{Line, Outcome, Unit};
use super::series::Series;
use super::server;
use std::io::{Read, Write};
use std::net::TcpStream;

const READY_S_LIMIT: f64 = 0.5;
const RESIDENT_MB_LIMIT: f64 = 160.0;
const BINARY_MB_LIMIT: f64 = 30.0;
const BYTES_PER_MB: f64 = 1e6;

/// Starts the server once a round.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for round in 0..context.rounds {
        let server = server::start(context)?;
        check_health(&server.address)?;
        let bytes = resident_bytes(server.process.id);
        let memory = bytes.map_or_else(String::new, |bytes| format!(", {:.0} MB", bytes / BYTES_PER_MB));
        context.tell("start", round, &format!("{:.3} s{memory}", server.ready.as_secs_f64()));
        ready.push(server.ready.as_secs_f64());
        resident.extend(bytes.map(|bytes| bytes / BYTES_PER_MB));
    }
    let binary = server::binary()?;
    let size = std::fs::metadata(&binary);
    let size = size.map_err(|error| BenchError::io(format!("read {}", binary.display()), error))?.len();
    let limited = |what: &str, unit, ours, limit| {
        let outcome = Outcome::Limited { ours: Series::new(ours), limit };
        Line { what: what.to_owned(), unit, outcome }
    };
    let memory = "resident memory, idle after one request of /health";
    Ok(vec![
        limited("from the process's start to `listening`, model cached", Unit::Seconds, ready, READY_S_LIMIT),
        match resident.is_empty() {
            true => Line::not_measured(memory, "no /proc on this system"),
            false => limited(memory, Unit::Megabytes, resident, RESIDENT_MB_LIMIT),
        },
        limited("the release binary", Unit::Megabytes, vec![size as f64 / BYTES_PER_MB], BINARY_MB_LIMIT),
    ])
}

/// One request, so that the memory is that of a server that has answered.
fn check_health(address: &str) -> Result<(), BenchError> {
    let mut answer = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.map_err(|error| BenchError::io("ask the server for its health", error))?;
    match answer.starts_with("HTTP/1.1 200") {
        true => Ok(()),
        false => Err(BenchError::program("GET /health", format!("gave {answer:?}"))),
    }
}

/// The resident memory of a process; `None` where /proc doesn't say.
pub(crate) fn resident_bytes(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
