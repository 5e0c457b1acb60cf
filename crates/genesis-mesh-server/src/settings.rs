//! Settings that every command takes as flags; they beat the environment, which beats the file.
//!
//! Owns: the flags, their words and the keys that they set.
//! Never: acts on them; a command loads the configuration that comes of them.

use clap::Args;
use genesis_mesh_server::config::{Config, ConfigError, Sources};
use std::path::PathBuf;

/// What all commands share.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings (a flag beats the environment, which beats the file)")]
pub(crate) struct Settings {
    /// The configuration; without it ./mesh.toml, if it is there [env: GENESIS_MESH_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,

    /// Any key of the configuration: `--set server.linger_ms=8`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// The address to listen on; 127.0.0.1 without it [env: GENESIS_MESH_HOST]
    #[arg(long, global = true)]
    host: Option<String>,

    /// The port to listen on; 8080 without it, and 0 lets the system choose one, which is printed
    /// [env: GENESIS_MESH_PORT]
    #[arg(long, global = true)]
    port: Option<u16>,

    /// Where runs and threads are kept: sqlite (in the data folder), sqlite:PATH, memory, or postgres://…; sqlite without
    /// it [env: GENESIS_MESH_STORE]
    #[arg(long, global = true, value_name = "STORE")]
    store: Option<String>,

    /// The folder of the SQLite database; the user's data folder without it [env: GENESIS_MESH_DATA_DIR]
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<String>,

    /// What tells servers of each other's runs: local, postgres, or nats://… [env: GENESIS_MESH_BUS]
    #[arg(long, global = true, value_name = "BUS")]
    bus: Option<String>,

    /// A model file in GGUF format, in place of the file's models [env: GENESIS_MESH_MODEL]
    #[arg(long, global = true, value_name = "PATH")]
    model: Option<String>,

    /// A script in TOML that plays a model, in place of the file's models [env: GENESIS_MESH_SCRIPT]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "model")]
    script: Option<String>,

    /// Threads that compute; without it, one for each core [env: GENESIS_MESH_THREADS]
    #[arg(long, global = true, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Memory for the conversations that are computed at the same time, in MiB; without it 512
    /// [env: GENESIS_MESH_KV_MEMORY_MB]
    #[arg(long, global = true, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    kv_memory_mb: Option<u32>,

    /// How long runs may go on after the first SIGTERM or SIGINT; 10 without it
    /// [env: GENESIS_MESH_DRAIN_SECONDS]
    #[arg(long, global = true, value_name = "SECONDS")]
    drain_seconds: Option<u64>,

    /// An origin (https://example.org) whose pages may use this server; may be repeated [env: GENESIS_MESH_ORIGINS]
    #[arg(long, global = true, value_name = "ORIGIN")]
    origin: Vec<String>,

    /// A certificate chain in PEM; needs --tls-key [env: GENESIS_MESH_TLS_CERT]
    #[arg(long, global = true, value_name = "PATH")]
    tls_cert: Option<String>,

    /// The certificate's private key in PEM; needs --tls-cert [env: GENESIS_MESH_TLS_KEY]
    #[arg(long, global = true, value_name = "PATH")]
    tls_key: Option<String>,

    /// Serve an address that other machines reach without keys [env: GENESIS_MESH_INSECURE]
    #[arg(long, global = true)]
    insecure: bool,
}

impl Settings {
    /// The configuration: these flags over the environment over the file.
    ///
    /// # Errors
    /// The file can't be read, or all mistakes at once.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }

    /// Where the configuration comes from.
    pub(crate) fn sources(&self) -> Sources {
        let mut sources = Sources::from_env();
        if let Some(path) = &self.config {
            sources = sources.file(path);
        }
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        let flags = [
            ("--host", "server.host", self.host.clone()),
            ("--port", "server.port", text(self.port.map(u64::from))),
            ("--store", "server.store", self.store.clone()),
            ("--data-dir", "server.data_dir", self.data_dir.clone()),
            ("--bus", "server.bus", self.bus.clone()),
            ("--model", "models.*.gguf", self.model.clone()),
            ("--script", "models.*.script", self.script.clone()),
            ("--threads", "models.*.threads", text(self.threads.map(u64::from))),
            ("--kv-memory-mb", "models.*.kv_memory_mb", text(self.kv_memory_mb.map(u64::from))),
            ("--drain-seconds", "server.drain_seconds", text(self.drain_seconds)),
            ("--origin", "server.origins", (!self.origin.is_empty()).then(|| self.origin.join(","))),
            ("--tls-cert", "server.tls_cert", self.tls_cert.clone()),
            ("--tls-key", "server.tls_key", self.tls_key.clone()),
            ("--insecure", "server.insecure", self.insecure.then(|| "true".to_owned())),
        ];
        for (key, value) in &self.set {
            sources = sources.set(format!("--set {key}"), key, value);
        }
        for (flag, key, value) in flags {
            if let Some(value) = value {
                sources = sources.set(flag, key, value);
            }
        }
        sources
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
