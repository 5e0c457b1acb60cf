//! Setters: the methods by which an update of a state is made.
//!
//! Owns: what each setter takes, by the rule of its field and by the look of its type.
//! Never: lets a setter take more than inference can bear: numbers are taken as they are, so that literals work.

use crate::rule::Rule;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, GenericArgument, Ident, PathArguments, PathSegment, Type, Visibility};

/// A field as the setters see it.
pub(crate) struct Target<'a> {
    pub(crate) id: u32,
    pub(crate) field: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) rule: &'a Rule,
    pub(crate) docs: Vec<&'a Attribute>,
    pub(crate) vis: &'a Visibility,
}

/// What a setter takes, and how that becomes the written value.
struct Parameter {
    ty: TokenStream,
    value: TokenStream,
}

impl Target<'_> {
    /// The setters of the field.
    pub(crate) fn setters(&self) -> TokenStream {
        let Self { id, field, ty, docs, vis, .. } = self;
        let name = field.unraw();
        // An error about the type is told at the type.
        let at_type = Span::call_site().located_at(ty.span());
        let Parameter { ty: takes, value } = self.parameter();
        let doc = format!("Writes `{name}`: {}.", self.what_a_write_does());
        let overwrite = (!matches!(self.rule, Rule::Last(_))).then(|| {
            let doc = format!("Puts `value` in the place of `{name}`, past its reducer.");
            let setter = format_ident!("overwrite_{name}");
            let Parameter { ty: takes, value } = exact_or_text(ty);
            quote_spanned! {at_type=>
                #[doc = #doc]
                #vis fn #setter(self, value: #takes) -> Self {
                    Self(self.0.overwrite::<#ty>(#id, #value))
                }
            }
        });
        quote_spanned! {at_type=>
            #[doc = #doc]
            #[doc = ""]
            #(#docs)*
            #vis fn #field(self, value: #takes) -> Self {
                Self(self.0.write(#id, #value))
            }
            #overwrite
        }
    }

    fn what_a_write_does(&self) -> &'static str {
        match self.rule {
            Rule::Last(_) => "the value takes the place of the old one",
            Rule::Append => "the items go to the end",
            Rule::Topic { .. } => "the items are published",
            Rule::Add => "the value is added",
            Rule::Merge => "the entries are set",
            Rule::Messages => {
                "messages go to the end or in the place of the one with their id, removals take one out"
            }
            Rule::Function(_) | Rule::With(_) => "the reducer folds the value in",
        }
    }

    fn parameter(&self) -> Parameter {
        let ty = self.ty;
        match self.rule {
            Rule::Last(_) | Rule::Add | Rule::Function(_) => exact_or_text(ty),
            Rule::Append | Rule::Topic { .. } => match arguments(ty, &["Vec"]).as_deref() {
                Some([item]) if converts(item) => Parameter {
                    ty: quote!(impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<#item>>),
                    value: quote! {
                        ::core::iter::Iterator::collect::<#ty>(::core::iter::Iterator::map(
                            ::core::iter::IntoIterator::into_iter(value),
                            ::core::convert::Into::<#item>::into,
                        ))
                    },
                },
                Some([item]) => collected(&quote!(#item), &quote!(#ty)),
                _ => Parameter { ty: quote!(#ty), value: quote!(value) },
            },
            Rule::Merge => match arguments(ty, &["BTreeMap", "HashMap"]).as_deref() {
                Some([key, item]) => collected(&quote!((#key, #item)), &quote!(#ty)),
                _ => Parameter { ty: quote!(#ty), value: quote!(value) },
            },
            Rule::Messages => {
                let change = quote!(::genesis_mesh::state::MessageChange);
                Parameter {
                    ty: quote!(impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<#change>>),
                    value: quote! {
                        ::core::iter::Iterator::collect::<::std::vec::Vec<#change>>(::core::iter::Iterator::map(
                            ::core::iter::IntoIterator::into_iter(value),
                            ::core::convert::Into::<#change>::into,
                        ))
                    },
                }
            }
            Rule::With(reducer) => Parameter {
                ty: quote!(<#reducer as ::genesis_mesh::state::Reducer<#ty>>::Update),
                value: quote!(value),
            },
        }
    }
}

/// Anything that iterates over `item`, collected to `ty`.
fn collected(item: &TokenStream, ty: &TokenStream) -> Parameter {
    Parameter {
        ty: quote!(impl ::core::iter::IntoIterator<Item = #item>),
        value: quote!(::core::iter::Iterator::collect::<#ty>(::core::iter::IntoIterator::into_iter(value))),
    }
}

/// A text in any form for a `String`, else the type itself: a type that is converted can't be inferred.
fn exact_or_text(ty: &Type) -> Parameter {
    if is_named(ty, &["String"]) {
        let value = quote!(::core::convert::Into::<#ty>::into(value));
        return Parameter { ty: quote!(impl ::core::convert::Into<#ty>), value };
    }
    Parameter { ty: quote!(#ty), value: quote!(value) }
}

/// Whether items of this type are taken in any form that converts: named types, but numbers, whose literals would then
/// have a type of their own.
fn converts(item: &Type) -> bool {
    const EXACT: [&str; 16] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
        "u128", "usize",
    ];
    last_segment(item).is_some_and(|segment| segment.arguments.is_none()) && !is_named(item, &EXACT)
}

fn is_named(ty: &Type, names: &[&str]) -> bool {
    last_segment(ty)
        .is_some_and(|segment| segment.arguments.is_none() && names.iter().any(|n| segment.ident == n))
}

/// The type arguments of a path that ends in one of `names`.
fn arguments<'a>(ty: &'a Type, names: &[&str]) -> Option<Vec<&'a Type>> {
    let segment = last_segment(ty).filter(|segment| names.iter().any(|name| segment.ident == name))?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}
