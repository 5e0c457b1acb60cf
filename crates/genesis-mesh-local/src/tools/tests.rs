//! What a request's tools may be, how a model is told of them, and that no walk under the rules makes a wrong call.

use super::form::Family;
use super::reader::tests::form;
use super::*;
use crate::gguf::{Array, Metadata};
use crate::grammar::{GrammarState, Marker};
use crate::tokenizer::tests::byte_level;
use genesis_mesh_core::{Prompt, ToolCall};
use std::sync::Arc;

const SMOLLM2: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}";

fn tool(name: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: format!("Does {name}."), parameters }
}

fn tools() -> Vec<ToolSpec> {
    let city = json!({
        "type": "object",
        "properties": { "city": { "type": "string", "maxLength": 12 }, "days": { "type": "integer" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    let unit = json!({
        "$defs": { "unit": { "enum": ["c", "f"] } },
        "properties": { "unit": { "$ref": "#/$defs/unit" }, "share": { "type": "number" } },
        "required": ["unit", "share"],
        "additionalProperties": false,
    });
    let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    vec![tool("get_weather", city), tool("set-unit", unit), tool("get", nothing)]
}

fn request(tool_choice: ToolChoice) -> GenerateRequest {
    GenerateRequest { tools: tools(), tool_choice, ..GenerateRequest::default() }
}

fn side(form: CallForm) -> ToolSide {
    ToolSide { form, has_system: true }
}

fn template(source: &str) -> (ChatTemplate, Tokenizer) {
    let tokenizer = tokenizer(None);
    let entry = ("tokenizer.chat_template".to_owned(), crate::gguf::Value::String(source.to_owned()));
    (ChatTemplate::new(&Metadata::new(vec![entry]).expect("one key"), &tokenizer).expect("reads"), tokenizer)
}

/// The small byte-level vocabulary, with a control token if one is given, as token 271.
fn tokenizer(control: Option<&str>) -> Tokenizer {
    let mut entries = byte_level();
    for (key, value) in &mut entries {
        match (key.as_str(), value, control) {
            ("tokenizer.ggml.tokens", crate::gguf::Value::Array(Array::String(tokens)), Some(text)) => {
                tokens.push(text.to_owned());
            }
            ("tokenizer.ggml.token_type", crate::gguf::Value::Array(Array::I32(types)), Some(_)) => {
                types.push(3);
            }
            _ => {}
        }
    }
    Tokenizer::from_metadata(&Metadata::new(entries).expect("unique keys")).expect("a vocabulary")
}

fn refused(request: &GenerateRequest, expected: &str) {
    let Err(ModelError::InvalidRequest { param, message }) = side(form(Family::Hermes, None)).plan(request)
    else {
        panic!("{expected} is not refused")
    };
    assert_eq!(param.as_deref(), Some(expected), "{message}");
}

#[test]
fn a_mistake_in_the_tools_names_the_tool_and_the_field() {
    let with = |spec: ToolSpec| GenerateRequest {
        tools: [tools(), vec![spec]].concat(),
        ..request(ToolChoice::Auto)
    };
    refused(&with(tool("get", json!({}))), "tools[3].function.name");
    refused(&with(tool("a b", json!({}))), "tools[3].function.name");
    refused(&with(tool(&"x".repeat(65), json!({}))), "tools[3].function.name");
    refused(&with(tool("x", json!({"type": "string"}))), "tools[3].function.parameters");
    refused(&with(tool("x", json!([]))), "tools[3].function.parameters");
    let deep = (0..200).fold(json!({}), |inner, _| json!({ "not": inner }));
    refused(&with(tool("x", deep)), "tools[3].function.parameters");
    let many = (0..129).map(|i| tool(&format!("t{i}"), json!({}))).collect();
    refused(&GenerateRequest { tools: many, ..GenerateRequest::default() }, "tools");
    refused(&request(ToolChoice::Named("get_wether".to_owned())), "tool_choice");
    refused(
        &GenerateRequest { tool_choice: ToolChoice::Required, ..GenerateRequest::default() },
        "tool_choice",
    );
    let regex = Some(Grammar::Regex("a+".to_owned()));
    refused(&GenerateRequest { grammar: regex, ..request(ToolChoice::Auto) }, "response_format");
}

#[test]
fn a_schema_that_the_grammar_cannot_hold_names_its_tool_too() {
    let tokenizer = Arc::new(tokenizer(None));
    let factory = GrammarFactory::new(Arc::clone(&tokenizer));
    let fault = |request: &GenerateRequest| {
        let side = side(form(Family::Hermes, None));
        let plan = side.plan(request).expect("plausible").expect("a plan");
        let error = factory.compile_calls(&plan.grammar).expect_err("refused");
        match plan.fault(&error, &factory) {
            ModelError::InvalidRequest { param, .. } => param.expect("a field"),
            other => panic!("{other}"),
        }
    };
    let bad = json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "("}}});
    let tools = [tools(), vec![tool("bad", bad)]].concat();
    assert_eq!(
        fault(&GenerateRequest { tools, ..request(ToolChoice::Auto) }),
        "tools[3].function.parameters"
    );
    let long = json!({"type": "object", "description": "x".repeat(40_000)});
    let tools = vec![tool("a", long.clone()), tool("b", long)];
    assert_eq!(fault(&GenerateRequest { tools, ..request(ToolChoice::Auto) }), "tools");
    let grammar = Some(Grammar::JsonSchema(json!({"type": "string", "pattern": "("})));
    assert_eq!(fault(&GenerateRequest { grammar, ..request(ToolChoice::Auto) }), "response_format");
}

fn allowed(state: &mut GrammarState) -> Vec<u32> {
    let words = state.mask().expect("has a mask").to_vec();
    (0..words.len() as u32 * 32).filter(|id| words[*id as usize / 32] >> (id % 32) & 1 == 1).collect()
}

/// An answer that begins with `start` and goes on at random, and what the reader makes of it.
fn walk(
    plan: &CallPlan<'_>,
    factory: &GrammarFactory,
    tokenizer: &Tokenizer,
    start: &[u32],
    seed: u64,
) -> (String, String, Vec<ToolCall>) {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below
    };
    let mut state = factory.compile_calls(&plan.grammar).expect("compiles");
    let mut reader = plan.reading.reader(CallIds::new(seed, start));
    let (mut bytes, mut text, mut calls) = (Vec::new(), String::new(), Vec::new());
    let mut detokenizer = crate::detokenize::Detokenizer::default();
    for index in 0..5_000 {
        let token = match start.get(index) {
            Some(token) => *token,
            None if state.is_finished() => break,
            None => {
                let mut choice = allowed(&mut state);
                let closes = |id: &u32| {
                    tokenizer.is_end(*id) || matches!(tokenizer.token_bytes(*id), b"\"" | b"}" | b"]")
                };
                if next(10) < 5 && choice.iter().any(closes) {
                    choice.retain(closes);
                }
                choice[next(choice.len())]
            }
        };
        state.commit(token).expect("the mask allowed it");
        if tokenizer.is_end(token) {
            break;
        }
        bytes.extend_from_slice(tokenizer.token_bytes(token));
        for piece in reader.push(token, &detokenizer.push(tokenizer.token_bytes(token))) {
            match piece {
                Piece::Text(part) => text.push_str(&part),
                Piece::Delta(_) => {}
                Piece::Call(call) => calls.push(call),
            }
        }
        assert!(index < 4_999, "no end: {}", String::from_utf8_lossy(&bytes));
    }
    text.push_str(&reader.finish());
    (String::from_utf8_lossy(&bytes).into_owned(), text, calls)
}

fn assert_valid(call: &ToolCall, answer: &str) {
    let tools = tools();
    let spec = tools.iter().find(|tool| tool.name == call.name).unwrap_or_else(|| panic!("{answer}"));
    let value: Value =
        serde_json::from_str(&call.arguments).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(value.is_object() && jsonschema::is_valid(&spec.parameters, &value), "{answer}");
}

#[test]
fn every_walk_of_every_family_is_valid_calls_and_clean_text() {
    for (family, control) in [
        (Family::Hermes, None),
        (Family::Hermes, Some("<tool_call>")),
        (Family::Mistral, None),
        (Family::Mistral, Some("[TOOL_CALLS]")),
        (Family::Llama, None),
    ] {
        let tokenizer = Arc::new(tokenizer(control));
        let token = control.map(|text| tokenizer.control(text).expect("is there"));
        let side = side(form(family, token));
        let factory = GrammarFactory::new(Arc::clone(&tokenizer));
        let encode = |text: &str| tokenizer.encode_continuation(text).expect("encodes");
        let mut said =
            encode(if family == Family::Llama { "" } else { "I \"look\" 1234567890123456789012345. " });
        match side.form.opening.marker {
            Marker::Token(token) => said.push(token),
            Marker::Text(text) => said.extend(encode(text)),
        }
        let mut several = 0;
        for seed in 1..=30 {
            for (choice, start) in [(ToolChoice::Auto, said.as_slice()), (ToolChoice::Required, &[])] {
                for is_single_tool_call in [true, false] {
                    let request = GenerateRequest { is_single_tool_call, ..request(choice.clone()) };
                    let plan = side.plan(&request).expect("valid").expect("a plan");
                    let (answer, text, calls) = walk(&plan, &factory, &tokenizer, start, seed);
                    let expected = if start.is_empty() || family == Family::Llama {
                        ""
                    } else {
                        "I \"look\" 1234567890123456789012345."
                    };
                    assert_eq!(text, expected, "{answer}");
                    assert!(!calls.is_empty() && (!is_single_tool_call || calls.len() == 1), "{answer}");
                    several += usize::from(calls.len() > 1);
                    calls.iter().for_each(|call| assert_valid(call, &answer));
                }
            }
            let request = request(ToolChoice::Named("set-unit".to_owned()));
            let plan = side.plan(&request).expect("valid").expect("a plan");
            let (answer, _, calls) = walk(&plan, &factory, &tokenizer, &[], seed);
            assert!(matches!(calls.as_slice(), [call] if call.name == "set-unit"), "{answer}");
        }
        assert!(several > 0 || family == Family::Llama, "{family:?}: never more than one call");
    }
}

#[test]
fn free_text_beside_tools_is_free_until_a_marker() {
    let tokenizer = Arc::new(tokenizer(None));
    let factory = GrammarFactory::new(Arc::clone(&tokenizer));
    let side = side(form(Family::Hermes, None));
    let request = request(ToolChoice::Auto);
    let plan = side.plan(&request).expect("valid").expect("a plan");
    let mut state = factory.compile_calls(&plan.grammar).expect("compiles");
    let said =
        tokenizer.encode_continuation("a {\"name\": 12345678901234567890123 <tool_cal").expect("encodes");
    for token in said {
        // The 179 bytes that begin a character, the joined texts, the user's token, the end.
        assert!(allowed(&mut state).len() > 180);
        state.commit(token).expect("free");
        assert!(!state.is_finished());
    }
    assert!(allowed(&mut state).iter().any(|token| tokenizer.is_end(*token)));
    for token in tokenizer.encode_continuation("l>\n{\"name\": \"").expect("encodes") {
        state.commit(token).expect("the only way on");
    }
    let first = |id: &u32| tokenizer.token_bytes(*id).first().copied();
    let begins: HashSet<_> = allowed(&mut state).iter().filter_map(first).collect();
    assert_eq!(begins, HashSet::from([b'g', b's']), "only names of tools");
}

#[test]
fn beside_a_response_format_an_answer_has_it_or_is_calls() {
    let tokenizer = Arc::new(tokenizer(None));
    let factory = GrammarFactory::new(Arc::clone(&tokenizer));
    let side = side(form(Family::Hermes, None));
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false});
    let request = GenerateRequest { grammar: Some(Grammar::JsonSchema(schema)), ..request(ToolChoice::Auto) };
    let plan = side.plan(&request).expect("valid").expect("a plan");
    for (start, is_call) in [("{", false), ("<", true)] {
        let start = tokenizer.encode_continuation(start).expect("encodes");
        let (answer, text, calls) = walk(&plan, &factory, &tokenizer, &start, 3);
        if is_call {
            assert!(text.is_empty() && !calls.is_empty(), "{answer}");
        } else {
            assert!(
                calls.is_empty()
                    && matches!(text.replace(' ', "").as_str(), "{\"ok\":true}" | "{\"ok\":false}"),
                "{answer}"
            );
        }
    }
    // A marker in the answer's own JSON begins no call.
    let schema = json!({"type": "object", "properties": {"tag": {"const": "<tool_call>{\"name\": \""}}, "required": ["tag"], "additionalProperties": false});
    let marked = GenerateRequest { grammar: Some(Grammar::JsonSchema(schema.clone())), ..request.clone() };
    let plan = side.plan(&marked).expect("valid").expect("a plan");
    let start = tokenizer.encode_continuation("{").expect("encodes");
    let (answer, text, calls) = walk(&plan, &factory, &tokenizer, &start, 3);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(calls.is_empty() && jsonschema::is_valid(&schema, &value), "{answer}");
    let llama = ToolSide { form: form(Family::Llama, None), has_system: true };
    assert!(llama.plan(&request).is_err(), "two kinds of JSON can't be told apart");
}

#[test]
fn the_form_is_that_of_the_template_or_hermes() {
    let detect = |source: &str| {
        let (template, tokenizer) = template(source);
        let form = CallForm::detect(&template, &tokenizer);
        (form.family, form.is_in_template)
    };
    assert_eq!(detect(SMOLLM2), (Family::Hermes, false));
    assert_eq!(detect("{% if tools %}<tool_call>{% endif %}"), (Family::Hermes, true));
    assert_eq!(detect("{% if tools %}[AVAILABLE_TOOLS]{% endif %}[TOOL_CALLS]"), (Family::Mistral, true));
    assert_eq!(detect("{% if tools %}[TOOL_CALLS]name[ARGS]{% endif %}"), (Family::Hermes, false));
    let llama =
        "{% if tools %}{\"name\": function name, \"parameters\": x}{% endif %}<|start_header_id|>ipython";
    assert_eq!(detect(llama), (Family::Llama, true));
}

fn conversation() -> Vec<Message> {
    let mut call = Message::new(Role::Assistant, "Let me see.");
    let arguments = "{\"city\":\"Paris\"}".to_owned();
    call.tool_calls = vec![ToolCall { id: "call_1".to_owned(), name: "get_weather".to_owned(), arguments }];
    let mut result = Message::new(Role::Tool, "sunny");
    result.tool_call_id = Some("call_1".to_owned());
    vec![Message::new(Role::User, "Weather?"), call, result.clone(), result]
}

#[test]
fn a_template_without_tools_gets_them_in_its_messages() {
    let (template, tokenizer) = template(SMOLLM2);
    let side = ToolSide::new(&template, &tokenizer);
    let render = |messages: &[Message], tools: &[ToolSpec]| {
        let (messages, tools) = side.conversation(messages, tools);
        template.render(&messages, tools).expect("renders")
    };
    let prompt = render(&conversation(), &tools()[2..]);
    assert_eq!(
        prompt,
        "<|im_start|>system\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
        You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n\
        {\"type\": \"function\", \"function\": {\"name\": \"get\", \"description\": \"Does get.\", \"parameters\": \
        {\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false}}}\n</tools>\n\n\
        For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n\
        <tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n\
        <|im_start|>user\nWeather?<|im_end|>\n\
        <|im_start|>assistant\nLet me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call><|im_end|>\n\
        <|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\nsunny\n</tool_response><|im_end|>\n"
    );
    let with_system = [vec![Message::new(Role::System, "Be brief.")], conversation()].concat();
    assert!(render(&with_system, &tools()).starts_with("<|im_start|>system\nBe brief.\n\n# Tools\n"));
    // Without tools the calls of the past are still shown, and nothing else is added.
    let past = render(&conversation(), &[]);
    assert!(past.starts_with("<|im_start|>user\nWeather?") && past.contains("<tool_call>"), "{past}");
    assert_eq!(render(&[Message::new(Role::User, "x")], &[]), "<|im_start|>user\nx<|im_end|>\n");
}

#[test]
fn a_template_without_system_messages_gets_tools_with_the_users_words() {
    let source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.role }}: {{ m.content }};{% endfor %}";
    let (template, tokenizer) = template(source);
    let side = ToolSide::new(&template, &tokenizer);
    let (conversation, tools) = (conversation(), tools());
    let (messages, _) = side.conversation(&conversation, &tools);
    let prompt = template.render(&messages, &[]).expect("renders");
    assert!(prompt.starts_with("user: # Tools") && prompt.contains("\n\nWeather?;assistant: "), "{prompt}");
}

#[test]
fn a_template_with_tools_gets_them_as_they_are_and_mistral_gets_short_ids() {
    let source = "{% if tools %}{{ tools | tojson }}{% endif %}[TOOL_CALLS]{% for m in messages %}{{ m.tool_call_id }},{% for c in m.tool_calls %}{{ c.id }}{% endfor %};{% endfor %}";
    let (template, tokenizer) = template(source);
    let side = ToolSide::new(&template, &tokenizer);
    let (conversation, tools) = (conversation(), tools());
    let (messages, shown) = side.conversation(&conversation, &tools);
    assert_eq!(shown.len(), 3);
    let id = &messages[1].tool_calls[0].id;
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(messages[2].tool_call_id.as_ref(), Some(id));
    assert_eq!(id::short("abcDEF123"), "abcDEF123");
}

#[test]
fn ids_repeat_with_seed_and_prompt_and_differ_otherwise() {
    let ids = |seed: u64, prompt: &[u32]| {
        let mut ids = CallIds::new(seed, prompt);
        [ids.next_id(), ids.next_id()]
    };
    assert_eq!(ids(1, &[5, 6]), ids(1, &[5, 6]));
    let all: HashSet<String> = [ids(1, &[5, 6]), ids(2, &[5, 6]), ids(1, &[5, 7]), ids(1, &[5, 6, 7])]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(all.len(), 8);
}

#[test]
fn no_choice_and_no_tools_make_no_plan() {
    let side = side(form(Family::Hermes, None));
    assert!(side.plan(&request(ToolChoice::None)).expect("valid").is_none());
    let free = GenerateRequest { prompt: Prompt::Text("x".to_owned()), ..GenerateRequest::default() };
    assert!(side.plan(&free).expect("valid").is_none());
}
