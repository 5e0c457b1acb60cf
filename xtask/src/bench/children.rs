//! Child processes that do not outlive the bench.
//!
//! Owns: every process that the bench starts, and its standard input and output.
//! Never: waits for a child that it has not killed or whose output has not ended.
//! Flow: `spawn` gives a `Running`, which kills when it is dropped; `end_all` kills at a signal.

use super::error::BenchError;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All children of a bench; clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Children(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    running: Vec<Weak<Mutex<Child>>>,
    is_closed: bool,
}

impl Children {
    /// Starts `command` with its standard input and output in the bench's hands, and its words for people in
    /// `words`.
    pub(crate) fn spawn(&self, command: &mut Command, words: Stdio) -> Result<Running, BenchError> {
        let program = command.get_program().to_string_lossy().into_owned();
        // Held over the start, so that a child is either in the list or never there.
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.is_closed {
            return Err(BenchError::Interrupted);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words).spawn();
        let mut child = child.map_err(|error| BenchError::io(format!("start {program}"), error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let id = child.id();
        let child = Arc::new(Mutex::new(child));
        list.running.retain(|child| child.strong_count() > 0);
        list.running.push(Arc::downgrade(&child));
        Ok(Running { program, id, input, output, child })
    }

    /// Kills all children, and starts no more.
    pub(crate) fn end_all(&self) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.is_closed = true;
        for child in list.running.drain(..).filter_map(|child| child.upgrade()) {
            kill(&child);
        }
    }
}

/// A child that runs until this is dropped.
pub(crate) struct Running {
    program: String,
    /// Its process id.
    pub(crate) id: u32,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    child: Arc<Mutex<Child>>,
}

impl Running {
    /// The next line of its standard output; `None` at the end.
    pub(crate) fn read_line(&mut self) -> Result<Option<String>, BenchError> {
        let mut line = String::new();
        let Some(output) = &mut self.output else { return Ok(None) };
        let read = output.read_line(&mut line);
        read.map_err(|error| BenchError::io(format!("read from {}", self.program), error))?;
        Ok((!line.is_empty()).then_some(line))
    }

    /// Its next line; the end of its output is an error.
    pub(crate) fn expect_line(&mut self) -> Result<String, BenchError> {
        let line = self.read_line()?;
        line.ok_or_else(|| BenchError::program(&self.program, "ended early; run it by hand to see why"))
    }

    /// Asks it for one more thing: an empty line on its standard input.
    pub(crate) fn ask(&mut self) -> Result<(), BenchError> {
        self.say("")
    }

    /// Gives it a line on its standard input.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), BenchError> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let asked = writeln!(input, "{line}").and_then(|()| input.flush());
        asked.map_err(|error| BenchError::io(format!("ask {}", self.program), error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(&self.child);
    }
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // Both fail only for a child that is gone.
    drop(child.kill());
    drop(child.wait());
}
