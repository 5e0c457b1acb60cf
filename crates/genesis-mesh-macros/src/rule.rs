//! Rules: what the attributes of a field say about its channel.
//!
//! Owns: the forms of `#[reduce(…)]` and `#[channel(…)]`.
//! Never: looks at the field's type; whether a reducer fits it is the compiler's to say.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Error, Field, LitBool, Path, Token, Type};

/// How a field takes writes.
pub(crate) enum Rule {
    /// The last value, in a channel of this kind.
    Last(Kind),
    /// A reducer that this crate knows by a word.
    Append,
    Add,
    Merge,
    Messages,
    /// A `fn(T, T) -> T`.
    Function(Path),
    /// A type that implements `Reducer<T>`.
    With(Box<Type>),
    /// A list of what was published.
    Topic {
        accumulate: bool,
    },
}

/// The kinds of channels that keep one value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Last,
    AfterFinish,
    Any,
    Ephemeral { guard: bool },
    Untracked { guard: bool },
}

const REDUCERS: [&str; 4] = ["append", "add", "merge", "messages"];
const CHANNELS: &str = "ephemeral, untracked, any, topic, topic(accumulate), after_finish";

impl Rule {
    /// The rule of `field`.
    pub(crate) fn of(field: &Field) -> Result<Self, Error> {
        let mut rule: Option<Self> = None;
        for attribute in &field.attrs {
            let is_reduce = attribute.path().is_ident("reduce");
            if !is_reduce && !attribute.path().is_ident("channel") {
                continue;
            }
            if rule.is_some() {
                let reason =
                    "a field has one `reduce` or one `channel`: a channel of another kind reduces nothing";
                return Err(Error::new_spanned(attribute, reason));
            }
            let mut words = Words { rule: None };
            attribute.parse_nested_meta(|meta| {
                if is_reduce { words.reduce(&meta) } else { words.channel(&meta) }
            })?;
            rule = Some(words.rule.ok_or_else(|| {
                let known = if is_reduce { reducers() } else { format!("one of {CHANNELS}") };
                Error::new_spanned(attribute, format!("name {known}"))
            })?);
        }
        Ok(rule.unwrap_or(Self::Last(Kind::Last)))
    }

    /// The expression of its `ChannelKind`.
    pub(crate) fn kind(&self) -> TokenStream {
        let kind = match self {
            Self::Last(Kind::Last) => quote!(Last),
            Self::Last(Kind::AfterFinish) => quote!(AfterFinish),
            Self::Last(Kind::Any) => quote!(Any),
            Self::Last(Kind::Ephemeral { guard }) => quote!(Ephemeral { guard: #guard }),
            Self::Last(Kind::Untracked { guard }) => quote!(Untracked { guard: #guard }),
            Self::Topic { accumulate } => quote!(Topic { accumulate: #accumulate }),
            _ => quote!(Reduce),
        };
        quote!(::genesis_mesh::state::ChannelKind::#kind)
    }
}

fn reducers() -> String {
    format!("one of {}, a function `fn(T, T) -> T`, or `with = Type`", REDUCERS.join(", "))
}

/// What was read of one attribute.
struct Words {
    rule: Option<Rule>,
}

impl Words {
    fn set(&mut self, meta: &ParseNestedMeta<'_>, rule: Rule) -> Result<(), Error> {
        match self.rule.replace(rule) {
            None => Ok(()),
            Some(_) => Err(meta.error("one is enough")),
        }
    }

    fn reduce(&mut self, meta: &ParseNestedMeta<'_>) -> Result<(), Error> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let rule = match word.as_str() {
            "append" => Rule::Append,
            "add" => Rule::Add,
            "merge" => Rule::Merge,
            "messages" => Rule::Messages,
            "with" => Rule::With(Box::new(meta.value()?.parse()?)),
            _ => match REDUCERS.iter().find(|known| is_slip(&word, known)) {
                Some(known) => {
                    return Err(meta.error(format!(
                        "no such reducer; did you mean `{known}`? A reducer is {} (of your own, `self::{word}`)",
                        reducers()
                    )));
                }
                None => Rule::Function(meta.path.clone()),
            },
        };
        self.set(meta, rule)
    }

    fn channel(&mut self, meta: &ParseNestedMeta<'_>) -> Result<(), Error> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let rule = match word.as_str() {
            "ephemeral" => Rule::Last(Kind::Ephemeral { guard: true }),
            "untracked" => Rule::Last(Kind::Untracked { guard: true }),
            "any" => Rule::Last(Kind::Any),
            "after_finish" => Rule::Last(Kind::AfterFinish),
            "topic" => Rule::Topic { accumulate: accumulates(meta)? },
            "guard" => return self.guard(meta),
            _ => return Err(meta.error(format!("no such channel; there are {CHANNELS}"))),
        };
        self.set(meta, rule)
    }

    fn guard(&mut self, meta: &ParseNestedMeta<'_>) -> Result<(), Error> {
        let value = meta.value()?.parse::<LitBool>()?.value;
        match &mut self.rule {
            Some(Rule::Last(Kind::Ephemeral { guard } | Kind::Untracked { guard })) => {
                *guard = value;
                Ok(())
            }
            _ => Err(meta.error("`guard` stands after `ephemeral` or `untracked`")),
        }
    }
}

/// Whether `(accumulate)` follows.
fn accumulates(meta: &ParseNestedMeta<'_>) -> Result<bool, Error> {
    if !meta.input.peek(syn::token::Paren) {
        return Ok(false);
    }
    meta.parse_nested_meta(|inner| {
        let is_known = inner.path.is_ident("accumulate") && !inner.input.peek(Token![=]);
        if is_known { Ok(()) } else { Err(inner.error("a topic takes `accumulate` or nothing")) }
    })?;
    Ok(true)
}

/// Whether `word` is `known` with one letter too many, too few or wrong, or two that changed places.
fn is_slip(word: &str, known: &str) -> bool {
    let (mut a, mut b): (Vec<char>, Vec<char>) = (word.chars().collect(), known.chars().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    a.drain(..same);
    b.drain(..same);
    while a.last().is_some() && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    match (a.as_slice(), b.as_slice()) {
        ([x, y], [z, w]) => x == w && y == z,
        (a, b) => a.len() <= 1 && b.len() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn slips_are_one_letter_apart() {
        for word in ["apend", "appendd", "appent", "appned"] {
            assert!(is_slip(word, "append"), "{word}");
        }
        for word in ["longest", "app", "extend", "append_all"] {
            assert!(!is_slip(word, "append"), "{word}");
        }
    }
}
