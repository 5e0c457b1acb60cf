//! The names of genesis-mesh that the code of the derives calls, over the core and without a runner behind them.

pub use genesis_mesh_core::*;

pub mod graph {
    pub use genesis_mesh_core::run::TaskInput;
    use genesis_mesh_core::state::{Shape, Snapshot, State, Update};

    pub struct NodeError;
    pub struct Output;
    pub struct InputForm<S>(pub Update<S>);

    pub trait IntoInput<S> {
        fn into_input(self) -> InputForm<S>;
    }

    impl<S> IntoInput<S> for Update<S> {
        fn into_input(self) -> InputForm<S> {
            InputForm(self)
        }
    }

    pub trait IntoOutput<S> {
        fn into_output(self, shape: &Shape) -> Result<Output, NodeError>;
    }

    impl<S: State> IntoOutput<S> for Update<S> {
        fn into_output(self, _: &Shape) -> Result<Output, NodeError> {
            Ok(Output)
        }
    }

    pub trait NodeInput<S>: Sized {
        fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError>;
    }

    impl<S: State> NodeInput<S> for Snapshot<S> {
        fn from_input(_: TaskInput, _: &Shape) -> Result<Self, NodeError> {
            Err(NodeError)
        }
    }
}
