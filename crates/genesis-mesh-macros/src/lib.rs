//! Charter: the macros of Genesis Mesh: what a graph needs to know of a struct or a function, read from its source.
//!
//! Owns: the attributes on states and their parts, on tasks and entrypoints, and the errors about them.
//! Never: runs anything; the code that it makes names `::genesis_mesh` alone, which re-exports it.
//! Flow: attributes are read into a `Rule` for each field (`rule.rs`), of which `state.rs` makes channels, and setters.
#![forbid(unsafe_code)]

mod shape;
mod name;
mod rule;
mod setter;
mod state;
mod part;
mod function;
mod task;
mod entrypoint;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

/// Makes a struct the state of graphs: each field is a channel, and `<Name>Update` writes to them.
///
/// The struct derives `Clone` and `Default`; each field's type can be cloned, defaulted, serialised and deserialised,
/// and has a JSON schema. `Name::update()` begins an update with a setter for each field.
///
/// A field takes one write a step and keeps the last value, unless it says otherwise:
///
/// * `#[reduce(append)]` adds the items of a list to a `Vec`, `#[reduce(add)]` adds with `+=`, `#[reduce(merge)]` sets
///   the entries of a map, `#[reduce(messages)]` changes a conversation (`Vec<Message>`).
/// * `#[reduce(path::to::function)]` folds with a `fn(T, T) -> T`: the value, the update, the next value.
/// * `#[reduce(with = Type)]` folds with a type that implements `Reducer<T>`.
/// * `#[channel(any)]`: of several writes the last wins; the value is gone after a step without one.
/// * `#[channel(ephemeral)]`: a value for the next step alone. `#[channel(untracked)]`: a value that is never stored.
///   Both take `guard = false`, after which two writes in one step are no error and the last one wins.
/// * `#[channel(topic)]` or `#[channel(topic(accumulate))]`: a `Vec` of what one step, or all steps, published.
/// * `#[channel(after_finish)]`: a value that is seen only when nothing else can run.
///
/// Fields that reduce have an `overwrite_<field>` setter too, which goes past the reducer. A channel has the name
/// that `#[serde(rename)]` or `#[serde(rename_all)]` gives its field.
#[proc_macro_derive(State, attributes(reduce, channel, serde))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    state::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct with some fields of a state a part of it, which nodes can take in the state's place.
///
/// `#[part(of = Blog)]` names the state. The fields have the names and the types that they have there; a node that
/// takes the part clones them and nothing else.
#[proc_macro_derive(Part, attributes(part))]
pub fn derive_part(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    part::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an async function a task: what it returned is kept, and when its caller runs again after a stop, the kept
/// result is given and the function is not run.
///
/// It is called with the context of its caller first, by reference, and then with its arguments:
///
/// ```text
/// #[task(retry = 3)]
/// async fn add(a: i64, b: i64) -> Result<i64, NodeError> { Ok(a + b) }
///
/// let sum = add(&context, 1, 2).await?;
/// ```
///
/// A function that asks, streams or calls by itself takes a first parameter of the type `Context` or `&Context`; it is
/// called in the same way, and what it is given is a context of its own. The arguments are cloned for each attempt; the
/// result is kept, so it can be serialised, deserialised and cloned. A function that returns no `Result` can't fail.
///
/// `name = "…"` names the task in streams, in the place of the function's name. `retry` is how often it is tried, or a
/// `RetryPolicy`; without it, once. `timeout` is the `Duration` that an attempt may take. `effect` says what it does to
/// the world outside: `"pure"`, as it is without it, `"idempotent"` or `"at_most_once"`, as `Effect` tells. It is sugar
/// over `Context::call_with`: calls of one caller come in the same order whenever it runs.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    task::expand(attribute.into(), item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an async function the body of a graph: `async fn flow(input: Topic, context: Context) -> Result<Report, NodeError>`
/// becomes `fn flow() -> Result<Graph<NoState>, GraphError>`.
///
/// The input is read from the run's JSON. The `Context` may be left out, or taken by reference. `name = "…"` names the
/// graph, in the place of the function's name. It is sugar over `Graph::function`; the function calls `#[task]`s.
#[proc_macro_attribute]
pub fn entrypoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemFn);
    entrypoint::expand(attribute.into(), item).unwrap_or_else(syn::Error::into_compile_error).into()
}
