//! The progress of fetching a model: a bar on a terminal, some lines elsewhere.
//!
//! Owns: how it looks.
//! Never: fetches.

use genesis_mesh::local::fetch::{Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};

/// The steps, in percent, at which a line is printed where there is no terminal.
const LINE_STEP_PERCENT: u64 = 25;

/// Shows a fetch on stderr.
pub(crate) struct FetchProgress {
    /// What is fetched.
    model: String,
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    stage: Option<Stage>,
    line_due_percent: u64,
}

impl FetchProgress {
    /// The progress of `model`.
    pub(crate) fn of(model: &str) -> Self {
        let bar = io::stderr()
            .is_terminal()
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        Self { model: model.to_owned(), bar, stage: None, line_due_percent: 0 }
    }

    /// Shows where the fetch is now.
    pub(crate) fn show(&mut self, progress: Progress) {
        let is_new_stage = self.stage.replace(progress.stage) != Some(progress.stage);
        match &self.bar {
            Some(bar) => {
                if is_new_stage {
                    bar.set_style(style(progress.bytes_total > 0));
                    bar.set_message(words(progress.stage, &self.model));
                }
                bar.set_length(progress.bytes_total);
                bar.set_position(progress.bytes);
            }
            None => self.line(progress, is_new_stage),
        }
    }

    fn line(&mut self, progress: Progress, is_new_stage: bool) {
        if is_new_stage {
            self.line_due_percent = 0;
        }
        let percent = (progress.bytes * 100).checked_div(progress.bytes_total);
        if percent.is_some_and(|percent| percent < self.line_due_percent)
            || (percent.is_none() && !is_new_stage)
        {
            return;
        }
        let share = percent.map(|percent| format!(" {percent} %")).unwrap_or_default();
        self.line_due_percent =
            percent.unwrap_or(0) / LINE_STEP_PERCENT * LINE_STEP_PERCENT + LINE_STEP_PERCENT;
        drop(writeln!(io::stderr().lock(), "{}{share}", words(progress.stage, &self.model)));
    }
}

impl Drop for FetchProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn words(stage: Stage, model: &str) -> String {
    match stage {
        Stage::Waiting => format!("another program fetches {model}"),
        Stage::Downloading => format!("fetching {model}"),
        Stage::Unpacking => format!("checking {model}"),
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = if has_length { "{msg} {bar:32} {bytes}/{total_bytes} {eta}" } else { "{msg} {spinner}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
