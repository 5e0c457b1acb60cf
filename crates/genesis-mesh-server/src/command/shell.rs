//! `genesis-mesh completions` and `genesis-mesh man`: what a shell and a reader of manuals want.
//!
//! Owns: nothing of its own: both are made of the flags and their words.
//! Never: installs a file without being told where.

use crate::outcome::Outcome;
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell to write completions for
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Write a page for each command into this folder, in place of the main page on standard output
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Writes completions to standard output.
pub(super) fn completions(arguments: &CompletionsArguments, mut program: Command) -> Outcome {
    let name = program.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut text);
    io::stdout().lock().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual.
pub(super) fn man(arguments: &ManArguments, program: Command) -> Outcome {
    match &arguments.dir {
        Some(folder) => clap_mangen::generate_to(program, folder)?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            io::stdout().lock().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
