//! Setup: all mistakes at once, and a mesh that is ready when there are none.

use crate::probe::{Probe, done, text};
use genesis_mesh::{
    Agent, FinishReason, GenesisMesh, Model, ModelSource, Parser, Pipeline, Sampling, SetupProblem,
};
use serde_json::json;
use std::sync::Arc;

fn probe() -> Probe {
    Probe::new([text("hi"), done(FinishReason::Stop)])
}

#[track_caller]
fn problems(setup: Result<genesis_mesh::Mesh, genesis_mesh::SetupError>) -> Vec<String> {
    setup.expect_err("setup must fail").problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let setup = GenesisMesh::new()
        .model("a/b", probe())
        .model("twice", probe())
        .model("lost", ModelSource::lazy("/no/such/file", || Err::<Probe, _>("no such file")))
        .agent("twice", Agent::model("twice"))
        .agent("far", Pipeline::new("nowhere").prompt("x"))
        .agent("mute", Pipeline::new("twice"))
        .agent("broken", Pipeline::new("twice").prompt("{{ open"))
        .agent("parser", Pipeline::new("twice").prompt("x").parse(Parser::regex("(")))
        .agent("schema", Pipeline::new("twice").prompt("x").input_schema(json!({"type": 3})))
        .agent(
            "variable",
            Pipeline::new("twice").prompt("{{ a }}{{ b }}").input_schema(json!({"properties": {"a": {}}})),
        )
        .agent(
            "range",
            Pipeline::new("twice").prompt("x").sampling(Sampling { top_p: f32::NAN, ..Sampling::default() }),
        )
        .agent("orphan", Pipeline::new("lost").prompt("x"))
        .setup()
        .await;
    let found = problems(setup);
    let starts = [
        "the name \"a/b\" is not usable in a path",
        "the name `twice` is used more than once",
        "model `lost` could not be loaded from /no/such/file: no such file",
        "agent `far` needs the model `nowhere`; known models: `a/b`, `lost`, `twice`",
        "agent `mute` has no prompt",
        "agent `broken`: the user template is wrong: ",
        "agent `parser`: the parser is wrong: ",
        "agent `schema`: the input schema is wrong: ",
        "agent `variable`: a template reads `b`",
        "agent `range`: sampling.top_p is out of range: above 0.0, to 1.0",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (problem, start) in found.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}\nexpected: {start}");
    }
}

#[tokio::test]
async fn a_mesh_without_a_model_is_a_mistake() {
    let error = GenesisMesh::new().setup().await.expect_err("nothing to run");
    assert!(matches!(error.problems.as_slice(), [SetupProblem::NoModel]), "{error}");
    assert_eq!(error.to_string(), "the mesh has no model; add one with `.model(name, …)`");
}

#[tokio::test]
async fn a_loader_that_panics_is_a_problem_and_no_panic() {
    let source = ModelSource::lazy("memory", || -> Result<Probe, String> { panic!("boom") });
    let found = problems(GenesisMesh::new().model("m", source).setup().await);
    assert!(found[0].starts_with("model `m` could not be loaded from memory: "), "{found:?}");
}

#[tokio::test]
async fn models_and_agents_are_listed_with_their_input_schema() {
    let shared: Arc<dyn Model> = Arc::new(probe());
    let mesh = GenesisMesh::new()
        .model("shared", Arc::clone(&shared))
        .model("lazy", ModelSource::lazy("memory", || Ok::<_, std::io::Error>(probe())))
        .agent("alias", Agent::model("shared"))
        .agent(
            "greet",
            Pipeline::new("lazy").description("says hello").prompt("{{ name }}{% set x = 1 %}{{ x }}"),
        )
        .setup()
        .await
        .expect("all is well");
    let names: Vec<&str> = mesh.agents().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["alias", "greet", "lazy", "shared"]);
    assert_eq!(mesh.models().map(|(name, _)| name).collect::<Vec<_>>(), ["lazy", "shared"]);
    let greet = mesh.agent("greet").expect("known");
    assert_eq!((greet.model.as_str(), greet.description.as_str()), ("lazy", "says hello"));
    assert_eq!(
        greet.input_schema,
        json!({"type": "object", "properties": {"name": {}}, "required": ["name"], "additionalProperties": false})
    );
    assert_eq!(mesh.agent("alias").expect("known").input_schema["properties"]["max_tokens"]["minimum"], 1);
}
