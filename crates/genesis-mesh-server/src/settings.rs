//! Settings that every command takes as flags; they beat the environment, which beats the file.
//!
//! Owns: the flags and their words.
//! Never: acts on them.

use clap::Args;
use std::path::PathBuf;

/// What all commands share.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings (a flag beats the environment, which beats the file)")]
pub(crate) struct Settings {
    /// The address to listen on; 127.0.0.1 without it
    #[arg(long, env = "GENESIS_MESH_HOST", global = true)]
    pub(crate) host: Option<String>,

    /// The port to listen on; 8080 without it, and 0 lets the system choose one, which is printed
    #[arg(long, env = "GENESIS_MESH_PORT", global = true)]
    pub(crate) port: Option<u16>,

    /// A model file in GGUF format, served under its file's name
    #[arg(long, env = "GENESIS_MESH_MODEL", global = true, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,

    /// A script in TOML that plays a model, for tests and for work on clients
    #[arg(long, env = "GENESIS_MESH_SCRIPT", global = true, value_name = "PATH")]
    pub(crate) script: Option<PathBuf>,

    /// Threads that compute; without it, one for each core
    #[arg(long, env = "GENESIS_MESH_THREADS", global = true, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// Memory for the conversations that are computed at the same time, in MiB; without it 512
    #[arg(long, env = "GENESIS_MESH_KV_MEMORY_MB", global = true, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) kv_memory_mb: Option<u32>,

    /// How long runs may go on after the first SIGTERM or SIGINT; 10 without it
    #[arg(long, env = "GENESIS_MESH_DRAIN_SECONDS", global = true, value_name = "SECONDS")]
    pub(crate) drain_seconds: Option<u64>,
}
