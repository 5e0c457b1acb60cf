//! What `genesis_mesh::testing` gives to a program's tests.

use genesis_mesh::testing::{Answer, AskError, RecordedModel, ask};
use genesis_mesh::{
    FinishReason, GenesisMesh, Mesh, ModelError, Parser, Pipeline, Prompt, RunError, StartError, ToolCall,
    Update,
};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
when = { contains = "weather" }
text = "Let me look."
tool_calls = [{ name = "get_weather", arguments = { city = "Paris" } }]

[[rule]]
when = { contains = "cut" }
text = "half of it"
cut_after = 1

[[rule]]
when = { contains = "busy" }
error = { code = "model_busy", queued = 3 }

[[rule]]
text = "one\ntwo"
"#;

async fn mesh() -> (RecordedModel, Mesh) {
    let model = RecordedModel::script(SCRIPT).unwrap();
    let lines = Pipeline::new("model").prompt("Count {{ what }}.").parse(Parser::lines()).max_tokens(9);
    let mesh = GenesisMesh::new().model("model", model.clone()).agent("lines", lines);
    (model, mesh.setup().await.unwrap())
}

#[tokio::test]
async fn an_answer_holds_what_the_run_told_and_the_model_what_it_was_asked() {
    let (model, mesh) = mesh().await;
    let answer = ask(&mesh, "lines", json!({"what": "sheep"})).await.unwrap();
    assert_eq!(answer.text, "one\ntwo");
    assert_eq!(answer.pieces().collect::<String>(), answer.text);
    assert_eq!(answer.output, Some(json!(["one", "two"])));
    assert_eq!(answer.finish_reason, FinishReason::Stop);
    let end = Update::Done { usage: answer.usage, finish_reason: FinishReason::Stop };
    assert_eq!(answer.updates.last(), Some(&end));
    let asked = model.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].max_tokens, Some(9));
    assert!(matches!(&asked[0].prompt, Prompt::Messages(all) if all[0].content == "Count sheep."));
}

#[tokio::test]
async fn tool_calls_are_collected_beside_the_text() {
    let (_, mesh) = mesh().await;
    let answer = ask(&mesh, "model", json!({"prompt": "the weather?"})).await.unwrap();
    let call =
        ToolCall { id: "call_1".into(), name: "get_weather".into(), arguments: r#"{"city":"Paris"}"#.into() };
    assert_eq!(answer.text, "Let me look.");
    assert_eq!(answer.tool_calls, [call]);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    assert_eq!(answer.output, None);
}

#[tokio::test]
async fn an_input_that_is_refused_reaches_no_model() {
    let (model, mesh) = mesh().await;
    let mistake = ask(&mesh, "lines", json!({"who": "sheep"})).await.unwrap_err();
    assert!(matches!(mistake, AskError::Start(StartError::InvalidInput(_))));
    assert_eq!((mistake.code(), mistake.is_retryable()), ("invalid_input", false));
    assert_eq!(model.requests(), []);
}

#[tokio::test]
async fn a_request_is_kept_also_if_the_model_refuses_it() {
    let (model, mesh) = mesh().await;
    let refused = ask(&mesh, "model", json!({"prompt": "busy"})).await.unwrap_err();
    assert_eq!(refused, AskError::Start(StartError::Model(ModelError::Busy { queued: 3 })));
    assert!(refused.is_retryable());
    assert_eq!(model.take_requests().len(), 1);
    assert_eq!(model.requests(), []);
}

#[tokio::test]
async fn a_run_that_fails_is_an_error_whatever_it_said_before() {
    let (_, mesh) = mesh().await;
    let cut = ask(&mesh, "model", json!({"prompt": "cut"})).await.unwrap_err();
    assert_eq!(cut, AskError::Run(RunError::Model(ModelError::Truncated)));
}

#[tokio::test]
async fn a_cancelled_run_has_an_answer_without_an_output() {
    let (_, mesh) = mesh().await;
    let run = mesh.start("lines", json!({"what": "sheep"})).await.unwrap();
    run.cancel();
    let answer = Answer::of(run).await.unwrap();
    assert_eq!(answer.finish_reason, FinishReason::Cancelled);
    assert_eq!(answer.output, None);
}
