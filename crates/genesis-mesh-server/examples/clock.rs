//! You learn: nothing; this server's model says the time, so that `cargo xtask bench store` sees how old each word is.
//!
//! Run: `cargo run --release -p genesis-mesh-server --example clock -- FOLDER WORDS MS`: an answer has so many words, one
//! each so many milliseconds. Each is the time at which it was said, in nanoseconds since 1970. Runs are kept in FOLDER.
use futures_util::stream::{self, StreamExt};
use genesis_mesh::{
    BoxFuture, CancelHandle, FinishReason, GenerateRequest, GenesisMesh, Model, ModelError, ModelEvent,
    ModelInfo, ModelStream, RunnerOptions, StoreSource, Usage,
};
use genesis_mesh_server::{Serve, ServeOptions};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

#[derive(Debug)]
struct Clock {
    info: ModelInfo,
    words: u32,
    pause: Duration,
}

impl Model for Clock {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        let mut ticks = interval_at(Instant::now() + self.pause, self.pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let words = stream::unfold((ticks, 0..self.words), async |(mut ticks, mut left)| {
            let token = left.next()?;
            ticks.tick().await;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let text = ModelEvent::Text { text: now.as_nanos().to_string(), logprobs: Vec::new() };
            // As the local engine does, so that what is kept of a token is kept here, too.
            Some((stream::iter([Ok(text), Ok(ModelEvent::Tokens(vec![token]))]), (ticks, left)))
        });
        let tells_tokens = request.tells_tokens;
        let words = words.flatten().filter(move |event| {
            std::future::ready(tells_tokens || !matches!(event, Ok(ModelEvent::Tokens(_))))
        });
        let usage = Usage { output_tokens: self.words.into(), ..Usage::default() };
        let done = ModelEvent::Done { usage, finish_reason: FinishReason::Stop };
        let events = words.chain(stream::once(std::future::ready(Ok(done))));
        Box::pin(std::future::ready(Ok(ModelStream::new(events, CancelHandle::new(|| {})))))
    }

    fn goes_on(&self) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, words, pause_ms] = arguments.as_slice() else { return Err("FOLDER WORDS MS".into()) };
    let info = ModelInfo { name: "clock".into(), context_tokens: None, description: String::new() };
    let clock = Clock { info, words: words.parse()?, pause: Duration::from_millis(pause_ms.parse()?) };
    let mut runner = RunnerOptions::default();
    runner.is_alone = true;
    let store = StoreSource::parse("sqlite", Path::new(folder))?;
    let mesh = GenesisMesh::new().model("bench", clock).store(store).runner(runner);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    mesh.setup().await?.serve_on(listener, ServeOptions::default(), stop).await?;
    Ok(())
}
