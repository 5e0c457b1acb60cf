//! Sources: from where settings are taken, and in which order they beat each other.
//!
//! Owns: the file, the variables and the flags that a configuration is loaded from.
//! Never: knows what they mean, or shows a variable's value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "GENESIS_MESH_CONFIG";

/// The file that is read if no other is named and it is there.
pub const CONFIG_FILE: &str = "mesh.toml";

/// From where a [`Config`](super::Config) is loaded: flags beat variables, which beat the file, key by key.
///
/// ```
/// use genesis_mesh_server::config::Sources;
/// let sources = Sources::none().variable("GENESIS_MESH_PORT", "9000").set("--port", "server.port", "0");
/// ```
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) file: Option<PathBuf>,
    /// Taken in place of what the file holds.
    pub(super) text: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) flags: Vec<Flag>,
    pub(super) agents: Vec<String>,
}

/// A setting of the command line.
#[derive(Clone)]
pub(super) struct Flag {
    /// As a person writes it, for messages.
    pub(super) name: String,
    /// The key that it sets.
    pub(super) key: String,
    pub(super) value: String,
}

impl Sources {
    /// No source: the defaults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What the program `genesis-mesh` takes without flags: the process's environment, and the file that
    /// `GENESIS_MESH_CONFIG` names, else `mesh.toml` if it is there. Variables that are no UTF-8 do not count.
    #[must_use]
    pub fn from_env() -> Self {
        let texts = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables: BTreeMap<String, String> = texts.collect();
        let named = variables.get(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = named.or_else(|| Path::new(CONFIG_FILE).is_file().then(|| PathBuf::from(CONFIG_FILE)));
        Self { file, variables, ..Self::default() }
    }

    /// Takes this file in place of any other; it must be there.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Takes `text` as if it stood in the file at `path`, which need not be there.
    #[must_use]
    pub fn text(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self.file(path)
    }

    /// Takes this environment variable too.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets `key` (`server.port`); lists are joined by commas. `flag` (`--port`) is told if the value is wrong.
    #[must_use]
    pub fn set(mut self, flag: impl Into<String>, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.flags.push(Flag { name: flag.into(), key: key.into(), value: value.into() });
        self
    }

    /// Says that the program will add an agent of this name, so that keys may be scoped to it.
    #[must_use]
    pub fn agent(mut self, name: impl Into<String>) -> Self {
        self.agents.push(name.into());
        self
    }

    /// The configuration file, if there is one.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<&str> = self.flags.iter().map(|flag| flag.name.as_str()).collect();
        f.debug_struct("Sources").field("file", &self.file).field("flags", &flags).finish_non_exhaustive()
    }
}
