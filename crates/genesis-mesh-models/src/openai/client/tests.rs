//! Options that are checked when the client is made.

use super::*;
use crate::openai::ApiKey;

fn code(edit: impl FnOnce(&mut OpenAiOptions)) -> Option<&'static str> {
    let mut options = OpenAiOptions::new("http://127.0.0.1:1/v1", "m");
    edit(&mut options);
    Upstream::new(options).err().map(|error| error.code())
}

fn header(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn the_path_is_added_to_the_base_and_its_query_stays() {
    let url = |base: &str| completions_url(base).map(String::from).expect("an address");
    assert_eq!(url("https://api.example/v1"), "https://api.example/v1/chat/completions");
    assert_eq!(url("https://api.example/v1/"), "https://api.example/v1/chat/completions");
    assert_eq!(url("http://h:8000"), "http://h:8000/chat/completions");
    assert_eq!(url("https://h/d?api-version=1#x"), "https://h/d/chat/completions?api-version=1");
}

#[test]
fn wrong_options_are_refused_by_name() {
    assert_eq!(code(|_| {}), None);
    for base in ["", "localhost:80", "ftp://h/v1", "http://me:sk-1@h/v1", "/v1"] {
        assert_eq!(code(|options| options.base_url = base.to_owned()), Some("upstream_base_url"), "{base}");
    }
    assert_eq!(code(|options| options.model.clear()), Some("upstream_option_empty"));
    assert_eq!(code(|options| options.in_flight_max = 0), Some("upstream_option_empty"));
    assert_eq!(code(|options| options.timeouts.total = Duration::ZERO), Some("upstream_option_empty"));
    assert_eq!(code(|options| options.api_key = Some(ApiKey::new("a\nb"))), Some("upstream_api_key"));
    for (name, value) in [("host", "x"), ("Content-Length", "1"), ("a b", "x"), ("x-y", "a\nb")] {
        assert_eq!(code(|options| options.headers = header(name, value)), Some("upstream_header"), "{name}");
    }
    assert_eq!(code(|options| options.headers = header("api-key", "x")), None);
}

#[test]
fn an_error_and_the_debug_form_show_no_secret() {
    let mut options = OpenAiOptions::new("http://me:sk-1@h/v1", "m");
    options.api_key = Some(ApiKey::new("sk-2"));
    options.headers = header("api-key", "sk-3");
    let shown = format!("{options:?}");
    assert!(!shown.contains("sk-2") && !shown.contains("sk-3"), "{shown}");
    let error = Upstream::new(options).err().expect("an error");
    assert!(!format!("{error} {error:?}").contains("sk-1"));
}

#[test]
fn places_are_counted_and_given_back() {
    let mut options = OpenAiOptions::new("http://127.0.0.1:1/v1", "m");
    options.in_flight_max = 2;
    let upstream = Upstream::new(options).expect("a client");
    let first = upstream.permit().expect("a place");
    let _second = upstream.permit().expect("a place");
    assert_eq!(upstream.permit().err(), Some(ModelError::Busy { queued: 2 }));
    drop(first);
    assert!(upstream.permit().is_ok());
}

#[test]
fn machines_of_ones_own_are_reached_without_a_proxy() {
    let is_own = |url: &str| is_loopback(&Url::parse(url).expect("an address"));
    assert!(is_own("http://localhost:1/") && is_own("http://127.9.9.9/") && is_own("http://[::1]:1/"));
    assert!(!is_own("http://10.0.0.1/") && !is_own("http://localhost.example/"));
}
