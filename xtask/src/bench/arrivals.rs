//! Long prompts that arrive while others read their answers.
//!
//! Owns: the streams, the arrivals, and the gaps between tokens that a reader sees.
//! Never: counts the gap between two answers of one stream.
//! Flow: a phase without arrivals, a phase with them, in turns; one task reads everything.

use super::context::Context;
use super::error::BenchError;
use super::line::{Bound, Line, Outcome, Unit};
use super::prompts::Prompts;
use super::series::{self, Series};
use futures_util::future;
use futures_util::stream::{FuturesUnordered, StreamExt, TryStreamExt};
use genesis_mesh_core::{GenerateRequest, Model, ModelError, ModelEvent, Prompt};
use genesis_mesh_local::LocalModel;
use std::cell::RefCell;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval, sleep};

const STREAMS: usize = 4;
const STREAM_PROMPT_TOKENS: usize = 64;
/// More than a phase makes, so that streams seldom start anew.
const STREAM_ANSWER_TOKENS: u32 = 4000;
const ARRIVING_TOKENS: usize = 800;
/// What the arriving request reads of its answer: a short one.
const ARRIVING_ANSWER_TOKENS: u32 = 16;
const ARRIVES_EVERY: Duration = Duration::from_secs(1);
/// Five arrivals, and thousands of gaps.
const PHASE: Duration = Duration::from_secs(5);
const CEILING: Bound = Bound::AtMost(5.0);

/// The p99 of the gaps with arrivals beside the p50 of those without.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let model = LocalModel::load(&context.model, &context.options(None))?;
    let mut prompts = Prompts::open(&context.model)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::io("start a runtime", error))?;
    let (mut disturbed, mut quiet) = (Vec::new(), Vec::new());
    // The first is not counted: it warms caches and clocks.
    runtime.block_on(phase(&model, &mut prompts, true))?;
    for round in 0..context.rounds {
        let with = runtime.block_on(phase(&model, &mut prompts, true))?;
        let without = runtime.block_on(phase(&model, &mut prompts, false))?;
        let p = |gaps: &Vec<f64>, share| series::quantile(gaps.clone(), share);
        let gave = format!(
            "p50 and p99 {:.1} and {:.1} ms of {} gaps, undisturbed {:.1} and {:.1} ms of {}",
            p(&with, 0.5),
            p(&with, 0.99),
            with.len(),
            p(&without, 0.5),
            p(&without, 0.99),
            without.len(),
        );
        context.tell("long prompts arrive", round, &gave);
        disturbed.push(p(&with, 0.99));
        quiet.push(p(&without, 0.5));
    }
    let what = format!("{STREAMS} streams, an {ARRIVING_TOKENS}-token prompt every second: inter-token p99");
    let (ours, other) = (Series::new(disturbed), Series::new(quiet));
    let outcome = Outcome::Compared { ours, other, beside: "p50 without them".to_owned(), bound: CEILING };
    Ok(vec![Line { what, unit: Unit::Milliseconds, outcome }])
}

/// All gaps of a phase, in milliseconds.
async fn phase(
    model: &LocalModel,
    prompts: &mut Prompts,
    has_arrivals: bool,
) -> Result<Vec<f64>, BenchError> {
    let prompts = RefCell::new(prompts);
    let gaps = RefCell::new(Vec::new());
    let streams: FuturesUnordered<_> = (0..STREAMS).map(|_| stream(model, &prompts, &gaps)).collect();
    let arrivals = async {
        match has_arrivals {
            true => arrive(model, &prompts).await,
            false => future::pending().await,
        }
    };
    tokio::select! {
        () = sleep(PHASE) => {}
        // Both go on until then, unless something fails.
        end = streams.try_collect::<()>() => end?,
        end = arrivals => end?,
    }
    Ok(gaps.into_inner())
}

/// Reads answers without an end, one after the other.
async fn stream(
    model: &LocalModel,
    prompts: &RefCell<&mut Prompts>,
    gaps: &RefCell<Vec<f64>>,
) -> Result<(), BenchError> {
    loop {
        let text = prompts.borrow_mut().text(STREAM_PROMPT_TOKENS)?;
        let mut answer = model.generate(request(text, STREAM_ANSWER_TOKENS)).await?;
        let mut last = None;
        while let Some(event) = answer.next().await {
            if let ModelEvent::Text { .. } = event? {
                let now = Instant::now();
                let gap = last.replace(now).map(|last| now.duration_since(last).as_secs_f64() * 1e3);
                gaps.borrow_mut().extend(gap);
            }
        }
    }
}

/// Sends a long prompt every second, whether or not the last one is answered.
async fn arrive(model: &LocalModel, prompts: &RefCell<&mut Prompts>) -> Result<(), BenchError> {
    let mut clock = interval(ARRIVES_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let text = prompts.borrow_mut().text(ARRIVING_TOKENS)?;
                open.push(read(model, request(text, ARRIVING_ANSWER_TOKENS)));
            }
            Some(end) = open.next() => end?,
        }
    }
}

/// Reads an answer to its end.
async fn read(model: &LocalModel, request: GenerateRequest) -> Result<(), ModelError> {
    let mut answer = model.generate(request).await?;
    while let Some(event) = answer.next().await {
        event?;
    }
    Ok(())
}

fn request(text: String, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { prompt: Prompt::Text(text), max_tokens: Some(max_tokens), ..Default::default() }
}
