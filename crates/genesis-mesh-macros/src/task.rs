//! `#[task]`: a function whose calls are kept.
//!
//! Owns: the function that its callers see, and the settings of the attribute.
//! Never: runs anything; the code that it makes is one `Context::call_with`.

use crate::function::{self, Function, Given};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprLit, Ident, ItemFn, Lit};

/// What the attribute says.
#[derive(Default)]
struct Settings {
    name: Option<String>,
    retry: Option<TokenStream>,
    timeout: Option<TokenStream>,
    effect: Option<TokenStream>,
}

pub(crate) fn expand(attribute: TokenStream, item: ItemFn) -> Result<TokenStream, Error> {
    let settings = Settings::of(attribute);
    let (settings, function) = match (settings, Function::of(item, "a task")) {
        (Ok(settings), Ok(function)) => (settings, function),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            return Err(error);
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
    };
    Ok(code(&settings, &function))
}

impl Settings {
    fn of(attribute: TokenStream) -> Result<Self, Error> {
        let mut settings = Self::default();
        function::settings(attribute, |key, value| {
            match key.to_string().as_str() {
                "name" => settings.name = Some(function::name_of(value)?),
                "retry" => settings.retry = Some(retry(value)?),
                "timeout" => settings.timeout = Some(quote!(::core::option::Option::Some(#value))),
                "effect" => settings.effect = Some(effect(value)?),
                _ => {
                    let reason = "a task has `name`, `retry` (how often it is tried, or a `RetryPolicy`), `timeout` \
                                  (of each attempt, a `Duration`) and `effect` (`\"pure\"`, `\"idempotent\"` or \
                                  `\"at_most_once\"`)";
                    return Err(Error::new_spanned(key, reason));
                }
            }
            Ok(())
        })?;
        Ok(settings)
    }
}

/// A number of attempts, or a policy.
fn retry(value: &Expr) -> Result<TokenStream, Error> {
    let Expr::Lit(ExprLit { lit: Lit::Int(attempts), .. }) = value else { return Ok(quote!(#value)) };
    if attempts.base10_parse::<u32>()? == 0 {
        return Err(Error::new_spanned(attempts, "a task is tried once or more often"));
    }
    Ok(quote!(::genesis_mesh::graph::RetryPolicy::attempts(#attempts)))
}

/// The name of an effect.
fn effect(value: &Expr) -> Result<TokenStream, Error> {
    let name = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => name.value(),
        _ => String::new(),
    };
    match name.as_str() {
        "pure" => Ok(quote!(::genesis_mesh::graph::Effect::Pure)),
        "idempotent" => Ok(quote!(::genesis_mesh::graph::Effect::Idempotent)),
        "at_most_once" => Ok(quote!(::genesis_mesh::graph::Effect::AtMostOnce)),
        _ => {
            let reason = "an effect is `\"pure\"`, `\"idempotent\"` or `\"at_most_once\"`";
            Err(Error::new_spanned(value, reason))
        }
    }
}

fn code(settings: &Settings, function: &Function) -> TokenStream {
    let (vis, name) = (&function.item.vis, &function.item.sig.ident);
    let inner = format_ident!("__task_{name}");
    // The names of locals that no argument can have.
    let caller = Ident::new("context", Span::mixed_site());
    let own = Ident::new("own", Span::mixed_site());
    let (body, attributes) = function.renamed(&inner);
    let parameters = function.arguments().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        quote!(#name: #ty)
    });
    let clones = function.arguments().map(|argument| {
        let name = &argument.name;
        quote_spanned!(argument.ty.span()=> let #name = ::core::clone::Clone::clone(&#name);)
    });
    let awaited = function.awaited(&inner, &own);
    let (Given::Result(value) | Given::Value(value)) = &function.gives;
    let task = settings.name.clone().unwrap_or_else(|| name.to_string());
    let retry = settings.retry.iter();
    let timeout = settings.timeout.clone().unwrap_or_else(|| quote!(::core::option::Option::None));
    let effect = settings.effect.clone().unwrap_or_else(|| quote!(::genesis_mesh::graph::Effect::Pure));
    quote! {
        #(#attributes)*
        #vis fn #name(
            #caller: &::genesis_mesh::graph::Context,
            #(#parameters),*
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<#value, ::genesis_mesh::graph::NodeError>,
        > + ::core::marker::Send + use<> {
            #body
            let options = ::genesis_mesh::graph::CallOptions {
                effect: #effect,
                retry: ::std::vec::Vec::from([#(#retry),*]),
                timeout: ::genesis_mesh::graph::TimeoutPolicy {
                    run: #timeout,
                    ..::core::default::Default::default()
                },
                ..::core::default::Default::default()
            };
            #caller.call_with(#task, options, move |#own| {
                #(#clones)*
                async move {
                    let _ = &#own;
                    #awaited
                }
            })
        }
    }
}
