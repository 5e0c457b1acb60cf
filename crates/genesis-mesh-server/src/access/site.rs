//! The site: the names that this server answers to, and the pages that may use it.
//!
//! Owns: the checks of `Host` and `Origin`, which hold browsers back; other clients send what they like.
//! Never: judges a key.
//! Source: RFC 6455, section 10.2; the Fetch standard, "CORS protocol". Why each rule is there: SECURITY.md.

use super::error::AccessError;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::net::IpAddr;

/// What a proxy says of the client's side.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A text in the options that no browser can send as an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidOrigin {
    pub(crate) origin: String,
}

#[derive(Debug, Default)]
pub(super) struct Site {
    /// In lower case, without a slash at the end.
    origins: Vec<String>,
    is_tls: bool,
    /// Whether a name that may be anybody's is refused in `Host`.
    guards_names: bool,
}

impl Site {
    /// # Errors
    /// One of `origins` is none.
    pub(super) fn new(origins: &[String], is_tls: bool, guards_names: bool) -> Result<Self, InvalidOrigin> {
        let origins = origins.iter().map(|origin| normal(origin)).collect::<Result<_, _>>()?;
        Ok(Self { origins, is_tls, guards_names })
    }

    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Refuses what only a foreign page makes a browser send.
    ///
    /// # Errors
    /// The host or the origin is foreign.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), AccessError> {
        let host = headers.get(HOST).and_then(text).unwrap_or_default();
        if self.guards_names && !self.is_own_name(name_of(host)) {
            return Err(AccessError::HostNotAllowed { host: shown(host) });
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = text(origin).unwrap_or("?");
            let is_listed = self.origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin));
            if !is_listed && !self.is_own(origin, host, headers) {
                return Err(AccessError::OriginNotAllowed { origin: shown(origin) });
            }
        }
        Ok(())
    }

    /// Whether a page of `origin` came from this server. A page from `https` may use the same host without TLS, which
    /// is what a proxy in front looks like; a page without TLS may not use a host with it: anybody on its way could
    /// have written it.
    fn is_own(&self, origin: &str, host: &str, headers: &HeaderMap) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let port = match scheme {
            "https" => ":443",
            "http" if !self.is_tls && !is_forwarded_over_tls(headers) => ":80",
            _ => return false,
        };
        let bare =
            |authority: &'_ str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
        !host.is_empty() && bare(authority) == bare(host)
    }

    /// Whether a `Host` names this server and nobody else's. Whoever owns a domain can make it point here, and then
    /// their page has this server's origin; nobody owns an address, or a name without a dot.
    fn is_own_name(&self, name: &str) -> bool {
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let is_local = !name.contains('.') || name.to_ascii_lowercase().ends_with(".localhost");
        let mut hosts = self.origins.iter().filter_map(|origin| Some(name_of(origin.split_once("://")?.1)));
        is_address || is_local || hosts.any(|host| host.eq_ignore_ascii_case(name))
    }
}

fn is_forwarded_over_tls(headers: &HeaderMap) -> bool {
    let first = headers.get(FORWARDED_PROTO).and_then(text).and_then(|list| list.split(',').next());
    first.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// A host without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// What a message repeats of a header: enough to know it, not enough to fill a log.
fn shown(value: &str) -> String {
    value.chars().take(100).collect()
}

/// Whether `text` is an origin that the options may list.
pub(crate) fn is_origin(text: &str) -> bool {
    normal(text).is_ok()
}

fn normal(origin: &str) -> Result<String, InvalidOrigin> {
    let invalid = || InvalidOrigin { origin: origin.to_owned() };
    let bare = origin.trim().trim_end_matches('/').to_ascii_lowercase();
    if bare == "null" {
        return Ok(bare);
    }
    let (scheme, authority) = bare.split_once("://").ok_or_else(invalid)?;
    let uri: Uri = bare.parse().map_err(|_| invalid())?;
    let is_whole =
        uri.authority().is_some_and(|found| found.as_str() == authority) && !authority.contains('@');
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    if !is_whole || authority.is_empty() {
        return Err(invalid());
    }
    // Browsers leave the scheme's own port out.
    Ok(if port.is_empty() { bare } else { bare.strip_suffix(port).unwrap_or(&bare).to_owned() })
}

#[cfg(test)]
mod tests;
