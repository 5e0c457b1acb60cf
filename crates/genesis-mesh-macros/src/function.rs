//! Functions that become tasks or entrypoints: what of a signature both keep, and what neither can be.
//!
//! Owns: the arguments, the context, the result, and the errors about them.
//! Never: writes code; `task.rs` and `entrypoint.rs` do.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ItemFn, Pat, PatType, PathArguments, ReturnType, Token,
    Type,
};

/// A function, read.
pub(crate) struct Function {
    /// As it was written.
    pub(crate) item: ItemFn,
    /// What it takes, in order.
    pub(crate) takes: Vec<Taken>,
    /// What it gives.
    pub(crate) gives: Given,
}

/// One parameter.
pub(crate) enum Taken {
    /// A value of the caller.
    Argument(Box<Argument>),
    /// The context, by value or by reference.
    Context {
        /// Whether it takes a reference.
        is_borrowed: bool,
    },
}

/// A value that the caller gives.
pub(crate) struct Argument {
    /// Its name towards the caller.
    pub(crate) name: Ident,
    /// Its type.
    pub(crate) ty: Type,
}

/// What a function returns.
pub(crate) enum Given {
    /// A `Result` of this.
    Result(Box<Type>),
    /// A value: it can't fail.
    Value(Box<Type>),
}

impl Function {
    /// Reads `item`, which is to become `what`.
    pub(crate) fn of(item: ItemFn, what: &str) -> Result<Self, Error> {
        let mut problems = Problems::default();
        let signature = &item.sig;
        if signature.asyncness.is_none() {
            problems.add(signature.fn_token, format!("{what} is an `async fn`"));
        }
        if let Some(parameter) = signature.generics.params.first() {
            problems
                .add(parameter, format!("{what} has no type parameters: what it takes and gives is kept"));
        }
        let takes = signature.inputs.iter().zip(0..).filter_map(|(input, index)| match input {
            FnArg::Receiver(receiver) => {
                problems.add(receiver, format!("{what} is a function of its own, not a method"));
                None
            }
            FnArg::Typed(input) => Some(taken(input, index, what, &mut problems)),
        });
        let takes = takes.collect();
        let gives = given(&signature.output).unwrap_or_else(|error| {
            problems.0.push(error);
            Given::Value(Box::new(Type::Verbatim(TokenStream::new())))
        });
        problems.end()?;
        Ok(Self { item, takes, gives })
    }

    /// The arguments without the context.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.takes.iter().filter_map(|taken| match taken {
            Taken::Argument(argument) => Some(&**argument),
            Taken::Context { .. } => None,
        })
    }

    /// The function under the name `name`, and what the attributes that its users see say.
    pub(crate) fn renamed(&self, name: &Ident) -> (TokenStream, Vec<&Attribute>) {
        let is_public = |attribute: &&Attribute| {
            ["doc", "must_use", "deprecated", "cfg"].iter().any(|word| attribute.path().is_ident(word))
        };
        let (public, private): (Vec<_>, Vec<_>) = self.item.attrs.iter().partition(is_public);
        let mut signature = self.item.sig.clone();
        signature.ident = name.clone();
        let body = &self.item.block;
        (quote!(#(#private)* #signature #body), public)
    }

    /// The call of `name` with its arguments by their names and the context `context`, awaited, as a `Result` whose
    /// error is a `NodeError`.
    pub(crate) fn awaited(&self, name: &Ident, context: &Ident) -> TokenStream {
        let values = self.takes.iter().map(|taken| match taken {
            Taken::Argument(argument) => argument.name.to_token_stream(),
            Taken::Context { is_borrowed: true } => quote!(&#context),
            Taken::Context { is_borrowed: false } => quote!(::core::clone::Clone::clone(&#context)),
        });
        let call = quote!(#name(#(#values),*).await);
        match self.gives {
            Given::Result(_) => quote! {
                #call.map_err(::core::convert::Into::<::genesis_mesh::graph::NodeError>::into)
            },
            Given::Value(_) => quote! {
                ::core::result::Result::<_, ::genesis_mesh::graph::NodeError>::Ok(#call)
            },
        }
    }
}

fn taken(input: &PatType, index: u32, what: &str, problems: &mut Problems) -> Taken {
    let (ty, is_borrowed) = match &*input.ty {
        Type::Reference(reference) => (&*reference.elem, true),
        ty => (ty, false),
    };
    if is_context(ty) {
        return Taken::Context { is_borrowed };
    }
    if is_borrowed {
        let reason = format!("{what} owns its arguments, for it may run again: take {}", owned(ty));
        problems.add(&input.ty, reason);
    }
    if matches!(ty, Type::ImplTrait(_)) {
        problems.add(&input.ty, format!("{what} has arguments of types with a name"));
    }
    let name = match &*input.pat {
        Pat::Ident(pattern) => pattern.ident.clone(),
        _ => format_ident!("argument_{index}"),
    };
    Taken::Argument(Box::new(Argument { name, ty: (*input.ty).clone() }))
}

/// The type that owns what a reference to `ty` borrows.
fn owned(ty: &Type) -> String {
    match ty {
        Type::Path(path) if path.path.is_ident("str") => "`String`".to_owned(),
        Type::Slice(slice) => format!("`Vec<{}>`", slice.elem.to_token_stream()),
        ty => format!("`{}`", ty.to_token_stream()),
    }
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context"))
}

fn given(output: &ReturnType) -> Result<Given, Error> {
    let ReturnType::Type(_, ty) = output else {
        return Ok(Given::Value(Box::new(Type::Tuple(syn::TypeTuple {
            paren_token: syn::token::Paren::default(),
            elems: Punctuated::new(),
        }))));
    };
    let last = match &**ty {
        Type::Path(path) => path.path.segments.last().filter(|last| last.ident == "Result"),
        _ => None,
    };
    let Some(last) = last else { return Ok(Given::Value(ty.clone())) };
    let first = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    match first {
        Some(ty) => Ok(Given::Result(Box::new(ty))),
        None => Err(Error::new_spanned(ty, "say of what this is a `Result`: `Result<T, NodeError>`")),
    }
}

/// Mistakes, told together.
#[derive(Default)]
pub(crate) struct Problems(Vec<Error>);

impl Problems {
    pub(crate) fn add(&mut self, place: impl ToTokens, reason: String) {
        self.0.push(Error::new_spanned(place, reason));
    }

    /// All of them as one error.
    pub(crate) fn end(self) -> Result<(), Error> {
        let all = self.0.into_iter().reduce(|mut all, other| {
            all.combine(other);
            all
        });
        all.map_or(Ok(()), Err)
    }
}

/// What stands in the parentheses of the attribute: `key = value`, with commas between.
pub(crate) fn settings(
    tokens: TokenStream,
    mut take: impl FnMut(&Ident, &syn::Expr) -> Result<(), Error>,
) -> Result<(), Error> {
    use syn::parse::Parser as _;
    let pairs = Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated.parse2(tokens)?;
    pairs.iter().try_for_each(|pair| take(pair.path.require_ident()?, &pair.value))
}

/// The text of a setting `name = "…"`.
pub(crate) fn name_of(value: &syn::Expr) -> Result<String, Error> {
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) if !text.value().is_empty() => {
            Ok(text.value())
        }
        other => Err(Error::new_spanned(other, "a name is a text that is not empty")),
    }
}
