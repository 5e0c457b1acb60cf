//! The metrics: their names, labels, units and buckets.
//!
//! Owns: the registry of one server and what is counted as it happens.
//! Never: has a label whose values a client can choose: agents and routes are the known ones.
//! Flow: requests and runs add to the families; a scrape encodes them with what `scrape` and `process` read.
//! Source: docs/observability.md lists all of them; names and units follow Prometheus and OpenMetrics.

use super::process::Process;
use super::scrape::Scrape;
use crate::tasks::Tasks;
use genesis_mesh::Mesh;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What all names begin with, but those of the process, whose names all programs share.
const PREFIX: &str = "genesis";

/// Seconds of an HTTP exchange: from an answer out of memory to a stream of minutes.
const HTTP_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// Seconds to a first token: a millisecond is this server's own share, a person notices 0.1, and leaves at 30.
const FIRST_TOKEN_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Seconds between pieces: 0.02 is 50 tokens/s, 0.1 about as fast as people read, a second looks stuck.
const GAP_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Seconds of a run: from a scripted answer to one that fills a context.
const RUN_SECONDS: [f64; 13] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HttpLabels {
    /// The route's template, or `unmatched`.
    pub(super) route: String,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    agent: Arc<str>,
    surface: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    agent: Arc<str>,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    agent: Arc<str>,
    direction: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is counted of HTTP.
#[derive(Debug)]
struct HttpFamilies {
    requests: Family<HttpLabels, Counter>,
    durations: Histograms<[(&'static str, String); 1]>,
}

/// What is counted of runs.
#[derive(Debug, Clone)]
struct RunFamilies {
    runs: Family<RunLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    in_flight: Family<AgentLabels, Gauge>,
    tokens: Family<TokenLabels, Counter>,
    first_token: Histograms<AgentLabels>,
    gap: Histograms<AgentLabels>,
    duration: Histograms<AgentLabels>,
}

impl RunFamilies {
    fn new() -> Self {
        Self {
            runs: Family::default(),
            errors: Family::default(),
            in_flight: Family::default(),
            tokens: Family::default(),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN_SECONDS)),
            gap: Family::new_with_constructor(|| Histogram::new(GAP_SECONDS)),
            duration: Family::new_with_constructor(|| Histogram::new(RUN_SECONDS)),
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("runs", "Runs that ended, by how", self.runs.clone());
        registry.register("run_errors", "Runs that failed or were refused, by code", self.errors.clone());
        registry.register(
            "runs_in_flight",
            "Runs that go on, or wait for their model",
            self.in_flight.clone(),
        );
        registry.register("tokens", "Tokens read (input) and made (output) by runs", self.tokens.clone());
        let mut seconds = |name: &str, help: &str, family: &Histograms<AgentLabels>| {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds("time_to_first_token", "From a run's start to its first piece", &self.first_token);
        seconds(
            "inter_token_gap",
            "Between pieces that were waited for; pieces that come together count as one",
            &self.gap,
        );
        seconds("run_duration", "From a run's start to its end", &self.duration);
    }
}

/// The counters of one agent, looked up once a run.
#[derive(Debug)]
pub(super) struct AgentMetrics {
    pub(super) name: Arc<str>,
    /// The model's name in the mesh, and its own.
    pub(super) model: String,
    pub(super) model_own_name: String,
    pub(super) in_flight: Gauge,
    pub(super) input_tokens: Counter,
    pub(super) output_tokens: Counter,
    pub(super) first_token: Histogram,
    pub(super) gap: Histogram,
    pub(super) duration: Histogram,
    runs: Family<RunLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
}

impl AgentMetrics {
    fn new(families: &RunFamilies, name: &str, model: &str, model_own_name: &str) -> Self {
        let agent: Arc<str> = name.into();
        let labels = AgentLabels { agent: Arc::clone(&agent) };
        let tokens = |direction| {
            families.tokens.get_or_create_owned(&TokenLabels { agent: Arc::clone(&agent), direction })
        };
        Self {
            name: Arc::clone(&agent),
            model: model.to_owned(),
            model_own_name: model_own_name.to_owned(),
            in_flight: families.in_flight.get_or_create_owned(&labels),
            input_tokens: tokens("input"),
            output_tokens: tokens("output"),
            first_token: families.first_token.get_or_create_owned(&labels),
            gap: families.gap.get_or_create_owned(&labels),
            duration: families.duration.get_or_create_owned(&labels),
            runs: families.runs.clone(),
            errors: families.errors.clone(),
        }
    }

    pub(super) fn count_run(&self, surface: &'static str, outcome: &'static str) {
        self.runs.get_or_create(&RunLabels { agent: Arc::clone(&self.name), surface, outcome }).inc();
    }

    pub(super) fn count_error(&self, code: &str) {
        let code = code.to_owned();
        self.errors.get_or_create(&ErrorLabels { agent: Arc::clone(&self.name), code }).inc();
    }
}

/// All metrics of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    http: HttpFamilies,
    agents: BTreeMap<String, Arc<AgentMetrics>>,
    /// Takes what is asked of agents that are not there; it is in no registry, since their names are anybody's.
    unknown: Arc<AgentMetrics>,
}

impl Metrics {
    pub(super) fn new(mesh: &Mesh, tasks: &Tasks) -> Self {
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix(PREFIX);
        let http = HttpFamilies {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(HTTP_SECONDS)),
        };
        own.register("http_requests", "HTTP requests that were answered, by route", http.requests.clone());
        let help = "From a request's head to the last byte of its answer";
        own.register_with_unit("http_request_duration", help, Unit::Seconds, http.durations.clone());
        let families = RunFamilies::new();
        families.register(own);
        own.register_collector(Box::new(Scrape::new(mesh.clone(), tasks.clone())));
        registry.register_collector(Box::new(Process));

        let own_name = |model: &str| {
            mesh.models().find(|(name, _)| *name == model).map(|(_, model)| model.info().name.clone())
        };
        let agents = mesh.agents().map(|agent| {
            let own_name = own_name(&agent.model).unwrap_or_default();
            let metrics = AgentMetrics::new(&families, &agent.name, &agent.model, &own_name);
            (agent.name.clone(), Arc::new(metrics))
        });
        let agents = agents.collect();
        let unknown = Arc::new(AgentMetrics::new(&RunFamilies::new(), "unknown", "", ""));
        Self { registry, http, agents, unknown }
    }

    pub(super) fn agent(&self, name: &str) -> Arc<AgentMetrics> {
        Arc::clone(self.agents.get(name).unwrap_or(&self.unknown))
    }

    pub(super) fn count_http(&self, labels: &HttpLabels, duration: Duration) {
        self.http.requests.get_or_create(labels).inc();
        let route = [("route", labels.route.clone())];
        self.http.durations.get_or_create(&route).observe(duration.as_secs_f64());
    }

    /// The text of all metrics; `None` if a value can't be written, which none of ours can be.
    pub(super) fn encode(&self) -> Option<String> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).ok()?;
        Some(text)
    }
}
