//! Hosts and origins in their spellings.

use super::*;

fn site(origins: &[&str], is_tls: bool, guards_names: bool) -> Site {
    let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Site::new(&origins, is_tls, guards_names).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn may(site: &Site, host: &str, origin: &str) -> bool {
    site.check(&headers(&[("host", host), ("origin", origin)])).is_ok()
}

#[test]
fn the_own_origin_may_and_no_other() {
    let plain = site(&[], false, false);
    for (host, origin, expected) in [
        ("example.org", "http://example.org", true),
        ("example.org:80", "http://example.org", true),
        ("Example.org:8080", "http://example.ORG:8080", true),
        ("example.org", "https://example.org", true),
        ("[::1]:8080", "http://[::1]:8080", true),
        ("example.org:8080", "http://example.org", false),
        ("example.org", "http://example.org:8080", false),
        ("example.org", "http://example.org.evil.net", false),
        ("example.org", "http://evil.net", false),
        ("example.org", "http://sub.example.org", false),
        ("example.org", "ftp://example.org", false),
        ("example.org", "null", false),
        ("example.org", "", false),
        ("", "http://", false),
        ("", "null", false),
    ] {
        assert_eq!(may(&plain, host, origin), expected, "{host} {origin}");
    }
    assert!(plain.check(&headers(&[("host", "x")])).is_ok(), "no browser");
    assert!(plain.check(&HeaderMap::new()).is_ok());
}

#[test]
fn a_page_without_tls_may_not_use_a_server_with_it() {
    let tls = site(&[], true, false);
    assert!(may(&tls, "x:8443", "https://x:8443"));
    assert!(may(&tls, "x:443", "https://x"));
    assert!(!may(&tls, "x:8443", "http://x:8443"));
    let plain = site(&[], false, false);
    let behind = |proto| headers(&[("host", "x"), ("origin", "http://x"), ("x-forwarded-proto", proto)]);
    assert!(plain.check(&behind("http")).is_ok());
    assert!(plain.check(&behind("https, http")).is_err());
}

#[test]
fn listed_origins_may_in_any_spelling_and_null_only_if_listed() {
    let site =
        site(&["https://App.example.org:443/", "http://localhost:3000", "null", "tauri://x"], true, false);
    for origin in ["https://app.example.org", "http://localhost:3000", "null", "tauri://x"] {
        assert!(may(&site, "x", origin), "{origin}");
    }
    assert!(!may(&site, "x", "http://localhost:3001"));
    let two = headers(&[("host", "x"), ("origin", "null")]);
    let mut two = two;
    two.append(ORIGIN, "https://evil.net".parse().unwrap());
    assert!(site.check(&two).is_err(), "one foreign origin among two");
}

#[test]
fn names_that_anybody_may_own_are_refused_where_that_is_guarded() {
    let guarded = site(&["https://app.example.org:8443"], false, true);
    for host in [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost",
        "LOCALHOST:1",
        "a.localhost",
        "mesh",
        "app.example.org",
        "",
    ] {
        assert!(guarded.check(&headers(&[("host", host)])).is_ok(), "{host}");
    }
    for host in
        ["evil.net", "evil.net:8080", "localhost.evil.net", "127.0.0.1.evil.net", "a.localhost.", "127.1"]
    {
        let refused = guarded.check(&headers(&[("host", host), ("origin", &format!("http://{host}"))]));
        assert!(matches!(refused, Err(AccessError::HostNotAllowed { .. })), "{host}");
    }
}

#[test]
fn what_is_no_origin_is_refused_at_start() {
    for origin in
        ["", "*", "example.org", "https://", "https://a/b", "https://a b", "https://u@a", "https://a?x"]
    {
        let error = Site::new(&[origin.to_owned()], false, false).unwrap_err();
        assert_eq!(error.origin, origin);
    }
}
