//! What a person sees, and what a script reads.
//!
//! Owns: stdout for answers, stderr for all else where stdout is no terminal.
//! Never: lets an answer steer the terminal: its control characters are shown, not obeyed.

use std::io::{self, IsTerminal, Stdout, Write};

const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

pub(super) struct Screen {
    out: Stdout,
    is_terminal: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        Self { out, is_terminal }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn welcome(&mut self, agent: &str) -> io::Result<()> {
        if self.is_terminal {
            self.note(&format!("talking with {agent}; /help lists the orders"))
        } else {
            Ok(())
        }
    }

    /// The next piece of an answer, at once.
    pub(super) fn piece(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal {
            self.out.write_all(shown(text).as_bytes())
        } else {
            self.out.write_all(text.as_bytes())
        }?;
        self.out.flush()
    }

    /// The end of an answer; a person is told how quick it was, and if it is not whole.
    pub(super) fn end(&mut self, speed: &str, finish_reason: &str) -> io::Result<()> {
        writeln!(self.out)?;
        let is_whole = matches!(finish_reason, "stop" | "tool_calls");
        match (self.is_terminal, is_whole) {
            (true, true) => self.note(speed),
            (true, false) => self.note(&format!("{speed} ({finish_reason})")),
            (false, true) => self.out.flush(),
            (false, false) => {
                self.out.flush()?;
                self.note(&format!("the answer is not whole: {finish_reason}"))
            }
        }
    }

    /// What was told of the answer is void.
    pub(super) fn void(&mut self) -> io::Result<()> {
        writeln!(self.out)?;
        self.out.flush()?;
        self.note("the answer was cut there, and begins again")
    }

    /// Words that are no answer.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal {
            writeln!(self.out, "{DIM}{text}{PLAIN}")?;
            return self.out.flush();
        }
        writeln!(io::stderr().lock(), "{text}")
    }

    pub(super) fn fault(&mut self, code: &str, message: &str) -> io::Result<()> {
        if self.is_terminal {
            writeln!(self.out, "{RED}{}{PLAIN} {DIM}({code}; docs/errors.md){PLAIN}", shown(message))?;
            return self.out.flush();
        }
        writeln!(io::stderr().lock(), "error: {message} ({code})")
    }
}

/// Text without characters that steer a terminal.
fn shown(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}
