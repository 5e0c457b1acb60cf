//! What a model's input may be, what it becomes, and how mistakes read.

use super::*;
use crate::schema::Schema;
use genesis_mesh_core::Grammar;
use serde_json::json;

fn request(input: Value) -> Result<GenerateRequest, InputError> {
    let schema = Schema::compile(ModelInput::json_schema()).expect("the schema compiles");
    schema.check(&input)?;
    ModelInput::read(input)?.into_request()
}

#[track_caller]
fn refused(input: Value, expected: &str) {
    let error = request(input).expect_err("the input is wrong");
    assert!(error.to_string().starts_with(expected), "{error}\nexpected: {expected}");
}

#[test]
fn a_prompt_is_one_user_message_and_greedy_by_default() {
    let request = request(json!({"prompt": "hi"})).expect("valid");
    assert_eq!(request.prompt, Prompt::Messages(vec![Message::new(Role::User, "hi")]));
    assert_eq!(request.sampling, Sampling::default());
    assert_eq!((request.max_tokens, request.grammar, request.logprobs), (None, None, None));
}

#[test]
fn every_field_reaches_the_model() {
    let request = request(json!({
        "raw_prompt": "Once", "max_tokens": 5.0, "temperature": 1, "top_k": 4, "top_p": 0.5, "min_p": 0.25,
        "seed": 18_446_744_073_709_551_615_u64, "stop": ["a", "b"], "repetition_penalty": 1.5,
        "response_format": {"type": "regex", "regex": "a+"}, "logprobs": true, "top_logprobs": 3,
        "frequency_penalty": -0.5, "presence_penalty": 2,
    }))
    .expect("valid");
    let sampling = Sampling {
        frequency_penalty: -0.5,
        presence_penalty: 2.0,
        temperature: 1.0,
        top_k: 4,
        top_p: 0.5,
        min_p: 0.25,
        repetition_penalty: 1.5,
        seed: Some(u64::MAX),
    };
    assert_eq!(request.prompt, Prompt::Text("Once".into()));
    assert_eq!(request.sampling, sampling);
    assert_eq!((request.max_tokens, request.logprobs), (Some(5), Some(3)));
    assert_eq!(request.stop, ["a", "b"]);
    assert_eq!(request.grammar, Some(Grammar::Regex("a+".into())));
}

#[test]
fn null_means_absent_for_options_but_not_for_the_prompt() {
    request(json!({"prompt": "hi", "stop": null, "max_tokens": null, "seed": null})).expect("valid");
    refused(json!({"prompt": null}), "prompt: expected string, got null");
}

#[test]
fn exactly_one_kind_of_prompt_is_given() {
    refused(json!({}), "one of `prompt`, `messages`, `raw_prompt` is required");
    refused(json!({"prompt": "a", "raw_prompt": "b"}), "give only one of `prompt`, `raw_prompt`");
    refused(json!({"messages": []}), "messages: must have at least 1 items, got an array of 0");
}

#[test]
fn mistakes_say_where_what_and_what_was_given() {
    let with = |field: &str, value: Value| json!({"prompt": "hi", field: value});
    refused(with("max_tokens", json!(0)), "max_tokens: must be at least 1, got 0");
    refused(with("max_tokens", json!(4_294_967_296_u64)), "max_tokens: must be at most 4294967295");
    refused(with("max_tokens", json!(1.5)), "max_tokens: expected integer, got 1.5");
    refused(with("temperature", json!("NaN")), "temperature: expected number, got \"NaN\"");
    refused(with("temperature", json!(-0.1)), "temperature: must be at least 0");
    refused(with("top_p", json!(0)), "top_p: must be greater than 0, got 0");
    refused(with("seed", json!(-1)), "seed: must be at least 0, got -1");
    refused(with("stop", json!("")), "stop: must have at least 1 characters");
    refused(with("stop", json!(["a", ""])), "stop[1]: must have at least 1 characters");
    refused(with("stop", json!(vec!["x"; 17])), "stop: must have at most 16 items");
    refused(with("top_logprobs", json!(2)), "top_logprobs: needs `logprobs` to be true");
    refused(
        with("tempurature", json!(1)),
        "tempurature: unknown field, perhaps `temperature` is meant; known fields: `prompt`",
    );
    refused(
        json!({"messages": [{"role": "usr"}]}),
        "messages[0].role: expected one of \"system\", \"user\", \"assistant\", \"tool\", got \"usr\"",
    );
    refused(json!({"messages": [{"role": "user", "text": "x"}]}), "messages[0].text: unknown field");
    refused(json!({"messages": [{"content": "x"}]}), "messages[0].role: this field is required");
}

#[test]
fn a_response_format_is_found_by_its_type() {
    let with = |format: Value| json!({"prompt": "hi", "response_format": format});
    let schema = json!({"type": "object"});
    let found = request(with(json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})));
    assert_eq!(found.expect("valid").grammar, Some(Grammar::JsonSchema(schema)));
    assert_eq!(request(with(json!({"type": "text"}))).expect("valid").grammar, None);
    refused(with(json!({"type": "xml"})), "response_format.type: expected one of \"text\", \"json_object\"");
    refused(with(json!({"type": "json_schema"})), "response_format.json_schema: this field is required");
    refused(with(json!({"type": "text", "x": 1})), "response_format.x: unknown field");
    refused(
        with(json!({"type": "json_schema", "json_schema": {"schema": 3}})),
        "response_format.json_schema.schema: expected object, got 3",
    );
    refused(with(json!({})), "response_format.type: this field is required");
}

fn with_tools(choice: &Value) -> Value {
    let weather = json!({"type": "function", "function": {
        "name": "get_weather", "description": "Says it.", "strict": true,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }});
    let time = json!({"type": "function", "function": {"name": "get_time"}});
    json!({"prompt": "hi", "tools": [weather, time], "tool_choice": choice, "parallel_tool_calls": false})
}

#[test]
fn tools_reach_the_model_and_one_without_parameters_takes_none() {
    let request = request(with_tools(&Value::Null)).expect("valid");
    assert!(request.is_single_tool_call);
    assert_eq!(request.tool_choice, ToolChoice::Auto);
    let [weather, time] = request.tools.as_slice() else { panic!("{:?}", request.tools) };
    assert_eq!((weather.name.as_str(), weather.description.as_str()), ("get_weather", "Says it."));
    assert_eq!(weather.parameters["properties"]["city"], json!({"type": "string"}));
    assert_eq!((time.name.as_str(), time.description.as_str()), ("get_time", ""));
    assert_eq!(time.parameters["additionalProperties"], json!(false));
}

#[test]
fn a_tool_choice_is_a_word_or_a_tool_of_the_request() {
    let choice = |choice: Value| request(with_tools(&choice)).expect("valid").tool_choice;
    assert_eq!(choice(json!("auto")), ToolChoice::Auto);
    assert_eq!(choice(json!("none")), ToolChoice::None);
    assert_eq!(choice(json!("required")), ToolChoice::Required);
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    assert_eq!(choice(named("get_time")), ToolChoice::Named("get_time".into()));
    refused(
        with_tools(&named("get_wether")),
        "tool_choice.function.name: no tool in `tools` has this name, perhaps `get_weather` is meant",
    );
    refused(
        with_tools(&json!("always")),
        "tool_choice: expected one of \"auto\", \"none\", \"required\", got \"always\"",
    );
    refused(json!({"prompt": "hi", "tool_choice": "required"}), "tool_choice: a call is required");
}

#[test]
fn mistakes_in_tools_name_the_tool_and_the_field() {
    let with = |tool: Value| json!({"prompt": "hi", "tools": [{"type": "function", "function": {"name": "a"}}, tool]});
    let function = |function: Value| with(json!({"type": "function", "function": function}));
    refused(function(json!({"name": "a"})), "tools[1].function.name: another tool has this name already");
    refused(function(json!({"name": "a b"})), "tools[1].function.name: must match the pattern");
    refused(function(json!({"name": "x".repeat(65)})), "tools[1].function.name: must match the pattern");
    refused(function(json!({})), "tools[1].function.name: this field is required");
    refused(
        function(json!({"name": "b", "parameter": {}})),
        "tools[1].function.parameter: unknown field, perhaps",
    );
    refused(
        function(json!({"name": "b", "parameters": []})),
        "tools[1].function.parameters: expected object",
    );
    refused(with(json!({"type": "code"})), "tools[1].type: expected one of \"function\", got \"code\"");
    let many: Vec<Value> =
        (0..129).map(|i| json!({"type": "function", "function": {"name": format!("t{i}")}})).collect();
    refused(json!({"prompt": "hi", "tools": many}), "tools: must have at most 128 items");
}
