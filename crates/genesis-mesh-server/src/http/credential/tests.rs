//! Where credentials stand, and that nothing of them stays.

use super::*;

fn taken(uri: &str, headers: &[(&str, &str)]) -> (Option<Credential>, Request<()>) {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    take(&mut request);
    (request.extensions().get().cloned(), request)
}

fn key(text: &str) -> Option<Credential> {
    Some(Credential::Key(Secret(text.into())))
}

fn ticket(text: &str) -> Option<Credential> {
    Some(Credential::Ticket(Secret(text.into())))
}

#[test]
fn each_place_gives_its_credential_and_the_first_counts() {
    let bearer = ("authorization", "bEARER  gm_a ");
    let api_key = ("x-api-key", "gm_b");
    let encoded = format!("genesis.v1, bearer.{}", URL_SAFE_NO_PAD.encode("gm_c"));
    let protocol = ("sec-websocket-protocol", encoded.as_str());
    let openai = ("sec-websocket-protocol", "realtime,openai-insecure-api-key.gm_d");
    for (uri, headers, expected) in [
        ("/x", vec![], None),
        ("/x", vec![bearer], key("gm_a")),
        ("/x", vec![api_key], key("gm_b")),
        ("/x", vec![("authorization", "Basic abc"), api_key], key("gm_b")),
        ("/x?token=ek_e", vec![api_key, bearer, protocol], key("gm_a")),
        ("/x", vec![protocol], key("gm_c")),
        ("/x", vec![openai], key("gm_d")),
        ("/x", vec![("sec-websocket-protocol", "realtime"), openai], key("gm_d")),
        ("/x", vec![("sec-websocket-protocol", "bearer.!!!")], key("")),
        ("/x", vec![("sec-websocket-protocol", "realtime, openai-insecure-api-key.ek_f")], ticket("ek_f")),
        ("/x", vec![("authorization", "Bearer ek_g")], ticket("ek_g")),
        ("/x?token=ek_h", vec![], ticket("ek_h")),
        ("/x?a=1&token=ek_h&b", vec![], ticket("ek_h")),
        ("/x?token=gm_i", vec![], Some(Credential::Misplaced)),
        ("/x?api_key=gm_i", vec![], Some(Credential::Misplaced)),
        ("/x?Token", vec![], Some(Credential::Misplaced)),
        ("/x?tokens=1", vec![], None),
    ] {
        assert!(taken(uri, &headers).0 == expected, "{uri} {headers:?}");
    }
}

#[test]
fn nothing_of_a_secret_stays_in_the_request() {
    let encoded = format!("genesis.v1, bearer.{}, realtime", URL_SAFE_NO_PAD.encode("gm_secret"));
    let (_, request) = taken(
        "/x?a=1&token=ek_secret&Api_Key=gm_secret&token=ek_secret&b",
        &[
            ("authorization", "Bearer gm_secret"),
            ("x-api-key", "gm_secret"),
            ("sec-websocket-protocol", &encoded),
            ("sec-websocket-protocol", "openai-insecure-api-key.gm_secret"),
        ],
    );
    let protocols: Vec<_> = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
    assert_eq!(protocols, ["genesis.v1", "realtime"]);
    assert_eq!(request.uri(), "/x?a=1&b");
    let shown = format!("{request:?} {:?}", request.extensions().get::<Credential>());
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(taken("/x?token=ek_a", &[]).1.uri(), "/x");
    assert_eq!(taken("http://host/x?token=ek_a&b=2", &[]).1.uri(), "http://host/x?b=2");
}
