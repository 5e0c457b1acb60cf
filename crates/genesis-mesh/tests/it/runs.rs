//! Runs: what a client sends reaches the model, what the model says becomes updates.

use crate::probe::{Probe, done, text};
use genesis_mesh::{
    FinishReason, GenesisMesh, Grammar, Mesh, Message, ModelError, Parser, Pipeline, Prompt, Role, RunError,
    ScriptedModel, Update, Usage,
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

async fn mesh(probe: &Probe, pipeline: Option<Pipeline>) -> Mesh {
    let mesh = GenesisMesh::new().model("probe", probe.clone());
    let mesh = match pipeline {
        Some(pipeline) => mesh.agent("pipe", pipeline),
        None => mesh,
    };
    mesh.setup().await.expect("the mesh is right")
}

async fn updates(mesh: &Mesh, agent: &str, input: Value) -> Vec<Result<Update, RunError>> {
    let mut run = mesh.start(agent, input).await.expect("the run starts");
    let mut updates = Vec::new();
    while let Some(update) = run.next().await {
        updates.push(update);
    }
    updates
}

fn delta(text: &str) -> Result<Update, RunError> {
    Ok(Update::delta(text))
}

fn end(finish_reason: FinishReason) -> Result<Update, RunError> {
    Ok(Update::Done { usage: Usage::new(1, 2), finish_reason })
}

#[tokio::test]
async fn a_model_agent_tells_the_deltas_and_the_end() {
    let probe = Probe::new([text("a"), text("b"), done(FinishReason::Length)]);
    let mesh = mesh(&probe, None).await;
    let told = updates(&mesh, "probe", json!({"prompt": "hi"})).await;
    assert_eq!(told, [delta("a"), delta("b"), end(FinishReason::Length)]);
}

#[tokio::test]
async fn a_pipeline_renders_its_templates_and_tells_the_parsed_output_before_the_end() {
    let probe = Probe::new([text("- x\n"), text("- y"), done(FinishReason::Stop)]);
    let pipeline = Pipeline::new("probe")
        .system("Be {{ style }}.")
        .prompt("{% for n in numbers %}{{ n }};{% endfor %}")
        .parse(Parser::lines())
        .max_tokens(7)
        .stop("END");
    let mesh = mesh(&probe, Some(pipeline)).await;
    let told = updates(&mesh, "pipe", json!({"style": "<brief>", "numbers": [1, 2]})).await;
    let output = Ok(Update::Output { value: json!(["x", "y"]) });
    assert_eq!(told, [delta("- x\n"), delta("- y"), output, end(FinishReason::Stop)]);
    let request = probe.request();
    let messages = vec![Message::new(Role::System, "Be <brief>."), Message::new(Role::User, "1;2;")];
    assert_eq!(request.prompt, Prompt::Messages(messages));
    assert_eq!((request.max_tokens, request.stop), (Some(7), vec!["END".to_owned()]));
}

#[tokio::test]
async fn a_json_pipeline_holds_the_model_to_its_schema_and_refuses_what_breaks_it() {
    let probe = Probe::new([text("{\"n\": \"x\"}"), done(FinishReason::Stop)]);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let pipeline = Pipeline::new("probe").prompt("go").parse(Parser::json_schema(schema.clone()));
    let mesh = mesh(&probe, Some(pipeline)).await;
    let told = updates(&mesh, "pipe", json!({})).await;
    assert_eq!(probe.request().grammar, Some(Grammar::JsonSchema(schema)));
    let error = told.last().expect("it ends").as_ref().expect_err("with an error");
    assert_eq!((told.len(), error.code()), (2, "output_invalid"));
}

#[tokio::test]
async fn inputs_are_refused_before_the_model_is_asked() {
    let probe = Probe::new([]);
    let pipeline = Pipeline::new("probe").prompt("{% for x in list %}{{ x }}{% endfor %}");
    let mesh = mesh(&probe, Some(pipeline)).await;
    let cases = [
        (
            "nobody",
            json!({}),
            "agent_not_found",
            None,
            "no agent is named `nobody`; known agents: `pipe`, `probe`",
        ),
        ("probe", json!([]), "invalid_input", None, "expected object, got an array of 0"),
        ("probe", json!({"prompt": 3}), "invalid_input", Some("prompt"), "prompt: expected string, got 3"),
        ("pipe", json!({}), "invalid_input", Some("list"), "list: this field is required"),
        ("pipe", json!({"list": 3}), "invalid_input", None, "the prompt template can't use this input"),
    ];
    for (agent, input, code, param, message) in cases {
        let error = mesh.start(agent, input).await.expect_err("refused");
        assert_eq!((error.code(), error.param()), (code, param), "{error}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    assert_eq!(probe.live.load(Ordering::SeqCst), 0);
    assert!(probe.request.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_template_that_loops_without_end_runs_out_of_fuel() {
    let probe = Probe::new([]);
    let pipeline = Pipeline::new("probe")
        .prompt("{% for x in range(n) %}{% for y in range(n) %}.{% endfor %}{% endfor %}");
    let mesh = mesh(&probe, Some(pipeline)).await;
    let error = mesh.start("pipe", json!({"n": 9000})).await.expect_err("too much");
    assert_eq!(error.code(), "invalid_input");
}

#[tokio::test]
async fn cancel_ends_the_run_with_its_usage_and_without_output() {
    let probe = Probe::new(std::iter::repeat_n(text("a"), 1000));
    let mesh = mesh(&probe, Some(Pipeline::new("probe").prompt("go").parse(Parser::json()))).await;
    let mut run = mesh.start("pipe", json!({})).await.expect("starts");
    assert_eq!(run.next().await, Some(delta("a")));
    run.cancel();
    assert_eq!(run.next().await, Some(end(FinishReason::Cancelled)));
    assert_eq!(run.next().await, None);
}

#[tokio::test]
async fn dropping_a_run_drops_the_models_stream() {
    let probe = Probe::new(std::iter::repeat_n(text("a"), 1000));
    let mesh = mesh(&probe, None).await;
    let mut run = mesh.start("probe", json!({"prompt": "hi"})).await.expect("starts");
    run.next().await.expect("says something").expect("well");
    assert_eq!(probe.live.load(Ordering::SeqCst), 1);
    drop(run);
    assert_eq!(probe.live.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stream_that_ends_without_an_end_is_truncated_and_an_error_is_the_last_word() {
    let probe = Probe::new([text("a")]);
    let told = updates(&mesh(&probe, None).await, "probe", json!({"prompt": "hi"})).await;
    assert_eq!(told, [delta("a"), Err(RunError::Model(ModelError::Truncated))]);
    let failed = ModelError::Failed { message: "disk".into() };
    let probe = Probe::new([text("a"), Err(failed.clone()), text("b")]);
    let told = updates(&mesh(&probe, None).await, "probe", json!({"prompt": "hi"})).await;
    assert_eq!(told, [delta("a"), Err(RunError::Model(failed))]);
}

#[tokio::test]
async fn a_scripted_model_gives_text_and_output_in_one_call() {
    let script = "[[rule]]\ntext = \"Score: 7\"";
    let mesh = GenesisMesh::new()
        .model("judge", ScriptedModel::from_toml(script).expect("a script"))
        .agent("score", Pipeline::new("judge").prompt("Judge {{ text }}.").parse(Parser::regex(r"\d+")))
        .setup()
        .await
        .expect("the mesh is right");
    let run = mesh.start("judge", json!({"prompt": "hi"})).await.expect("starts");
    assert_eq!(run.text().await.expect("answers"), "Score: 7");
    let run = mesh.start("score", json!({"text": "it"})).await.expect("starts");
    assert_eq!(run.output().await.expect("answers"), Some(json!("7")));
}
