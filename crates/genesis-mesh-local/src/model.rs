//! `LocalModel`: a GGUF file as a model of the mesh.
//!
//! Owns: loading, the options and their defaults, and the way from a prepared request to a sequence.
//! Never: computes in the caller's task, but for short prompts' tokens.
//! Flow: `generate` prepares the request (`text.rs`), queues a sequence and gives its stream.

use crate::engine::{Engine, EngineLoad, SubmitError};
use crate::forward::{Forward, ForwardLimits};
use crate::gguf::{Gguf, GgufError};
use crate::kernel::{Kernels, PAGE_POSITIONS};
use crate::sample::Sampler;
use crate::scheduler::{PROMPT_TOKENS_MAX, Scheduler};
use crate::sequence::Sequence;
use crate::stop::StopMatcher;
use crate::stream::{AnswerStream, State};
use crate::team::Team;
use crate::template::{ChatTemplate, TemplateError};
use crate::text::{Prepared, TextSide, invalid};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::tools::CallIds;
use crate::weights::{Weights, WeightsError};
use genesis_mesh_core::{
    BoxFuture, CancelHandle, GenerateRequest, Model, ModelError, ModelInfo, ModelLoad, ModelStream,
};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, io, thread};
use tokio::sync::mpsc;

/// What rotations and scores may take beside the keys and values: one part in this many.
const POSITION_MEMORY_SHARE: usize = 16;

/// How a model is run. The default suits a machine that does little else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOptions {
    /// Threads that compute; `None` takes one for each core.
    pub threads: Option<usize>,
    /// Memory for keys and values, in bytes: a bound, taken as it is used.
    pub kv_bytes_max: usize,
    /// Answers that are computed at the same time, 1 or more.
    pub slots: usize,
    /// Requests that may wait for a slot; more are refused as busy.
    pub queue_max: usize,
    /// Bounds the context below what the model and the memory for keys and values allow.
    pub context_tokens_max: Option<usize>,
    /// An instruction set by name (`avx512-vnni`, `avx2-vnni`, `avx2`, `scalar`); `None` takes the fastest.
    pub kernel: Option<String>,
}

impl Default for LocalOptions {
    /// All cores, 512 MiB of keys and values (23,000 tokens of SmolLM2-135M), 32 slots, 256 in the queue.
    fn default() -> Self {
        Self {
            threads: None,
            kv_bytes_max: 512 << 20,
            slots: 32,
            queue_max: 256,
            context_tokens_max: None,
            kernel: None,
        }
    }
}

/// Why a model can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read, or is no model that the engine knows.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A tensor or the model's shape doesn't fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The vocabulary is broken or of an unknown kind.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The vocabulary and the embedding differ in size.
    #[error("the vocabulary has {vocabulary} tokens, and token_embd.weight {embedding} rows")]
    Vocabulary {
        /// Tokens of the tokenizer.
        vocabulary: usize,
        /// Rows of the embedding.
        embedding: usize,
    },
    /// The memory for keys and values doesn't hold one page for each slot.
    #[error("{given} bytes for keys and values are too few; this model with these slots needs {needed}")]
    KvMemory {
        /// Bytes in the options.
        given: usize,
        /// The least that works.
        needed: usize,
    },
    /// The instruction set is unknown, or this machine doesn't have it.
    #[error("the kernel `{name}` is not available here; these are: {available}")]
    Kernel {
        /// What the options name.
        name: String,
        /// Names that work on this machine.
        available: String,
    },
    /// The operating system refuses a thread.
    #[error("a thread can't be started")]
    Thread(#[source] io::Error),
}

impl LoadError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gguf(error) => error.code(),
            Self::Weights(_) => "weights_invalid",
            Self::Tokenizer(_) => "tokenizer_invalid",
            Self::Template(_) => "template_invalid",
            Self::Vocabulary { .. } => "vocabulary_mismatch",
            Self::KvMemory { .. } => "kv_memory_too_small",
            Self::Kernel { .. } => "kernel_unavailable",
            Self::Thread(_) => "thread_refused",
        }
    }
}

/// A language model of the llama family, computed on this machine's CPU.
///
/// Cheap to share in an `Arc`; its threads end when it and its last stream are dropped.
pub struct LocalModel {
    info: ModelInfo,
    engine: Engine,
    text: Arc<TextSide>,
    slots: usize,
    kv: KvMemory,
}

impl LocalModel {
    /// Loads the GGUF file at `path`: blocks for a few hundred milliseconds for each GB and core.
    ///
    /// # Errors
    /// Names the field, the tensor or the option at fault.
    pub fn load(path: &Path, options: &LocalOptions) -> Result<Self, LoadError> {
        let Loaded { scheduler, tokenizer, template, info, context_tokens, kv } =
            Loaded::open(path, options)?;
        let slots = scheduler.slots();
        let engine = Engine::start(scheduler, options.queue_max).map_err(LoadError::Thread)?;
        let text = TextSide::new(tokenizer, template, context_tokens, options.queue_max);
        Ok(Self { info, engine, text: Arc::new(text), slots, kv })
    }

    /// The scheduler of the model at `path`, for measuring, and the size of its vocabulary.
    pub(crate) fn load_scheduler(
        path: &Path,
        options: &LocalOptions,
    ) -> Result<(Scheduler, usize), LoadError> {
        let loaded = Loaded::open(path, options)?;
        Ok((loaded.scheduler, loaded.tokenizer.vocab_len()))
    }

    /// What the engine does at the moment.
    #[must_use]
    pub fn engine_load(&self) -> EngineLoad {
        self.engine.load()
    }

    fn submit(&self, request: &GenerateRequest, prepared: Prepared) -> Result<ModelStream, ModelError> {
        let Prepared { tokens, grammar, reading } = prepared;
        let answer_max = self.answer_max(request, tokens.len())?;
        let seed = request.sampling.seed.unwrap_or_else(|| RandomState::new().hash_one(0u8));
        let cancel = Arc::new(AtomicBool::new(false));
        // Room for every token and the end: the engine never waits for a reader.
        let (reply, replies) = mpsc::channel(answer_max + 1);
        let prompt_len = tokens.len();
        // Of the prompt alone, so that the ids are the same where the answer goes on.
        let calls = reading.map(|reading| reading.reader(CallIds::new(seed, &tokens)));
        let sequence = Sequence {
            prompt_len,
            len_max: prompt_len + answer_max,
            tokens: [tokens.as_slice(), &request.made].concat(),
            end_tokens: self.text.end_tokens(),
            sampler: Sampler::new(&request.sampling, seed).after_prompt(prompt_len),
            grammar,
            logprobs: request.logprobs.map(usize::from),
            cancel: Arc::clone(&cancel),
            reply,
            pages: Default::default(),
            computed: 0,
            started: false,
        };
        let mut stream = AnswerStream {
            tokenizer: Arc::clone(self.text.tokenizer()),
            replies,
            cancel: Arc::clone(&cancel),
            stop: StopMatcher::new(request.stop.clone()),
            detokenizer: Default::default(),
            calls,
            has_called: false,
            read: VecDeque::new(),
            logprobs: Vec::new(),
            tells_tokens: request.tells_tokens,
            untold: Vec::new(),
            awaits_end: false,
            prompt_tokens: prompt_len as u64,
            answer_tokens: 0,
            state: State::Open,
        };
        if !stream.pass(&request.made, sequence.end_so_far()) {
            return Err(invalid("made", "a stop string ended the answer before the last of these"));
        }
        if stream.state == State::Open {
            self.engine.submit(sequence).map_err(|error| match error {
                SubmitError::Busy(queued) => ModelError::Busy { queued },
                SubmitError::Stopped => ModelError::Failed { message: "the engine stopped".to_owned() },
            })?;
        }
        Ok(ModelStream::new(stream, CancelHandle::new(move || cancel.store(true, Ordering::Relaxed))))
    }

    /// The most tokens that the answer to a prompt of `prompt_len` tokens may have, those that were made included.
    fn answer_max(&self, request: &GenerateRequest, prompt_len: usize) -> Result<usize, ModelError> {
        let context = self.text.context_tokens();
        let room = context.saturating_sub(prompt_len);
        if prompt_len == 0 {
            return Err(invalid("prompt", "the prompt is empty; it needs at least one token"));
        }
        if room == 0 {
            let (prompt_tokens, context_tokens) = (prompt_len as u64, context as u64);
            return Err(ModelError::ContextExceeded { prompt_tokens, context_tokens });
        }
        let answer_max = request.max_tokens.map_or(room, |max| room.min(max.max(1) as usize));
        if request.made.len() > answer_max {
            return Err(invalid("made", &format!("an answer has at most {answer_max} tokens here")));
        }
        Ok(answer_max)
    }
}

impl fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalModel").field("info", &self.info).field("load", &self.engine_load()).finish()
    }
}

impl Model for LocalModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self, request: GenerateRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let (prepared, request) = TextSide::prepare(&self.text, request).await?;
            self.submit(&request, prepared)
        })
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn current_load(&self) -> Option<ModelLoad> {
        let load = self.engine.load();
        Some(ModelLoad {
            running: load.running,
            running_max: self.slots,
            waiting: load.waiting,
            waiting_max: self.engine.queue_max(),
            kv_bytes: load.pages_in_use * self.kv.page_bytes,
            kv_bytes_max: self.kv.pages * self.kv.page_bytes,
        })
    }
}

/// A model that is loaded and not started.
struct Loaded {
    scheduler: Scheduler,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    info: ModelInfo,
    context_tokens: usize,
    kv: KvMemory,
}

/// The memory of keys and values: pages, and the bytes of one.
struct KvMemory {
    pages: usize,
    page_bytes: usize,
}

impl Loaded {
    fn open(path: &Path, options: &LocalOptions) -> Result<Self, LoadError> {
        let file = Gguf::open(path)?;
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(cores).max(1);
        let kernels = kernels(options.kernel.as_deref())?;
        let (tokenizer, weights) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| Tokenizer::from_metadata(file.metadata()));
            let weights = Weights::load(&file, threads);
            (tokenizer.join(), weights)
        });
        let mut weights = weights?;
        let tokenizer =
            tokenizer.map_err(|_| LoadError::Thread(io::Error::other("the tokenizer panicked")))?;
        let tokenizer = Arc::new(tokenizer?);
        let template = ChatTemplate::new(file.metadata(), &tokenizer)?;
        if tokenizer.vocab_len() != weights.embedding.rows() {
            let (vocabulary, embedding) = (tokenizer.vocab_len(), weights.embedding.rows());
            return Err(LoadError::Vocabulary { vocabulary, embedding });
        }
        let limits = limits(&weights, options, threads)?;
        weights.rotate_up_to(&file, limits.positions)?;
        drop(file);
        let info = ModelInfo {
            name: weights.config.name.clone(),
            context_tokens: u32::try_from(limits.positions).ok(),
            description: format!(
                "llama, {} layers, {} MB of weights, {} on {threads} threads",
                weights.config.layer_count,
                weights.bytes() / 1_000_000,
                kernels.name,
            ),
        };
        let page_bytes = Forward::page_len(&weights.config) * size_of::<u16>();
        let kv = KvMemory { pages: limits.pages, page_bytes };
        let team = Team::new(threads).map_err(LoadError::Thread)?;
        let forward = Forward::new(Arc::new(weights), kernels, team, limits);
        let scheduler = Scheduler::new(forward, options.slots.max(1));
        Ok(Self { scheduler, tokenizer, template, info, context_tokens: limits.positions, kv })
    }
}

fn kernels(name: Option<&str>) -> Result<&'static Kernels, LoadError> {
    let available = Kernels::available();
    let found = match name {
        Some(name) => available.iter().find(|kernels| kernels.name == name),
        None => available.first(),
    };
    found.copied().ok_or_else(|| LoadError::Kernel {
        name: name.unwrap_or_default().to_owned(),
        available: available.iter().map(|kernels| kernels.name).collect::<Vec<_>>().join(", "),
    })
}

/// The sizes of everything, from the model and the options.
fn limits(weights: &Weights, options: &LocalOptions, threads: usize) -> Result<ForwardLimits, LoadError> {
    let config = &weights.config;
    let page_bytes = Forward::page_len(config) * size_of::<u16>();
    let (pages, slots) = (options.kv_bytes_max / page_bytes.max(1), options.slots.max(1));
    if pages < slots {
        let needed = page_bytes.saturating_mul(slots);
        return Err(LoadError::KvMemory { given: options.kv_bytes_max, needed });
    }
    // Rotations and scores take memory for each position too, whatever length the file claims to be made for.
    let group = config.head_count / config.kv_head_count;
    let position_bytes = size_of::<f32>() * (config.head_len + group * threads);
    let positions_max = options.kv_bytes_max / POSITION_MEMORY_SHARE / position_bytes;
    let context = config.context_tokens.min(pages * PAGE_POSITIONS).min(positions_max.max(1));
    let positions = options.context_tokens_max.map_or(context, |max| context.min(max.max(1)));
    Ok(ForwardLimits { rows: PROMPT_TOKENS_MAX + slots, outputs: slots, positions, pages })
}
