//! The chat template: a conversation to the prompt that a model was trained on.
//!
//! Owns: the model's own template, what it sees of a conversation, and the border between the two:
//! control tokens come from the template alone, never from what somebody wrote.
//! Never: reads a clock (`strftime_now` is undefined), loads another template, or runs without a bound.
//! Flow: `tokens` marks the conversation's texts, renders, and encodes; marks keep texts plain.

mod json;
mod conversation;
#[cfg(test)]
mod tests;

use crate::gguf::{GgufError, Metadata};
use crate::tokenizer::{Tokenizer, TokenizerError};
use conversation::Conversation;
pub(crate) use conversation::{call_text, tool_text};
use genesis_mesh_core::{Message, ToolSpec};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};

const KEY: &str = "tokenizer.chat_template";
const NAME: &str = "chat_template";

/// What a render may spend: about this many instructions, or 64 times as many bytes. A conversation of
/// 10,000 messages takes about a tenth; an endless loop is over in a fraction of a second.
const FUEL: u64 = 5_000_000;

/// The ChatML form, for models without a template whose vocabulary has its tokens.
const CHATML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Why a conversation has no prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The template in the file is no text.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// The model has no template, and no tokens of a known form.
    #[error(
        "the model has no chat template (metadata key `{KEY}`): give the prompt as text, or use a file of a chat model"
    )]
    Missing,
    /// The template is malformed.
    #[error("metadata key `{KEY}` is no template that can be read")]
    Syntax {
        /// What the engine said, with the line.
        #[source]
        source: minijinja::Error,
    },
    /// The template says itself that this conversation doesn't fit it, for example a role.
    #[error("the model's chat template refuses the conversation: {message}")]
    Refused {
        /// The template's words.
        message: String,
    },
    /// Rendering took too long or too much memory.
    #[error("the model's chat template takes too long for this conversation")]
    OutOfFuel,
    /// The template failed.
    #[error("the model's chat template failed")]
    Failed {
        /// What the engine said, with the line.
        #[source]
        source: minijinja::Error,
    },
    /// The prompt can't be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl TemplateError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Metadata(error) => error.code(),
            Self::Missing => "template_missing",
            Self::Syntax { .. } => "template_syntax",
            Self::Refused { .. } => "template_refused",
            Self::OutOfFuel => "template_out_of_fuel",
            Self::Failed { .. } => "template_failed",
            Self::Tokenizer(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// The chat template of one model: immutable, `Send + Sync`.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// The template in `metadata`, or ChatML if there is none and the vocabulary has `<|im_start|>`.
    ///
    /// # Errors
    /// `Missing` if there is neither; `Syntax` if the template can't be read.
    pub fn new(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let source = match metadata.find_string(KEY)? {
            Some(source) => source,
            None if tokenizer.has_control("<|im_start|>") => CHATML,
            None => return Err(TemplateError::Missing),
        };
        let mut environment = Environment::new();
        // As the library `transformers` sets its engine, which templates are written for.
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .map_err(|source| TemplateError::Syntax { source })?,
        );
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", json::to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|source| TemplateError::Syntax { source })?;
        let (bos_token, eos_token) = (tokenizer.bos_text().to_owned(), tokenizer.eos_text().to_owned());
        Ok(Self { environment, bos_token, eos_token })
    }

    /// The template's own text.
    pub(crate) fn source(&self) -> String {
        self.environment
            .get_template(NAME)
            .map_or_else(|_| String::new(), |template| template.source().to_owned())
    }

    /// The prompt as text, ready for the assistant's answer.
    ///
    /// Its control tokens can't be told from the same characters in a message: to run a model on it use
    /// [`ChatTemplate::tokens`].
    ///
    /// # Errors
    /// `Refused`, `OutOfFuel` or `Failed`.
    pub fn render(&self, messages: &[Message], tools: &[ToolSpec]) -> Result<String, TemplateError> {
        self.render_conversation(Conversation::new(messages, tools))
    }

    /// The prompt as tokens, ready for the assistant's answer.
    ///
    /// Control tokens come from the template alone: in messages and tools they are plain text. It begins
    /// with the model's begin token if the model wants one.
    ///
    /// # Errors
    /// `Refused`, `OutOfFuel`, `Failed` or `Tokenizer`.
    pub fn tokens(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        tools: &[ToolSpec],
    ) -> Result<Vec<u32>, TemplateError> {
        let conversation = Conversation::new(messages, tools);
        let mark = conversation.unused_character();
        let marked = conversation.map_text(&|text| tokenizer.mark_controls(text, mark));
        let prompt = self.render_conversation(marked)?;
        let mut tokens = tokenizer.encode_marked(&prompt, true, Some(mark))?;
        if let Some(bos) = tokenizer.bos().filter(|bos| tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    fn render_conversation(&self, conversation: Conversation) -> Result<String, TemplateError> {
        let Conversation { messages, tools } = conversation;
        let context = context! {
            messages => Value::from(Serde(messages)),
            tools => Value::from(Serde(tools)),
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
            add_generation_prompt => true,
        };
        let template = self.environment.get_template(NAME);
        template.and_then(|template| template.render(context)).map_err(failure)
    }
}

/// A template's own refusal, on its way out through the engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    let error = minijinja::Error::new(ErrorKind::InvalidOperation, "the template refuses");
    Err(error.with_source(Refusal(message)))
}

fn failure(error: minijinja::Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(Refusal(message)) = current.downcast_ref() {
            return TemplateError::Refused { message: message.clone() };
        }
        cause = current.source();
    }
    match error.kind() {
        ErrorKind::OutOfFuel => TemplateError::OutOfFuel,
        _ => TemplateError::Failed { source: error },
    }
}
