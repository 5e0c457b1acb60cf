//! The structs that the derives take.
//!
//! Owns: the check that a type is a struct with named fields, and the collecting of errors.
//! Never: reads an attribute.

use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Error, Field, Fields, Token};

/// The fields of `input`.
///
/// # Errors
/// It is no struct with named fields; `what` says what it should have been.
pub(crate) fn named_fields<'a>(
    input: &'a DeriveInput,
    what: &str,
) -> Result<&'a Punctuated<Field, Token![,]>, Error> {
    let found = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Ok(&fields.named),
            Fields::Unnamed(_) => "this is a tuple struct",
            Fields::Unit => "this one has no fields",
        },
        Data::Enum(_) => "this is an enum",
        Data::Union(_) => "this is a union",
    };
    Err(Error::new_spanned(&input.ident, format!("{what} is a struct with named fields; {found}")))
}

/// All values, or all errors in one.
pub(crate) fn all<T>(results: impl IntoIterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let mut errors: Option<Error> = None;
    for result in results {
        match (result, &mut errors) {
            (Ok(value), _) => values.push(value),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    errors.map_or(Ok(values), Err)
}
