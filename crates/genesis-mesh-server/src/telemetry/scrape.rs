//! Gauges that are read when somebody asks: connections, and what the models do.
//!
//! Owns: their names and the reading.
//! Never: keeps a number: the tasks and the models have them.

use crate::tasks::Tasks;
use genesis_mesh::{Mesh, ModelLoad};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;
use std::fmt;

/// Reads what the server holds at this moment.
#[derive(Debug)]
pub(super) struct Scrape {
    mesh: Mesh,
    tasks: Tasks,
}

type Reading = (&'static str, &'static str, Option<Unit>, fn(&ModelLoad) -> usize);

/// The gauges of a model that is computed here.
const MODEL_GAUGES: [Reading; 6] = [
    ("model_running", "Answers that the model computes", None, |load| load.running),
    ("model_running_max", "The most answers that it computes at a time", None, |load| load.running_max),
    ("model_waiting", "Requests in the model's queue", None, |load| load.waiting),
    ("model_waiting_max", "The most requests that its queue takes", None, |load| load.waiting_max),
    ("model_kv", "Memory of keys and values in use", Some(Unit::Bytes), |load| load.kv_bytes),
    ("model_kv_max", "Memory that keys and values may take", Some(Unit::Bytes), |load| load.kv_bytes_max),
];

impl Scrape {
    pub(super) fn new(mesh: Mesh, tasks: Tasks) -> Self {
        Self { mesh, tasks }
    }

    fn models(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let loads: Vec<(&str, ModelLoad)> =
            self.mesh.models().filter_map(|(name, model)| Some((name, model.current_load()?))).collect();
        if loads.is_empty() {
            return Ok(());
        }
        for (name, help, unit, read) in &MODEL_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for (model, load) in &loads {
                let labels = [("model", *model)];
                family.encode_family(&labels)?.encode_gauge(&read(load))?;
            }
        }
        Ok(())
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        build.encode(encoder.encode_descriptor("build", "The program", None, MetricType::Info)?)?;
        let connections = ConstGauge::new(self.tasks.connection_count());
        let help = "HTTP connections, without those that became WebSockets";
        connections.encode(encoder.encode_descriptor(
            "http_connections_open",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        let sockets = ConstGauge::new(self.tasks.socket_count());
        sockets.encode(encoder.encode_descriptor(
            "websockets_open",
            "WebSockets",
            None,
            MetricType::Gauge,
        )?)?;
        self.models(&mut encoder)
    }
}
