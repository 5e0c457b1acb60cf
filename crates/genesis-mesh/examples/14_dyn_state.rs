//! You learn: a graph can be described in data: its state, its nodes and its edges are JSON, the engine is the same.
//!
//! Run: `cargo run -p genesis-mesh --example 14_dyn_state`
use genesis_mesh::graph::{Graph, NodeError};
use genesis_mesh::state::{DynShape, DynState, Snapshot};
use serde_json::{Map, Value, json};

/// Puts the values of the state in the place of `{name}` in a text.
fn fill(text: &str, state: &DynState) -> String {
    state.iter().fold(text.to_owned(), |text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(&format!("{{{name}}}"), &value)
    })
}

/// What a node of the description does: fills in the texts that it is to write.
async fn write(state: Snapshot<DynState>, writes: Value) -> Result<Value, NodeError> {
    let writes = writes.as_object().ok_or_else(|| NodeError::new("Description", "a node is an object"))?;
    let filled = writes.iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => Value::from(fill(text, &state)),
            other => other.clone(),
        };
        (key.clone(), value)
    });
    Ok(Value::Object(filled.collect::<Map<_, _>>()))
}

fn graph(description: &Value) -> Result<Graph<DynState>, Box<dyn std::error::Error>> {
    let shape = DynShape::from_json(&description["state"]).map_err(|problems| format!("{problems:?}"))?;
    let mut builder = Graph::builder(description["name"].as_str().unwrap_or("graph")).shape(shape);
    for (name, writes) in description["nodes"].as_object().ok_or("no nodes")? {
        let writes = writes.clone();
        builder = builder.node(name, move |state: Snapshot<DynState>| write(state, writes.clone()));
    }
    for edge in description["edges"].as_array().into_iter().flatten() {
        builder = builder.edge(edge[0].as_str().unwrap_or_default(), edge[1].as_str().unwrap_or_default());
    }
    Ok(builder.build()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let description = json!({
        "name": "letter",
        "state": {
            "name": {"type": "string"},
            "text": {"type": "string"},
            "steps": {"type": "integer", "reduce": "add"},
            "log": {"type": "array", "reduce": "append"},
        },
        "nodes": {
            "greet": {"text": "Dear {name},", "steps": 1, "log": ["greet"]},
            "thank": {"text": "{text} thank you.", "steps": 1, "log": ["thank"]},
        },
        "edges": [["__start__", "greet"], ["greet", "thank"], ["thank", "__end__"]],
    });
    let letter = graph(&description)?;
    let outcome = letter.run(json!({"name": "Ada"})).await?;
    println!("{}", outcome.values()?);
    let wanted =
        json!({"name": "Ada", "text": "Dear Ada, thank you.", "steps": 2, "log": ["greet", "thank"]});
    assert_eq!(outcome.values()?, wanted);

    // A value that does not fit its schema is named before anything runs.
    let mistake = letter.run(json!({"name": 7})).await.err().ok_or("it was taken")?;
    println!("{mistake}");
    assert_eq!(mistake.code(), "invalid_input");
    Ok(())
}
