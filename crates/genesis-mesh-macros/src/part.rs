//! `#[derive(Part)]`: some fields of a state, for nodes that need no others.
//!
//! Owns: the implementations of `Part` and `From`, which clone the fields by their names.
//! Never: looks at the state; that it has these fields, of these types, is the compiler's to say.

use crate::shape;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Error, Type};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let fields = shape::named_fields(input, "a part of a state")?;
    let states = states(input)?;
    let name = &input.ident;
    let (for_all, arguments, bounds) = input.generics.split_for_impl();
    let clones: Vec<_> = fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .map(|field| quote_spanned!(field.span()=> #field: ::core::clone::Clone::clone(&state.#field)))
        .collect();
    let parts = states.iter().map(|state| {
        quote_spanned! {state.span()=>
            #[automatically_derived]
            impl #for_all ::genesis_mesh::state::Part<#state> for #name #arguments #bounds {
                fn part(state: &#state) -> Self {
                    Self { #(#clones),* }
                }
            }

            #[automatically_derived]
            impl #for_all ::genesis_mesh::graph::NodeInput<#state> for #name #arguments #bounds {
                fn from_input(
                    input: ::genesis_mesh::graph::TaskInput,
                    shape: &::genesis_mesh::state::Shape,
                ) -> ::core::result::Result<Self, ::genesis_mesh::graph::NodeError> {
                    let state = <::genesis_mesh::state::Snapshot<#state> as ::genesis_mesh::graph::NodeInput<#state>>::from_input(
                        input, shape,
                    )?;
                    ::core::result::Result::Ok(::genesis_mesh::state::Part::part(&*state))
                }
            }

            #[automatically_derived]
            impl #for_all ::core::convert::From<&#state> for #name #arguments #bounds {
                fn from(state: &#state) -> Self {
                    ::genesis_mesh::state::Part::part(state)
                }
            }
        }
    });
    Ok(quote!(#(#parts)*))
}

/// The states that `#[part(of = State)]` names.
fn states(input: &DeriveInput) -> Result<Vec<Type>, Error> {
    let mut states = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("part")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("of") {
                return Err(meta.error("write `#[part(of = State)]` with the type of the state"));
            }
            states.push(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    if states.is_empty() {
        let reason = "say of which state this is a part: `#[part(of = State)]`";
        return Err(Error::new_spanned(&input.ident, reason));
    }
    Ok(states)
}
