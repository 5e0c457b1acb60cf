//! Scripts that load, and scripts that don't.

use super::*;
use genesis_mesh_core::{GenerateRequest, Message, Prompt, Role, ToolCall, ToolChoice, ToolSpec};

const PAGE: &str = include_str!("../../../../docs/scripted-model.md");

/// The page's code blocks: what stands after the opening fence, and the text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts: Vec<&str> = PAGE.split("```").collect();
    parts.chunks_exact(2).filter_map(|pair| pair[1].split_once('\n')).collect()
}

fn ask(role: Role, text: &str) -> GenerateRequest {
    GenerateRequest { prompt: Prompt::Messages(vec![Message::new(role, text)]), ..Default::default() }
}

fn tool(name: &str) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: String::new(), parameters: serde_json::json!({}) }
}

/// Whether a rule with this condition matches the request.
fn matches(when: &str, request: &GenerateRequest) -> bool {
    let script = Script::parse(&format!("[[rule]]\nwhen = {{ {when} }}\ntext = \"yes\"")).expect("a script");
    script.answer(&Asked::new(request)).is_some()
}

fn answer(rule: &str) -> Arc<Answer> {
    let script = Script::parse(&format!("[[rule]]\n{rule}")).expect("a script");
    Arc::clone(script.answer(&Asked::new(&GenerateRequest::default())).expect("a match"))
}

fn fault(rule: &str) -> RuleFault {
    match Script::parse(&format!("# A comment.\n[[rule]]\n{rule}")) {
        Err(ScriptError::Rule { line: 2, fault }) => fault,
        other => panic!("{rule} gave {other:?}"),
    }
}

#[test]
fn each_example_of_the_page_loads_and_each_mistake_gives_its_error() {
    let blocks = blocks();
    let count = |kind: &str| blocks.iter().filter(|(found, _)| *found == kind).count();
    assert_eq!((count("toml"), count("toml wrong"), count("text")), (4, 2, 2));
    for (place, (kind, text)) in blocks.iter().enumerate() {
        match (*kind, Script::parse(text)) {
            ("toml", result) => assert!(result.is_ok(), "{result:?} of\n{text}"),
            ("toml wrong", Err(error)) => assert_eq!(error.to_string(), blocks[place + 1].1.trim_end()),
            ("toml wrong", Ok(_)) => panic!("this loads:\n{text}"),
            _ => {}
        }
    }
}

#[test]
fn the_page_names_each_key() {
    for key in keys::all() {
        let forms = [format!("`{key}`"), format!("[[{key}]]"), format!("\n{key} = ")];
        assert!(forms.iter().any(|form| PAGE.contains(form)), "{key}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    for (text, line, key, nearest) in [
        ("\nnmae = 'x'", 2, "nmae", "name"),
        ("[[rules]]\ntext = 'x'", 1, "rules", "rule"),
        ("[[rule]]\ntext = 'x'\n[[rule]]\ntext = 'y'\ndelay = 1", 5, "delay", "delay_ms"),
        ("[[rule]]\ntext = 'x'\nwhen = { contians = 'x' }", 3, "contians", "contains"),
        ("[[rule]]\ntext = 'x'\n[rule.when]\nrole = 'user'\nhas_tool = true", 5, "has_tool", "has_tools"),
        (
            "[[rule]]\ntool_calls = [\n{ name = 'x' },\n{ name = 'y', argument = {} }]",
            4,
            "argument",
            "arguments",
        ),
        ("[[rule]]\nerror = { code = 'model_busy', queue = 1 }", 2, "queue", "queued"),
        ("[[rule]]\ntext = 'x'\nusage = { input = 1 }", 3, "input", "input_tokens"),
    ] {
        match Script::parse(text) {
            Err(ScriptError::UnknownKey { line: found, key: wrong, nearest: near }) => {
                assert_eq!((found, wrong.as_str(), near), (line, key, nearest), "{text}");
            }
            other => panic!("{text} gave {other:?}"),
        }
    }
}

#[test]
fn a_wrong_type_or_broken_toml_is_named_with_its_line() {
    for (text, line) in [
        ("[[rule]]\ntext = 'x'\n\ndelay_ms = 'soon'", 4),
        ("[[rule]]\ntext = 'x'\ndelay_ms = -1", 3),
        ("[[rule]]\ntext = 'x'\nwhen = { role = 'boss' }", 3),
        ("[[rule]]\nerror = { code = 'no_such_code' }", 2),
        ("[[rule]]\nerror = { code = 'model_failed' }", 2),
        ("[[rule]]\nerror = { code = 'model_truncated', message = 'x' }", 2),
        ("[[rule]]\ntool_calls = [{ arguments = {} }]", 2),
        ("[[rule]]\ntext = \"open", 2),
        ("rule = 3", 1),
        ("[rule]\ntext = 'x'", 1),
    ] {
        match Script::parse(text) {
            Err(ScriptError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text}"),
            other => panic!("{text} gave {other:?}"),
        }
    }
}

#[test]
fn an_expression_that_does_not_compile_is_named_with_its_line() {
    for key in ["matches", "conversation_matches"] {
        let text = format!("[[rule]]\ntext = 'x'\n[[rule]]\ntext = 'y'\nwhen.{key} = '(open'");
        let error = Script::parse(&text).expect_err("not an expression");
        assert!(matches!(error, ScriptError::Pattern { line: 5, .. }), "{error:?}");
        assert_eq!(error.code(), "script_pattern");
    }
}

#[test]
fn a_rule_that_contradicts_itself_is_refused() {
    for (rule, expected) in [
        ("delay_ms = 1", RuleFault::NoAnswer),
        ("text = 'x'\npieces = ['x']", RuleFault::TextAndPieces),
        ("pieces = ['x', '']", RuleFault::EmptyPiece),
        ("piece_chars = 3\npieces = ['x']", RuleFault::NothingToSplit),
        ("text = 'x'\npiece_chars = 0", RuleFault::PieceCharsZero),
        ("repeat = 3\ncut_after = 0", RuleFault::NothingToRepeat),
        ("text = 'x'\nrepeat = 0", RuleFault::RepeatZero),
        ("tool_calls = [{ name = 'x', arguments = {}, pieces = ['{}'] }]", RuleFault::ArgumentsAndPieces),
        ("tool_calls = [{ name = 'x', pieces = [''] }]", RuleFault::EmptyPiece),
        ("cut_after = 0\nerror = { code = 'model_busy' }", RuleFault::ErrorAndCut),
        ("text = 'x'\nrepeat = 3\ncut_after = 4", RuleFault::CutBeyondEnd { cut_after: 4, pieces: 3 }),
        ("text = 'a b'\nrepeat = 500_001", RuleFault::TooLong { pieces: 1_000_002, pieces_max: PIECES_MAX }),
        (
            "text = 'x'\ndelay_ms = 3_600_001",
            RuleFault::DelayTooLong { delay_ms: 3_600_001, delay_ms_max: DELAY_MS_MAX },
        ),
    ] {
        assert_eq!(fault(rule), expected, "{rule}");
    }
}

#[test]
fn a_script_without_a_rule_is_refused() {
    assert!(matches!(Script::parse("name = 'x'"), Err(ScriptError::NoRule)));
    assert!(matches!(Script::parse("rule = []"), Err(ScriptError::NoRule)));
}

#[test]
fn text_is_split_into_words_with_the_space_before_them() {
    for (text, pieces) in [
        ("The capital  is Paris.", vec!["The", " capital", "  is", " Paris."]),
        ("  two\nlines ", vec!["  two", "\nlines", " "]),
        ("äö ü", vec!["äö", " ü"]),
        ("   ", vec!["   "]),
        ("", vec![]),
    ] {
        assert_eq!(split_words(text), pieces);
    }
    assert_eq!(answer("text = 'äöüß'\npiece_chars = 3").pieces, ["äöü", "ß"]);
}

#[test]
fn arguments_are_a_table_as_json_or_a_text_as_it_stands() {
    let answer = answer(
        "tool_calls = [{ name = 'a', arguments = { x = [1, 2.5, true], y = { z = 'é' } } }, \
         { name = 'b', arguments = '{broken' }, { name = 'c' }]",
    );
    let arguments: Vec<&str> = answer.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, [r#"{"x":[1,2.5,true],"y":{"z":"é"}}"#, "{broken", "{}"]);
}

#[test]
fn conditions_on_text_look_at_the_last_message_or_at_all() {
    let request = GenerateRequest {
        prompt: Prompt::Messages(vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "What is the Weather?"),
        ]),
        ..Default::default()
    };
    assert!(matches("contains = 'the Weather'", &request));
    assert!(!matches("contains = 'weather'", &request), "letters have a case");
    assert!(!matches("contains = 'brief'", &request));
    assert!(matches("matches = '(?i)^what .* weather[?]$'", &request));
    assert!(!matches("matches = '^the'", &request));
    assert!(matches("conversation_contains = 'brief'", &request));
    assert!(matches("conversation_matches = '(?s)brief.*Weather'", &request));
    assert!(!matches("conversation_matches = 'Weather.*brief'", &request));
    assert!(!matches("contains = 'Weather', conversation_contains = 'long'", &request), "all must hold");
}

#[test]
fn conditions_on_role_and_tools_look_at_the_request() {
    let mut request = ask(Role::Tool, "42");
    assert!(matches("role = 'tool'", &request) && !matches("role = 'user'", &request));
    assert!(matches("has_tools = false", &request) && !matches("has_tools = true", &request));
    request.tools = vec![tool("search"), tool("add")];
    assert!(matches("has_tools = true", &request) && !matches("has_tools = false", &request));
    assert!(matches("tool = 'add'", &request) && !matches("tool = 'ad'", &request));
    request.tool_choice = ToolChoice::None;
    assert!(matches("has_tools = false", &request) && !matches("tool = 'add'", &request));
    let raw = GenerateRequest { prompt: Prompt::Text("raw".to_owned()), ..Default::default() };
    assert!(matches("role = 'user', contains = 'raw', conversation_contains = 'raw'", &raw));
    let empty = GenerateRequest::default();
    assert!(matches("contains = ''", &empty) && !matches("role = 'user'", &empty));
}

#[test]
fn the_first_rule_that_matches_answers() {
    let script = Script::parse(
        "[[rule]]\nwhen = { contains = 'b' }\ntext = '1'\n[[rule]]\nwhen = { contains = 'a' }\ntext = '2'\n\
         [[rule]]\ntext = '3'",
    )
    .expect("a script");
    let said = |text: &str| {
        let request = ask(Role::User, text);
        script.answer(&Asked::new(&request)).map(|answer| answer.pieces.concat())
    };
    assert_eq!((said("ab"), said("a"), said("")), (Some("1".into()), Some("2".into()), Some("3".into())));
}

#[test]
fn a_request_counts_its_words_and_its_tool_calls() {
    let mut called = Message::new(Role::Assistant, "");
    called.tool_calls =
        vec![ToolCall { id: "1".into(), name: "a".into(), arguments: "{\"x\": 1}".into() }; 3];
    let request = GenerateRequest {
        prompt: Prompt::Messages(vec![Message::new(Role::User, " one  two\nthree "), called]),
        ..Default::default()
    };
    let asked = Asked::new(&request);
    assert_eq!((asked.word_count(), asked.call_count()), (3, 3));
}
