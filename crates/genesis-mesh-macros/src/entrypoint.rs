//! `#[entrypoint]`: a function that is a graph.
//!
//! Owns: the function that gives the graph.
//! Never: runs anything; the code that it makes is one `Graph::function`.

use crate::function::{self, Function, Problems, Taken};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, Ident, ItemFn};

pub(crate) fn expand(attribute: TokenStream, item: ItemFn) -> Result<TokenStream, Error> {
    let mut name = item.sig.ident.to_string();
    function::settings(attribute, |key, value| {
        if key != "name" {
            return Err(Error::new_spanned(key, "an entrypoint has `name`, the name of the graph"));
        }
        name = function::name_of(value)?;
        Ok(())
    })?;
    let signature = item.sig.clone();
    let function = Function::of(item, "an entrypoint")?;
    let mut problems = Problems::default();
    if !matches!(
        function.takes.as_slice(),
        [Taken::Argument(_)] | [Taken::Argument(_), Taken::Context { .. }]
    ) {
        let reason = "an entrypoint takes its input, and a `Context` second if it needs one";
        problems.add(&signature, reason.to_owned());
    }
    problems.end()?;
    Ok(code(&name, &function))
}

fn code(graph: &str, function: &Function) -> TokenStream {
    let (vis, name) = (&function.item.vis, &function.item.sig.ident);
    let inner = format_ident!("__entrypoint_{name}");
    let own = Ident::new("own", Span::mixed_site());
    let (body, attributes) = function.renamed(&inner);
    let input = function.arguments().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        quote!(#name: #ty)
    });
    let awaited = function.awaited(&inner, &own);
    quote! {
        #(#attributes)*
        #vis fn #name() -> ::core::result::Result<
            ::genesis_mesh::graph::Graph<::genesis_mesh::graph::NoState>,
            ::genesis_mesh::graph::GraphError,
        > {
            #body
            ::genesis_mesh::graph::Graph::function(
                #graph,
                |#(#input,)* #own: ::genesis_mesh::graph::Context| async move {
                    let _ = &#own;
                    #awaited
                },
            )
        }
    }
}
