//! From `[server]` and `[telemetry]` to options.
//!
//! Owns: the rules of more than one key: TLS needs two files, an open address needs keys or `insecure`.
//! Never: binds.

use super::form::{LimitsForm, LogFormatForm, ServerForm, TelemetryForm};
use super::reader::Reader;
use crate::access::is_origin;
use crate::options::{Limits, LogFormat, ServeOptions, TelemetryOptions, TlsFiles};
use genesis_mesh::{BusSource, StoreSource};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The options but for the keys.
pub(super) fn options(form: &ServerForm, reader: &mut Reader<'_>) -> ServeOptions {
    let mut options = ServeOptions::default();
    let seconds = |value: Option<u64>, default| value.map_or(default, Duration::from_secs);
    options.drain = seconds(form.drain_seconds, options.drain);
    options.ping_interval = seconds(form.ping_interval_seconds, options.ping_interval);
    options.stall = seconds(form.stall_seconds, options.stall);
    options.linger = form.linger_ms.map_or(options.linger, Duration::from_millis);
    options.limits = limits(&form.limits);
    options.origins = form.origins.clone().unwrap_or_default();
    for (index, origin) in options.origins.iter().enumerate() {
        if !is_origin(origin) {
            let index = index.to_string();
            let message = "expected scheme, host and port alone, as in `https://example.org`, or `null`";
            reader.say(&["server", "origins", &index], message);
        }
    }
    options.tls = tls(form, reader);
    options
}

/// Where runs are kept, and what carries hints.
pub(super) fn keeping(form: &ServerForm, reader: &mut Reader<'_>) -> (StoreSource, BusSource) {
    let data_dir = match &form.data_dir {
        Some(text) => reader.path(&["server", "data_dir"], text),
        None => default_data_dir(),
    };
    let store = match form.store.as_deref() {
        None => StoreSource::parse("sqlite", &data_dir),
        Some(text) => {
            let text = address(&["server", "store"], text, reader);
            StoreSource::parse(&text, &data_dir)
        }
    };
    let store = store.unwrap_or_else(|error| {
        reader.say(&["server", "store"], error.to_string());
        StoreSource::Memory
    });
    let bus = match form.bus.as_deref() {
        None => Ok(BusSource::of(&store)),
        Some(text) => {
            let text = address(&["server", "bus"], text, reader);
            BusSource::parse(&text, &store)
        }
    };
    let bus = bus.unwrap_or_else(|error| {
        reader.say(&["server", "bus"], error.to_string());
        BusSource::Local
    });
    (store, bus)
}

/// An address, which may be a reference: with a password it is a secret.
fn address(path: &[&str], text: &str, reader: &mut Reader<'_>) -> String {
    let is_reference = text.starts_with("env:") || text.starts_with("file:");
    let secret = if is_reference { reader.secret(path, text) } else { None };
    secret.unwrap_or_else(|| text.to_owned())
}

/// The user's data folder for this program, or a folder here where the system has none.
fn default_data_dir() -> PathBuf {
    directories::ProjectDirs::from("", "", "genesis-mesh")
        .map_or_else(|| PathBuf::from("genesis-mesh-data"), |folders| folders.data_local_dir().to_owned())
}

fn limits(form: &LimitsForm) -> Limits {
    let default = Limits::default();
    let millis = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    Limits {
        header_bytes: form.header_bytes.unwrap_or(default.header_bytes),
        header_timeout: millis(form.header_timeout_ms, default.header_timeout),
        body_bytes: form.body_bytes.unwrap_or(default.body_bytes),
        body_timeout: millis(form.body_timeout_ms, default.body_timeout),
        message_bytes: form.message_bytes.unwrap_or(default.message_bytes),
        idle_timeout: millis(form.idle_timeout_ms, default.idle_timeout),
        connections_per_address: form.connections_per_address.unwrap_or(default.connections_per_address),
        runs_per_key: form.runs_per_key.unwrap_or(default.runs_per_key),
    }
}

fn tls(form: &ServerForm, reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let (cert, key) = (["server", "tls_cert"], ["server", "tls_key"]);
    match (&form.tls_cert, &form.tls_key) {
        (Some(cert_file), Some(key_file)) => {
            Some(TlsFiles { cert: reader.existing(&cert, cert_file), key: reader.existing(&key, key_file) })
        }
        (Some(_), None) => {
            reader.say(&cert, "`tls_cert` needs `tls_key`");
            None
        }
        (None, Some(_)) => {
            reader.say(&key, "`tls_key` needs `tls_cert`");
            None
        }
        (None, None) => None,
    }
}

/// Whether other machines reach a server on `host`, as far as its text says.
pub(super) fn is_open(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok_and(|address| !address.to_canonical().is_loopback())
}

pub(super) fn telemetry(form: &TelemetryForm, reader: &mut Reader<'_>) -> TelemetryOptions {
    let mut options = TelemetryOptions::default();
    if let Some(format) = form.log_format {
        options.log_format = match format {
            LogFormatForm::Auto => LogFormat::Auto,
            LogFormatForm::Human => LogFormat::Human,
            LogFormatForm::Json => LogFormat::Json,
        };
    }
    if let Some(endpoint) = &form.otlp_endpoint {
        let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            reader.say(&["telemetry", "otlp_endpoint"], "expected an address of http:// or https://");
        }
        options.otlp_endpoint = Some(endpoint.clone());
    }
    if let Some(name) = &form.service_name {
        options.service_name = name.clone();
    }
    options
}
