//! Names of channels: what serde calls a field in JSON.
//!
//! Owns: the reading of `rename` and `rename_all`, and the refusal of attributes that a channel can't follow.
//! Never: changes how a value is serialised; that is its type's.

use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, Ident, LitStr, Token, parenthesized};

/// Attributes of serde that change what one field of a struct is; channels are serialised one by one, by type.
const WITHOUT_EFFECT: [&str; 8] = [
    "with",
    "serialize_with",
    "deserialize_with",
    "flatten",
    "skip",
    "skip_serializing",
    "skip_deserializing",
    "getter",
];

/// How all fields of a struct are renamed.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Snake,
    Lower,
    Upper,
    Pascal,
    Camel,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const CASES: [(&str, Case); 8] = [
    ("snake_case", Case::Snake),
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    /// The case that the attributes of a struct ask for.
    pub(crate) fn of(attributes: &[Attribute]) -> Result<Self, Error> {
        let Some(text) = find(attributes, "rename_all", &[])? else { return Ok(Self::Snake) };
        let known = CASES.iter().find(|(word, _)| *word == text.value());
        known.map(|(_, case)| *case).ok_or_else(|| {
            let words: Vec<_> = CASES.iter().map(|(word, _)| *word).collect();
            Error::new_spanned(&text, format!("no such case; there are {}", words.join(", ")))
        })
    }

    fn apply(self, name: &str) -> String {
        match self {
            Self::Snake | Self::Lower => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
            Self::Pascal => name.split('_').map(capitalised).collect(),
            Self::Camel => {
                let pascal = Self::Pascal.apply(name);
                let mut letters = pascal.chars();
                letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
            }
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The name of the channel of a field.
pub(crate) fn channel_name(field: &Ident, attributes: &[Attribute], case: Case) -> Result<String, Error> {
    let given = find(attributes, "rename", &WITHOUT_EFFECT)?;
    Ok(given.map_or_else(|| case.apply(&field.unraw().to_string()), |name| name.value()))
}

/// The text of the `serde` attribute `wanted`, which serialising and deserialising must share.
fn find(attributes: &[Attribute], wanted: &str, refused: &[&str]) -> Result<Option<LitStr>, Error> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident(wanted) {
                found = Some(text_of(&meta)?);
                return Ok(());
            }
            if let Some(word) = refused.iter().find(|word| meta.path.is_ident(word)) {
                return Err(meta.error(format!(
                    "`{word}` has no effect on a channel, which is serialised as its type says: give the field a type \
                     of its own"
                )));
            }
            skip(&meta)
        })?;
    }
    Ok(found)
}

/// `= "text"`, or `(serialize = "text", deserialize = "text")`.
fn text_of(meta: &ParseNestedMeta<'_>) -> Result<LitStr, Error> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse();
    }
    let mut texts: Vec<LitStr> = Vec::new();
    meta.parse_nested_meta(|way| {
        texts.push(way.value()?.parse()?);
        Ok(())
    })?;
    match texts.as_slice() {
        [one] => Ok(one.clone()),
        [one, other] if one.value() == other.value() => Ok(one.clone()),
        _ => Err(meta.error("a channel has one name, for reading and for writing")),
    }
}

fn skip(meta: &ParseNestedMeta<'_>) -> Result<(), Error> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CASES, Case};

    #[test]
    fn a_field_is_renamed_as_serde_would() {
        let renamed = CASES.map(|(_, case): (&str, Case)| case.apply("last_word"));
        let wanted = [
            "last_word",
            "last_word",
            "LAST_WORD",
            "LastWord",
            "lastWord",
            "LAST_WORD",
            "last-word",
            "LAST-WORD",
        ];
        assert_eq!(renamed, wanted);
    }
}
