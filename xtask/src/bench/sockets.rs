//! The server's socket beside the model in process.
//!
//! Owns: the comparison of both, and the limit for the first piece.
//! Never: compares different work: both must read and make the same tokens.

use super::clients::{self, ANSWER_TOKENS, CLIENTS, PROMPT_TOKENS, REQUESTS, Round};
use super::context::Context;
use super::error::BenchError;
use super::line::{Bound, Line, Outcome, Unit};
use super::prompts::Prompts;
use super::series::{self, Series};
use super::server;
use genesis_mesh_local::LocalModel;

const FLOOR: Bound = Bound::AtLeast(0.85);
const FIRST_MS_LIMIT: f64 = 150.0;

/// Tokens a second over sockets, and the time to the first piece: of a client's first request and of all.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let model = LocalModel::load(&context.model, &context.options(None))?;
    let server = server::start(context)?;
    let mut prompts = Prompts::open(&context.model)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::io("start a runtime", error))?;
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    let (mut burst, mut all) = (Vec::new(), Vec::new());
    // One more than counted: the first warms both.
    for turn in 0..=context.rounds {
        let script = clients::script(&mut prompts)?;
        let over = runtime.block_on(clients::over_sockets(&server.address, &script))?;
        let within = runtime.block_on(clients::in_process(&model, &script))?;
        check(&over, &within)?;
        let Some(round) = turn.checked_sub(1) else { continue };
        burst.push(first_ms(&over, 1));
        all.push(first_ms(&over, REQUESTS));
        ours.push(over.tokens_per_s());
        other.push(within.tokens_per_s());
        context.tell("sockets", round, &gave(&over, &within));
    }
    let what = format!(
        "/ws/smollm2, {CLIENTS} clients with {REQUESTS} requests each, {PROMPT_TOKENS} tokens in, {ANSWER_TOKENS} out"
    );
    let (ours, other) = (Series::new(ours), Series::new(other));
    let compared = Outcome::Compared { ours, other, beside: "in process".to_owned(), bound: FLOOR };
    let limited = |values| Outcome::Limited { ours: Series::new(values), limit: FIRST_MS_LIMIT };
    Ok(vec![
        Line { what: format!("{what}: throughput"), unit: Unit::TokensPerSecond, outcome: compared },
        Line { what: format!("{what}: TTFT p50"), unit: Unit::Milliseconds, outcome: limited(all) },
        // For information: prompts that come at one instant wait for each other's reading, which `prefill` bounds.
        Line {
            what: "the same: TTFT p50 of the first requests, which come at one instant".to_owned(),
            unit: Unit::Milliseconds,
            outcome: Outcome::Told { ours: Series::new(burst) },
        },
    ])
}

/// A round in words.
fn gave(over: &Round, within: &Round) -> String {
    let (burst, all) = (first_ms(over, 1), first_ms(over, REQUESTS));
    format!(
        "{} tokens at {:.0} tok/s, first piece after {burst:.0} ms at once and {all:.0} ms of all; in process \
         {:.0} tok/s, {:.0} ms and {:.0} ms",
        over.tokens(),
        over.tokens_per_s(),
        within.tokens_per_s(),
        first_ms(within, 1),
        first_ms(within, REQUESTS),
    )
}

/// The median time to the first piece of each client's first `requests` requests, in milliseconds.
fn first_ms(round: &Round, requests: usize) -> f64 {
    let answers = round.answers.iter().flat_map(|answers| answers.iter().take(requests));
    series::quantile(answers.map(|answer| answer.first.as_secs_f64() * 1e3).collect(), 0.5)
}

/// Greedy answers are the same everywhere; if these are not, their times mean nothing.
fn check(over: &Round, within: &Round) -> Result<(), BenchError> {
    let read = over.answers.iter().chain(&within.answers).flatten().map(|answer| answer.input_tokens);
    if let Some(wrong) = read.into_iter().find(|&tokens| tokens != PROMPT_TOKENS as u64) {
        return Err(BenchError::program("the engine", format!("read {wrong} tokens, not {PROMPT_TOKENS}")));
    }
    if over.tokens() != within.tokens() {
        let fault = format!("made {} tokens, and the model in process {}", over.tokens(), within.tokens());
        return Err(BenchError::program("the server", fault));
    }
    Ok(())
}
