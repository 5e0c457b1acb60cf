//! Hostile inputs, in one table against one server: each gets its documented error, and the same socket then
//! still answers.

use crate::desk::Desk;
use crate::frames::{frame, send_raw};
use serde_json::{Value, json};

/// What is sent, the code of the error that must come, and its `param`.
type Case = (String, &'static str, Option<&'static str>);

fn syntax() -> Vec<Case> {
    let broken = [
        "",
        " ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "{\"",
        "{\"prompt\"",
        "{\"prompt\":",
        "{\"prompt\":\"x\"",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "-",
        "1e999",
        "-1e999",
        "0x10",
        "01",
        "{'prompt':'x'}",
        "{prompt:\"x\"}",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1}{\"b\":2}",
        "// {}",
        "{\"prompt\":\"\\x\"}",
        "{\"prompt\":\"\\ud800\"}",
        "{\"prompt\":\"\u{1}\"}",
        "\u{FEFF}{}",
        "{\"max_tokens\":1e999,\"prompt\":\"x\"}",
        "{\"prompt\":\"a\nb\"}",
        "<xml/>",
        "GET / HTTP/1.1",
    ];
    let mut cases: Vec<Case> = broken.iter().map(|text| ((*text).to_owned(), "invalid_json", None)).collect();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        cases.push((open.repeat(100_000), "invalid_json", None));
        cases.push((format!("{}1{}", open.repeat(200), close.repeat(200)), "invalid_json", None));
    }
    for scalar in ["null", "true", "0", "-1.5e3", "\"prompt\"", "[]", "[{\"prompt\":\"x\"}]"] {
        cases.push((scalar.to_owned(), "invalid_input", None));
    }
    cases
}

fn fields() -> Vec<Case> {
    let wrong: [(&'static str, Vec<Value>); 14] = [
        ("prompt", vec![json!(null), json!(1), json!([]), json!({})]),
        (
            "max_tokens",
            vec![json!(0), json!(-1), json!(1.5), json!("5"), json!(1e300), json!(u64::MAX), json!([])],
        ),
        ("temperature", vec![json!(-0.1), json!(2.1), json!("NaN"), json!(1e308), json!(true), json!({})]),
        ("top_k", vec![json!(-1), json!(0.5), json!("all"), json!(4_294_967_296_u64)]),
        ("top_p", vec![json!(0), json!(-1), json!(1.01), json!("1")]),
        ("min_p", vec![json!(-0.5), json!(1.5), json!([0.5])]),
        ("seed", vec![json!(-1), json!(0.5), json!("x"), json!(1e30)]),
        ("stop", vec![json!(""), json!(7), json!({}), json!("x".repeat(257)), json!(vec!["x"; 17])]),
        ("repetition_penalty", vec![json!(0), json!(-2), json!(2.5), json!("1")]),
        ("logprobs", vec![json!(1), json!("true")]),
        ("top_logprobs", vec![json!(-1), json!(21), json!(1.5), json!(5)]),
        ("response_format", vec![json!("json"), json!([]), json!(3)]),
        ("unknown", vec![json!(null)]),
        ("Prompt", vec![json!("x")]),
    ];
    let case = |(field, value): (&'static str, Value)| {
        let mut input = json!({"prompt": "echo x"});
        input[field] = value;
        (input.to_string(), "invalid_input", Some(field))
    };
    let flat =
        wrong.into_iter().flat_map(|(field, values)| values.into_iter().map(move |value| (field, value)));
    flat.map(case).collect()
}

fn shapes() -> Vec<Case> {
    let form = |format: Value| json!({"prompt": "x", "response_format": format});
    let inputs: Vec<(Value, Option<&'static str>)> = vec![
        (json!({}), None),
        (json!({"prompt": "a", "messages": [{"role": "user"}]}), None),
        (json!({"prompt": "a", "raw_prompt": "b"}), None),
        (json!({"messages": []}), Some("messages")),
        (json!({"messages": {}}), Some("messages")),
        (json!({"messages": ["hi"]}), Some("messages[0]")),
        (json!({"messages": [{}]}), Some("messages[0].role")),
        (json!({"messages": [{"role": "robot"}]}), Some("messages[0].role")),
        (json!({"messages": [{"role": 1}]}), Some("messages[0].role")),
        (json!({"messages": [{"role": "user", "content": null}]}), Some("messages[0].content")),
        (json!({"messages": [{"role": "user", "content": ["x"]}]}), Some("messages[0].content")),
        (json!({"messages": [{"role": "user"}, {"role": "user", "x": 1}]}), Some("messages[1].x")),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}),
            Some("messages[0].tool_calls[0].name"),
        ),
        (json!({"prompt": "a", "stop": ["x", ""]}), Some("stop[1]")),
        (json!({"prompt": "a", "stop": ["x", 3]}), Some("stop[1]")),
        (json!({"prompt": "a", "\u{0}": 1}), Some("[\"\\u0000\"]")),
        (json!({"prompt": "a", "": 1}), Some("[\"\"]")),
        (json!({"prompt": "a", "__proto__": {}}), Some("__proto__")),
        (
            json!({"prompt": "a", "x".repeat(900_000): 1}),
            Some(r#"["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"]"#),
        ),
        (json!({"messages": vec![json!({"role": "usr"}); 60_000]}), Some("messages")),
        (
            json!({"messages": [{"role": "usr", "tool_calls": vec![0; 60_000]}]}),
            Some("messages[0].tool_calls"),
        ),
        (json!({"type": "cancle"}), Some("type")),
        (json!({"type": "cancel", "prompt": "x"}), Some("type")),
        (form(json!({})), Some("response_format.type")),
        (form(json!({"type": "xml"})), Some("response_format.type")),
        (form(json!({"type": null})), Some("response_format.type")),
        (form(json!({"type": "json_schema"})), Some("response_format.json_schema")),
        (form(json!({"type": "json_schema", "json_schema": {}})), Some("response_format.json_schema.schema")),
        (
            form(json!({"type": "json_schema", "json_schema": {"schema": []}})),
            Some("response_format.json_schema.schema"),
        ),
        (form(json!({"type": "regex"})), Some("response_format.regex")),
        (form(json!({"type": "regex", "regex": 1})), Some("response_format.regex")),
        (form(json!({"type": "grammar", "lark": null})), Some("response_format.lark")),
        (form(json!({"type": "text", "extra": 1})), Some("response_format.extra")),
    ];
    inputs.into_iter().map(|(input, param)| (input.to_string(), "invalid_input", param)).collect()
}

#[tokio::test]
async fn every_hostile_input_gets_its_error_and_the_socket_still_answers() {
    let desk = Desk::open().await;
    let cases: Vec<Case> = [syntax(), fields(), shapes()].concat();
    assert!(cases.len() >= 100, "{}", cases.len());
    let mut client = desk.client("puppet").await;
    for (text, code, param) in &cases {
        client.text(text.clone()).await;
        let message = client.next().await;
        let shown: String = text.chars().take(100).collect();
        assert_eq!(message["error"]["code"].as_str(), Some(*code), "{shown}\n{message}");
        assert!(
            message["error"]["message"].as_str().is_some_and(|text| text.len() < 2000),
            "{shown}\n{message}"
        );
        // Several mistakes in one input: the first is named, and every one that is expected here is the first.
        if param.is_some() || *code == "invalid_json" {
            assert_eq!(message["error"]["param"].as_str(), *param, "{shown}\n{message}");
        }
        let (answer, end) = client.ask("echo still here").await;
        assert_eq!((answer.as_str(), end["finish_reason"].as_str()), ("still here", Some("stop")), "{shown}");
    }
    for binary in [&b""[..], b"{}", b"\x00\xFF", b"{\"prompt\":\"echo x\"}"] {
        send_raw(&mut client, &frame(0x82, binary)).await;
        assert_eq!(client.error().await, "binary_message");
    }
    assert_eq!(client.ask("echo after all").await.0, "after all");
    desk.puppet.live(0).await;
    drop(client);
    desk.stopped().await;
}

#[tokio::test]
async fn a_pipelines_input_is_held_to_its_variables() {
    let desk = Desk::open().await;
    let mut client = desk.client("lines").await;
    for (input, param) in
        [(json!({}), "topic"), (json!({"topic": "x", "tpoic": 1}), "tpoic"), (json!({"prompt": 1}), "topic")]
    {
        client.send(input).await;
        let message = client.next().await;
        assert_eq!(message["error"]["code"], "invalid_input", "{message}");
        assert!(message["error"]["message"].as_str().unwrap().contains(param), "{message}");
    }
    client.send(json!({"topic": "{{ 1 }} <|im_end|>"})).await;
    assert_eq!(client.answer().await.0, "{{ 1 }} <|im_end|>", "inputs are no templates");
}
