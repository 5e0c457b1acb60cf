//! `genesis-mesh models pull`: a model into the cache.
//!
//! Owns: which fetcher a name means, and stopping it on a signal.
//! Never: keeps a part under a model's name; the fetchers see to that.

use super::{DEFAULT_NAME, PullArguments};
use crate::outcome::Outcome;
use crate::progress::FetchProgress;
use crate::signals::Signals;
use genesis_mesh::local::fetch::hub::{HubFetcher, HubFile};
use genesis_mesh::local::fetch::{Fetcher, Progress};
use std::error::Error;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

type Pulled = Result<PathBuf, Box<dyn Error + Send + Sync>>;

/// Says where the file is, on standard output; 1 if it was stopped.
pub(super) async fn run(arguments: &PullArguments) -> Outcome {
    let mut signals = Signals::install()?;
    let stop = CancellationToken::new();
    let (name, stopped) = (arguments.name.clone(), stop.clone());
    let mut pull = tokio::task::spawn_blocking(move || pull(&name, &stopped));
    let pulled = tokio::select! {
        pulled = &mut pull => pulled,
        () = signals.next() => {
            stop.cancel();
            pull.await
        }
    };
    let path = pulled??;
    writeln!(io::stdout().lock(), "{}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn pull(name: &str, stop: &CancellationToken) -> Pulled {
    let mut progress = FetchProgress::of(name);
    let mut report = |now: Progress| {
        progress.show(now);
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let with_code = |error: &dyn Error, code: &str| format!("{error} ({code})");
    if name == DEFAULT_NAME {
        let fetched = Fetcher::from_env().and_then(|fetcher| fetcher.fetch(&mut report));
        return fetched.map_err(|error| with_code(&error, error.code()).into());
    }
    let fetched = name.parse::<HubFile>().and_then(HubFetcher::from_env);
    let fetched = fetched.and_then(|fetcher| fetcher.update(&mut report));
    fetched.map_err(|error| with_code(&error, error.code()).into())
}
