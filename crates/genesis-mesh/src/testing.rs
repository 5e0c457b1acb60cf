//! What a program's own tests need: an agent is run in the test, without a server and without weights.
//!
//! Owns: the model that remembers what it was asked, and the whole answer of a run.
//! Never: is used by the program itself, opens a socket, or asserts; the test does.
//! Flow: the program's `GenesisMesh` is set up over a [`RecordedModel`], [`ask`] runs an agent and gives an [`Answer`].
//!
//! ```
//! use genesis_mesh::testing::{RecordedModel, ask};
//! use genesis_mesh::{GenesisMesh, ModelSource, Parser, Pipeline, Prompt};
//! use serde_json::json;
//!
//! // The program declares its mesh over any model …
//! fn poems(model: impl Into<ModelSource>) -> GenesisMesh {
//!     let haiku = Pipeline::new("model").prompt("A haiku about {{ topic }}.").parse(Parser::lines());
//!     GenesisMesh::new().model("model", model).agent("haiku", haiku)
//! }
//!
//! // … and its test gives it a scripted one.
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = RecordedModel::script("[[rule]]\ntext = \"An old pond.\\nA frog.\"")?;
//! let mesh = poems(model.clone()).setup().await?;
//! let answer = ask(&mesh, "haiku", json!({"topic": "water"})).await?;
//!
//! assert_eq!(answer.output, Some(json!(["An old pond.", "A frog."])));
//! let asked = model.requests().remove(0);
//! assert!(matches!(&asked.prompt, Prompt::Messages(all) if all[0].content == "A haiku about water."));
//! # Ok(())
//! # }
//! ```

mod recorded;
mod answer;

pub use answer::{Answer, AskError, ask};
pub use recorded::RecordedModel;
