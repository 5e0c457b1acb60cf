//! You learn: an agent is a loop of a model that may call tools, a node that runs them, and a branch between them.
//!
//! Run: `cargo run -p genesis-mesh --example 06_tool`
use genesis_mesh::graph::{Context, END, Graph, NodeError, START, StreamMode};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenerateRequest, Message, Prompt, Role, ScriptedModel, State, ToolSpec};
use serde_json::json;
use std::sync::Arc;

const SCRIPT: &str = r#"
[[rule]]
when = { role = "user", tool = "add" }
tool_calls = [{ name = "add", arguments = { a = 2, b = 3 } }]
[[rule]]
when = { role = "tool", matches = "^5$" }
text = "The sum is 5."
"#;

#[derive(Debug, Clone, Default, State)]
struct Chat {
    #[reduce(messages)]
    messages: Vec<Message>,
}

#[derive(serde::Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

async fn tools(state: Snapshot<Chat>) -> Result<ChatUpdate, NodeError> {
    let calls = state.messages.last().map(|last| last.tool_calls.as_slice()).unwrap_or_default();
    let mut results = Vec::new();
    for call in calls {
        let add: Add = serde_json::from_str(&call.arguments)?;
        let sum = Message::new(Role::Tool, (add.a + add.b).to_string());
        results.push(Message { tool_call_id: Some(call.id.clone()), ..sum });
    }
    Ok(Chat::update().messages(results))
}

fn calls_tools(state: &Chat) -> &'static str {
    if state.messages.last().is_some_and(|last| !last.tool_calls.is_empty()) { "tools" } else { END }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Arc::new(ScriptedModel::from_toml(SCRIPT)?);
    let numbers =
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
    let add = ToolSpec { name: "add".into(), description: "Adds a and b.".into(), parameters: numbers };
    let ask = move |state: Snapshot<Chat>, context: Context| {
        let (model, prompt) = (Arc::clone(&model), Prompt::Messages(state.messages.clone()));
        let request = GenerateRequest { prompt, tools: vec![add.clone()], ..GenerateRequest::default() };
        // The pieces of the answer are told to the stream `messages` by themselves.
        async move {
            Ok::<_, NodeError>(Chat::update().messages([context.generate(&*model, request).await?.message]))
        }
    };
    let graph: Graph<Chat> = Graph::builder("agent")
        .node("model", ask)
        .node("tools", tools)
        .edge(START, "model")
        .branch_to("model", calls_tools, ["tools", END])
        .edge("tools", "model")
        .build()?;

    let question = Chat::update().messages([Message::new(Role::User, "What is 2 and 3?")]);
    let mut stream = graph.run(question).stream([StreamMode::Messages]);
    while let Some(part) = stream.next().await {
        print!("{}", part?.data.pointer("/0/content").and_then(|text| text.as_str()).unwrap_or_default());
    }
    println!();
    let state = stream.outcome().and_then(|outcome| outcome.state()).ok_or("no state")?;
    let said: Vec<_> = state.messages.iter().map(|said| (said.role, said.content.as_str())).collect();
    let wanted = [(Role::Assistant, ""), (Role::Tool, "5"), (Role::Assistant, "The sum is 5.")];
    assert_eq!(said.get(1..), Some(wanted.as_slice()));
    Ok(())
}
