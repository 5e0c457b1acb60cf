//! `#[derive(State)]`: the channels of a struct, and the type of its updates.
//!
//! Owns: the implementation of `State`, `<Name>Update`, and `<Name>::update`.
//! Never: needs more of the struct than its fields: it need not be serialised itself.

use crate::name::{self, Case};
use crate::rule::Rule;
use crate::setter::Target;
use crate::shape;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashSet;
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Error, Field, Ident, Path, Type};

/// One field, with what its attributes say.
struct Part<'a> {
    field: &'a Ident,
    source: &'a Field,
    channel: String,
    rule: Rule,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let fields = shape::named_fields(input, "a state")?;
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new_spanned(
            parameter,
            "a state has no parameters: it has the channels of one type",
        ));
    }
    let case = Case::of(&input.attrs)?;
    let parts = shape::all(fields.iter().map(|field| Part::of(field, case)))?;
    check_names(&parts)?;
    let (implementation, update) = (implementation(&input.ident, &parts), update(input, &parts));
    Ok(quote! { #implementation #update })
}

impl<'a> Part<'a> {
    fn of(source: &'a Field, case: Case) -> Result<Self, Error> {
        let field =
            source.ident.as_ref().ok_or_else(|| Error::new_spanned(source, "this field has no name"))?;
        let channel = name::channel_name(field, &source.attrs, case);
        match (channel, Rule::of(source)) {
            (Ok(channel), Ok(rule)) => Ok(Self { field, source, channel, rule }),
            (Err(mut error), Err(other)) => {
                error.combine(other);
                Err(error)
            }
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }
}

fn check_names(parts: &[Part<'_>]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    shape::all(parts.iter().map(|part| match seen.insert(&part.channel) {
        true => Ok(()),
        false => Err(Error::new_spanned(
            part.field,
            format!("there is another channel of the name `{}`", part.channel),
        )),
    }))
    .map(|_| ())
}

fn implementation(name: &Ident, parts: &[Part<'_>]) -> TokenStream {
    let (reducers, functions): (Vec<_>, Vec<_>) =
        parts.iter().enumerate().map(|(index, part)| reducer(part, index)).unzip();
    let channels = parts.iter().zip(reducers).map(|(part, reducer)| {
        let Part { field, channel, source, rule } = part;
        let (ty, kind) = (&source.ty, rule.kind());
        quote_spanned! {ty.span()=>
            ::genesis_mesh::state::Field::<#name, #ty, #reducer>::channel(
                #channel,
                #kind,
                |state| &state.#field,
                |state| &mut state.#field,
            )
        }
    });
    let shape = quote_spanned! {name.span()=>
        ::genesis_mesh::state::Shape::new(channels, <#name as ::core::default::Default>::default)
    };
    quote! {
        #[automatically_derived]
        impl ::genesis_mesh::state::State for #name {
            fn shape() -> ::core::option::Option<::std::sync::Arc<::genesis_mesh::state::Shape>> {
                static SHAPE: ::std::sync::OnceLock<::std::sync::Arc<::genesis_mesh::state::Shape>> =
                    ::std::sync::OnceLock::new();
                #(#functions)*
                let shape = SHAPE.get_or_init(|| {
                    let channels = ::std::vec::Vec::from([#(#channels),*]);
                    ::std::sync::Arc::new(#shape)
                });
                ::core::option::Option::Some(::std::sync::Arc::clone(shape))
            }
        }
    }
}

/// The reducer's type, and the type itself where a function is the reducer.
fn reducer(part: &Part<'_>, index: usize) -> (TokenStream, TokenStream) {
    let word = |word: &str| {
        let attribute = part.source.attrs.iter().find(|attribute| attribute.path().is_ident("reduce"));
        let span = attribute.map_or(part.field.span(), |attribute| attribute.meta.span());
        let word = Ident::new(word, span);
        (quote!(::genesis_mesh::state::#word), TokenStream::new())
    };
    match &part.rule {
        Rule::Last(_) => word("Last"),
        Rule::Append | Rule::Topic { .. } => word("Append"),
        Rule::Add => word("Add"),
        Rule::Merge => word("Merge"),
        Rule::Messages => word("Messages"),
        Rule::With(reducer) => (quote!(#reducer), TokenStream::new()),
        Rule::Function(path) => {
            let name = format_ident!("Reduce{index}");
            (quote!(#name), function(&name, path, &part.source.ty))
        }
    }
}

/// A reducer that calls a function.
fn function(name: &Ident, path: &Path, ty: &Type) -> TokenStream {
    let function = quote_spanned!(path.span()=> let reduce: fn(#ty, #ty) -> #ty = #path;);
    quote! {
        struct #name;
        impl ::genesis_mesh::state::Reducer<#ty> for #name {
            type Update = #ty;

            fn reduce(
                current: &mut #ty,
                update: #ty,
            ) -> ::core::result::Result<(), ::genesis_mesh::state::ReduceError> {
                #function
                *current = reduce(::core::mem::take(current), update);
                ::core::result::Result::Ok(())
            }
        }
    }
}

/// `<Name>Update` with its setters, and `<Name>::update`.
fn update(input: &DeriveInput, parts: &[Part<'_>]) -> TokenStream {
    let (vis, name) = (&input.vis, &input.ident);
    let update = format_ident!("{name}Update");
    let setters = parts.iter().zip(0..).map(|(part, id)| {
        let Part { field, source, rule, .. } = part;
        let docs = source.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
        Target { id, field, ty: &source.ty, rule, docs, vis }.setters()
    });
    let about = format!("What a node writes to [`{name}`]: any number of its fields.");
    let graph = in_graphs(name, &update);
    quote! {
        #[doc = #about]
        #[must_use = "an update writes nothing until a node returns it"]
        #vis struct #update(::genesis_mesh::state::Update<#name>);

        #[allow(dead_code, reason = "a program needs some of the setters")]
        impl #update {
            #(#setters)*
        }

        #[allow(dead_code, reason = "a program that only reads this state makes no update")]
        impl #name {
            /// An update that writes nothing yet.
            #vis fn update() -> #update {
                ::core::default::Default::default()
            }
        }

        #[automatically_derived]
        impl ::core::default::Default for #update {
            fn default() -> Self {
                Self(::genesis_mesh::state::Update::new())
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #update {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.0, f)
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#update> for ::genesis_mesh::state::Update<#name> {
            fn from(update: #update) -> Self {
                update.0
            }
        }

        #graph
    }
}

/// Updates as what nodes return and runs take.
fn in_graphs(name: &Ident, update: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::genesis_mesh::graph::IntoOutput<#name> for #update {
            fn into_output(
                self,
                shape: &::genesis_mesh::state::Shape,
            ) -> ::core::result::Result<::genesis_mesh::graph::Output, ::genesis_mesh::graph::NodeError> {
                ::genesis_mesh::graph::IntoOutput::<#name>::into_output(self.0, shape)
            }
        }

        #[automatically_derived]
        impl ::genesis_mesh::graph::IntoInput<#name> for #update {
            fn into_input(self) -> ::genesis_mesh::graph::InputForm<#name> {
                ::genesis_mesh::graph::IntoInput::<#name>::into_input(self.0)
            }
        }
    }
}
